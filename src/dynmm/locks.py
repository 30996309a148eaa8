"""Files that one process holds at a time; the kernel frees them after any kind of end."""

import contextlib
import errno
import fcntl
import os
import stat
import time
import weakref
from pathlib import Path

from dynmm.errors import InputError
from dynmm.stop_signals import immediate

POLL_SECONDS = 0.5

_open = weakref.WeakSet()


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
        if not _is_at(file, path):
            file.close()  # removed between opening and locking: the next process would make it anew
        elif _held_after_removal(path):
            file.close()
            return None
        else:
            return not_inherited(file)


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
        with contextlib.suppress(FileNotFoundError):  # removed by the process that held it
            if (file := try_lock(path)) is not None:
                return file
        if say is not None:
            say()
            say = None
        with immediate():
            time.sleep(POLL_SECONDS)


def not_inherited(file):
    """The open file, which processes that this one forks will close at once."""
    _open.add(file)
    return file


def _close_inherited():
    for file in list(_open):
        file.close()


os.register_at_fork(after_in_child=_close_inherited)
