"""One process a GPU: leases that the kernel gives back after any kind of end, SIGKILL too."""

import logging
import os
import re
import stat
import tempfile
import time
from pathlib import Path

from dynmm.errors import InputError
from dynmm.locks import try_lock

log = logging.getLogger("dynmm.device")

_held = {}  # name -> open lock file: closing it would give the GPU back


def lease(names, lock_directory=None, poll_seconds=2.0):
    """Index of a GPU that no other process of this user holds; waits while all are held.

    The lease is an exclusive lock on a file named as the GPU. It lasts until this process ends; a
    GPU that this process holds already is the answer at once.

    Args:
        names: what tells each GPU from all others of the machine, such as its UUID.
        lock_directory: where the lock files lie (default: see `lock_folder`).
        poll_seconds: time between two looks while every GPU is held.

    Raises:
        InputError: the folder or a lock file is somebody else's, or no such thing.
    """
    waiting = False
    while True:
        folder = Path(lock_directory) if lock_directory else lock_folder()  # removed while waiting?
        for index, name in enumerate(names):
            if name in _held:
                return index
            file = try_lock(folder / f"{re.sub('[^A-Za-z0-9-]', '_', name)}.lock")
            if file is not None:
                _held[name] = file
                return index
        if not waiting:
            log.info("leased by other jobs: %s; waiting for one", ", ".join(names))
            waiting = True
        time.sleep(poll_seconds)


def lock_folder():
    """The folder of this user's lock files, which nobody else can write into.

    It lies in XDG_RUNTIME_DIR where that is this user's own, else beside other temporary files.

    Raises:
        InputError: something of that name is there and is not a folder of this user.
    """
    user, runtime = os.getuid(), os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own_folder(runtime):
        folder = Path(runtime) / "dynmm-gpu"
    else:
        folder = Path(tempfile.gettempdir()) / f"dynmm-gpu-{user}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_own_folder(folder):
            raise InputError(
                "the folder for locks on GPUs is not this user's",
                file=folder,
                found="a link, a file or another user's folder",
                expected=f"a folder of user {user}, or nothing",
                fix="Have it removed, or set TMPDIR to a folder of your own.",
            ) from None
        folder.chmod(0o700)
    return folder


def _is_own_folder(path):
    """Whether `path` is a folder of this user, and no link to one."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
