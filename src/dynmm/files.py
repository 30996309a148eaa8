"""Files that appear whole or not at all, and files that one process holds at a time."""

import contextlib
import fcntl
import functools
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path

from dynmm.errors import InputError
from dynmm.stop_signals import deferred, immediate

POLL_SECONDS = 0.5


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
        lock = os.fdopen(handle)
        _locks.add(lock)
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


def read_json(path, fix="Make it again: delete it and run the same command."):
    """The value stored in the JSON file `path`.

    Raises:
        InputError: the file is missing or no JSON; `fix` says what to do.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("not a readable JSON file", file=path, found=error, fix=fix) from error


_locks = weakref.WeakSet()


def try_lock(path):
    """Take an exclusive lock on a file, which is made where it is missing.

    The kernel gives the lock back after any kind of end of this process, SIGKILL too. Processes
    that this one forks, such as those that load batches, do not keep it: they outlive their parent
    by some seconds.

    Returns:
        The open file, which holds the lock until it is closed; None if another process holds it.
    """
    file = open(path, "w")  # noqa: SIM115 (open for as long as the lock is held)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    _locks.add(file)
    return file


def wait_for_lock(path, say):
    """Take the lock that `try_lock` takes, and wait for it where another process holds it.

    Args:
        path: of the file; its folder is made where it is missing.
        say: called once where there is something to wait for.

    Returns:
        The open file, which holds the lock until it is closed.
    """
    while True:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # removed by the process that held it
            if (file := try_lock(path)) is not None:
                return file
        if say is not None:
            say()
            say = None
        with immediate():
            time.sleep(POLL_SECONDS)


def _close_inherited_locks():
    for file in list(_locks):
        file.close()


os.register_at_fork(after_in_child=_close_inherited_locks)


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
