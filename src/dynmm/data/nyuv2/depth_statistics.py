"""The depths a network may see, and their mean and deviation over many frames."""

import math

import numpy as np

DEPTH_MODES = {"refined": "depth", "raw": "depth_raw"}  # mode -> prepared array


class DepthSums:
    """Exact mean and deviation of millimetres, by integer sums.

    Args:
        skip_zeros: leave pixels without a reading out (raw depth).
    """

    def __init__(self, skip_zeros):
        self.skip_zeros = skip_zeros
        self.count = self.total = self.squares = 0

    def add(self, depth):
        """Take in one (H, W) uint16 frame."""
        values = depth[depth > 0] if self.skip_zeros else depth.ravel()
        self.count += values.size
        self.total += int(values.sum(dtype=np.uint64))
        self.squares += int(np.square(values, dtype=np.uint64).sum())

    def summary(self):
        """`mean` and population deviation `std` in mm, or None where there is no spread."""
        spread = self.count * self.squares - self.total**2
        if not spread:
            return None
        return {"mean": self.total / self.count, "std": math.sqrt(spread / self.count**2)}
