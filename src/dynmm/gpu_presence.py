"""Which GPUs the user allows, and whether the machine shows one: told without loading torch."""

import os
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
FAKE = "DYNMM_FAKE_GPU"  # number of GPUs to pretend; jobs lease them and compute on the CPU
NONE = ("", "-1", "NoDevFiles")  # entries of CUDA_VISIBLE_DEVICES that end it; the last is SLURM's


def listed_gpus(environment=None):
    """The entries of CUDA_VISIBLE_DEVICES: numbers, GPU-... or MIG-...; [] where it hides all GPUs.

    None where the variable is unset, which allows every GPU.

    Args:
        environment: mapping that stands for `os.environ`.
    """
    text = (os.environ if environment is None else environment).get(VISIBLE)
    if text is None:
        return None
    entries = [entry.strip() for entry in text.split(",")]
    ends = [index for index, entry in enumerate(entries) if entry in NONE]
    return entries[: ends[0]] if ends else entries


def fake_gpus(environment=None):
    """Names of the GPUs that DYNMM_FAKE_GPU pretends, after CUDA_VISIBLE_DEVICES; none if unset."""
    environment = os.environ if environment is None else environment
    count, listed = int(environment.get(FAKE) or 0), listed_gpus(environment)
    if not count:
        return []
    entries = map(str, range(count)) if listed is None else listed
    return [f"GPU-fake-{entry}" if entry.isdecimal() else entry for entry in entries]


def gpu_in_sight(devices="/dev", environment=None):
    """True where a driver shows a GPU (NVIDIA or AMD) that CUDA_VISIBLE_DEVICES does not hide.

    Args:
        devices: folder of the device files.
        environment: mapping that stands for `os.environ`.
    """
    folder = Path(devices)
    shown = any(folder.glob("nvidia[0-9]*")) or (folder / "kfd").exists()
    return (shown or bool(fake_gpus(environment))) and listed_gpus(environment) != []
