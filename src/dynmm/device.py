"""The device of a job: a GPU of its own where there is one, else the CPU; and its numerics."""

import ctypes
import logging
import os
import platform
from pathlib import Path

from dynmm.device_lease import lease
from dynmm.errors import InputError
from dynmm.gpu_presence import VISIBLE, fake_gpus, gpu_in_sight, listed_gpus

log = logging.getLogger("dynmm.device")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_CUBLAS_DETERMINISTIC = (":4096:8", ":16:8")
_SLURM_GPUS = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


def acquire_device(deterministic=False, lock_directory=None, poll_seconds=2.0):
    """The torch device that this process may use until it ends.

    CUDA_VISIBLE_DEVICES says which GPUs are allowed (all where it is unset; "" or -1: the CPU). The
    process takes a lease on the first that is free and waits while all are held. One GPU that SLURM
    gave is this job's alone and needs no lease.

    Args:
        deterministic: give equal numbers whenever the same GPU and libraries compute; an operation
            that cannot is an error then. Call this before anything computes.
        lock_directory, poll_seconds: see `dynmm.device_lease.lease`.

    Raises:
        InputError: a GPU is assigned, or was leased, that cannot compute.
    """
    import torch

    keep_memory()
    if deterministic:
        _compute_deterministically(torch)
    listed = listed_gpus()
    if listed == []:
        return _cpu(torch, f"{VISIBLE} hides every GPU")
    if listed and len(listed) > 1 and any(entry.startswith("MIG-") for entry in listed):
        # of parts of GPUs, CUDA shows a process the first that is named
        listed = [listed[lease(listed, lock_directory, poll_seconds)]]
        os.environ[VISIBLE] = listed[0]
    if fake := fake_gpus():
        name = fake[_own(fake, lock_directory, poll_seconds)]
        return _cpu(torch, f"{name} is pretended")
    if not torch.cuda.is_available():
        if listed or any(map(os.environ.get, _SLURM_GPUS)):
            raise _unusable(_failure(torch, "cuda"))
        if gpu_in_sight():
            log.warning("torch cannot use this machine's GPU (%s)", _failure(torch, "cuda"))
        return _cpu(torch, "no GPU can be used")
    index = _own(_names(torch, listed), lock_directory, poll_seconds)
    device = torch.device("cuda", index)
    if failure := _failure(torch, device):
        raise _unusable(failure, device)
    torch.cuda.set_device(device)
    log.debug("computing on %s, %s", device, torch.cuda.get_device_name(device))
    return device


def numerics(device):
    """What numbers depend on beside code and data: the hardware and how it rounds; JSON-able.

    Args:
        device: the torch device that `acquire_device` gave.
    """
    import torch

    record = {
        "device": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
    if device.type == "cuda":
        record |= {
            "device": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "tf32": {
                "matmul": torch.backends.cuda.matmul.allow_tf32,
                "cudnn": torch.backends.cudnn.allow_tf32,
            },
        }
    return record


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


def _compute_deterministically(torch):
    if os.environ.get(_CUBLAS) not in _CUBLAS_DETERMINISTIC:
        os.environ[_CUBLAS] = _CUBLAS_DETERMINISTIC[0]  # read when CUDA starts
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def _own(names, lock_directory, poll_seconds):
    """Index of the GPU that this process has for itself."""
    if len(names) == 1 and "SLURM_JOB_ID" in os.environ:
        return 0
    return lease(names, lock_directory, poll_seconds)


def _names(torch, listed):
    """What tells each visible GPU from all others, in CUDA's order."""
    if listed and listed[0].startswith("MIG-"):
        return listed
    properties = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [f"GPU-{each.uuid}" for each in properties]


def _failure(torch, device):
    """Why torch cannot compute on a device, in one line; None where it can."""
    try:
        ones = torch.ones(2, 2, device=device)
        right = (ones @ ones).sum().item() == 8
    except (RuntimeError, AssertionError) as error:  # the latter: a torch without CUDA
        return str(error).splitlines()[0]
    return None if right else "a product of ones is wrong"


def _unusable(failure, device=None):
    return InputError(
        "the GPU of this job cannot be used",
        key=f"{VISIBLE}={os.environ.get(VISIBLE, '(unset)')}",
        found=f"{device}: {failure}" if device else failure,
        expected="a GPU that torch computes on",
        fix=f"Mend it (nvidia-smi shows what the driver sees), choose another, or set {VISIBLE}=-1 "
        "to compute on the CPU.",
    )


def _cpu(torch, reason):
    log.debug("%s: computing on the CPU with %d threads", reason, torch.get_num_threads())
    return torch.device("cpu")


def _processor():
    """The processor's name as its maker spells it, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
