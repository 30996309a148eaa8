"""Whether this machine shows a GPU: a look at the drivers' files, without loading torch."""

import os
from pathlib import Path

HIDDEN = ("", "-1")  # values of CUDA_VISIBLE_DEVICES that hide every device


def gpu_in_sight(devices="/dev", environment=None):
    """True where a driver shows a GPU (NVIDIA or AMD) that CUDA_VISIBLE_DEVICES does not hide.

    Args:
        devices: folder of the device files.
        environment: mapping that stands for `os.environ`.
    """
    environment = os.environ if environment is None else environment
    folder = Path(devices)
    shown = any(folder.glob("nvidia[0-9]*")) or (folder / "kfd").exists()
    return shown and environment.get("CUDA_VISIBLE_DEVICES", "all") not in HIDDEN
