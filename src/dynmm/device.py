"""The device of a job: a GPU of its own where there is one, else the CPU."""

import ctypes
import logging
import os
import tempfile
import time
from pathlib import Path

from dynmm.files import try_lock

log = logging.getLogger("dynmm.device")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30


def acquire_device(lock_directory=None, poll_seconds=2.0):
    """The torch device that this process may use until it ends.

    A device that somebody assigned already (CUDA_VISIBLE_DEVICES, as SLURM sets it) is taken as it
    is. Otherwise the process takes a lease on the first free GPU: an exclusive flock that the
    kernel gives back even after SIGKILL. It waits while all GPUs are leased.

    Args:
        lock_directory: where the lock files lie, one per GPU (default: beside other temporary
            files, one folder per user).
        poll_seconds: time between two looks when every GPU is leased.
    """
    import torch

    keep_memory()
    if not torch.cuda.is_available():
        log.debug("no GPU visible: computing on the CPU with %d threads", torch.get_num_threads())
        return torch.device("cpu")
    if not os.environ.get("CUDA_VISIBLE_DEVICES"):
        index = lease(torch.cuda.device_count(), lock_directory, poll_seconds)
        torch.cuda.set_device(index)
        os.environ["CUDA_VISIBLE_DEVICES"] = str(index)  # for programs this one starts
        return torch.device("cuda", index)
    return torch.device("cuda", 0)


_held = []  # open lock files: closing one would give its device back


def lease(devices, lock_directory=None, poll_seconds=2.0):
    """Index of a device that no other process holds; waits for one. See `acquire_device`."""
    folder = Path(lock_directory or Path(tempfile.gettempdir()) / f"dynmm-gpu-{os.getuid()}")
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        for index in range(devices):
            file = try_lock(folder / f"{index}.lock")
            if file is not None:
                _held.append(file)
                return index
        if not waiting:
            log.info("all %d GPUs are leased by other jobs: waiting for one", devices)
            waiting = True
        time.sleep(poll_seconds)


def keep_memory():
    """Let glibc keep large freed blocks instead of returning and re-faulting them.

    Activations of several MB are mapped and unmapped at every layer otherwise. Does nothing where
    the C library has no `mallopt`.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
