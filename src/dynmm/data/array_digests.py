"""Whether prepared arrays still hold the bytes whose SHA-256 their manifest has.

A disk or a copy may change a bit without a word, and a training would take it. Reading the bytes
costs about 0.7 s a GB, so it is done once a process, and for the jobs of the next day a file beside
the arrays says when it was done. That file counts only for an array of the same size, times and
inode: what writes or replaces an array changes one of them.
"""

import hashlib
import json
import time
from pathlib import Path

from dynmm.errors import InputError
from dynmm.files import write_json

RECORD = ".verified.json"
SECONDS = 24 * 3600
_verified = set()  # (path, what `_identity` said) of this process


def require_digest(path, digest, fix):
    """Compare a file's bytes with their SHA-256, unless that was done within a day.

    Args:
        path: of the file.
        digest: its SHA-256, in hex digits.
        fix: what to do about other bytes, for the message.

    Raises:
        InputError: the file is missing, cannot be read, or its bytes are others.
    """
    try:
        _require(Path(path).absolute(), digest, fix)
    except OSError as error:
        raise InputError("cannot be read", file=path, found=error.strerror, fix=fix) from error


def _require(path, digest, fix):
    identity = {"sha256": digest, **_identity(path)}
    key = (path, *identity.values())
    if key in _verified:
        return
    record = path.with_name(RECORD)
    if not _is_fresh(_read(record).get(path.name), identity):
        with open(path, "rb") as file:  # not `files.sha256`, which does not read twice
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            raise InputError(
                "a file's bytes are not those that were written",
                file=path,
                found=f"SHA-256 {found}",
                expected=f"SHA-256 {digest}",
                fix=fix,
            )
        _keep(record, path.name, {**identity, "checked": time.time()})
    _verified.add(key)


def _identity(path):
    status = path.stat()
    return {
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "changed_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


def _is_fresh(entry, identity):
    checked = entry.get("checked") if isinstance(entry, dict) else None
    if not isinstance(checked, int | float) or entry != {**identity, "checked": checked}:
        return False
    return 0 <= time.time() - checked < SECONDS  # a clock that was set back counts for nothing


def _read(record):
    """What the file beside the arrays says; nothing where it is missing or damaged."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(record, name, entry):
    """Add an entry; jobs that do so at once may lose one another's, which costs a second look."""
    try:
        write_json(record, {**_read(record), name: entry})
    except OSError:
        return  # a folder that is read-only, or full: every job looks for itself
