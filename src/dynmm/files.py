"""Files that appear whole or not at all."""

import contextlib
import fcntl
import functools
import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

from dynmm.errors import InputError
from dynmm.locks import not_inherited
from dynmm.stop_signals import deferred

LONGEST_NUMBER = 40  # characters; more is no count, and no float either
AGAIN = "Make it again: delete it and run the same command."


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; on success it is synced and takes its place.

    After an exception the temporary file is removed and `path` is as it was. What a killed process
    left is removed by the next one that writes the same file. A shared lock tells the two apart, so
    h5py needs `locking=False` to write. Signals wait for the end (`stop_signals.deferred`).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with deferred():
        _remove_remains(path)
        temporary, lock = _temporary(path)
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            os.replace(temporary, path)
            _sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
            lock.close()


def _temporary(path):
    """A new empty file beside `path`, and the open file that locks it."""
    while True:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
        )
        lock = not_inherited(os.fdopen(handle))
        with contextlib.suppress(OSError):  # where there are no locks, none removes what is left
            fcntl.flock(lock, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink:  # else removed before it was locked
            return Path(name), lock
        lock.close()


def _remove_remains(path):
    """Remove temporary files for `path` that no living process has."""
    for remains in path.parent.glob(f".{glob.escape(path.name)}.{'[a-z0-9_]' * 8}{path.suffix}"):
        with contextlib.suppress(OSError), open(remains, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_NB | fcntl.LOCK_EX)
            remains.unlink()


def link_or_copy(source, path):
    """Make `path` a second name of the file `source`, or a copy where that cannot be; atomically.

    Two names of one file take its space once. A file system or a border between two may not allow
    them.
    """
    with atomic_path(path) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def write_text(path, text):
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write `value` as indented JSON, atomically; NaN is refused (it is no JSON)."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path, fix=AGAIN):
    """The value stored in the JSON file `path`; its numbers are finite.

    Raises:
        InputError: the file is missing or no JSON; `fix` says what to do.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("not a readable JSON file", file=path, found=error, fix=fix) from error


def _whole(text):
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def sha256(path):
    """Hex digest of the file's bytes; a file that is as it was is read once by a process."""
    found = Path(path).stat()
    return _digest(str(path), found.st_ino, found.st_size, found.st_mtime_ns)


@functools.cache
def _digest(path, *_):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory):
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
