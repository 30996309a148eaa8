"""Files that appear whole or not at all, and files that one process holds at a time."""

import contextlib
import errno
import fcntl
import functools
import glob
import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
import time
import weakref
from pathlib import Path

from dynmm.errors import InputError

LONGEST_NUMBER = 40  # characters; more is no count, and no float either
AGAIN = "Make it again: delete it and run the same command."
POLL_SECONDS = 0.5


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; on success it is synced and takes its place.

    After an exception the temporary file is removed and `path` is as it was. What a killed process
    left is removed by the next one that writes the same file. A shared lock tells the two apart, so
    h5py needs `locking=False` to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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


_locks = weakref.WeakSet()


def try_lock(path):
    """Take an exclusive lock on a file, which is made where it is missing and never written.

    The kernel gives the lock back after any kind of end of this process, SIGKILL too. Processes
    that this one forks, such as those that load batches, do not keep it: they outlive their parent
    by some seconds. A lock file that is removed while a process of this machine holds it stays
    held.

    Returns:
        The open file, which holds the lock until it is closed; None if another process holds it.

    Raises:
        InputError: at `path` lies a link, a folder or anything else but a plain file.
    """
    while True:
        file = _open_lock(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if _held_after_removal(path):
            file.close()
            return None
        if _is_at(file, path):
            _locks.add(file)
            return file
        file.close()  # removed between opening and locking: the next process would make it anew


def _open_lock(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)  # it may be removed while others wait
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise _no_lock_file(path) from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _no_lock_file(path)
    return file


def _no_lock_file(path):
    return InputError(
        "not a lock file",
        file=path,
        found="a link, a folder or a device",
        expected="a plain file, or nothing",
        fix="Somebody put it there: look at it and remove it.",
    )


def _is_at(file, path):
    """Whether an open file is the one that lies at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def _held_after_removal(path):
    """Whether a process of this machine holds a lock file that was removed from `path` (Linux)."""
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    removed = f"{os.path.realpath(path)} (deleted)"
    holders = {line.split()[4] for line in locks if line.split()[1] == "FLOCK"}
    return any(removed in _open_files(process) for process in holders)


def _open_files(process):
    """Paths of a process's open files; none where it is another user's or has ended."""
    folder, paths = f"/proc/{process}/fd", []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                paths.append(os.readlink(f"{folder}/{name}"))
    return paths


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
