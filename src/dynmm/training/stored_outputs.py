"""Where the outputs of frozen experts lie between their one run and the grid points."""

from pathlib import Path


def stored_file(folder, part):
    """Where an expert's stored outputs of one split lie."""
    return Path(folder) / f"outputs_{part}.npy"
