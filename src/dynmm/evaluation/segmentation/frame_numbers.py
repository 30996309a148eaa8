"""Frames by their official numbers."""

import numpy as np

from dynmm.errors import InputError


def positions_in(known, numbers, split):
    """Positions of frames by their official numbers.

    Args:
        known: official numbers of the frames of the split, in its order.
        numbers: of the frames asked for.
        split: its name.

    Raises:
        InputError: a number is not in the split.
    """
    known = list(known)
    missing = [number for number in numbers if number not in known]
    if missing:
        raise InputError(
            f"frames that are not in the {split} split",
            key="nyuv2.predicted_frames.frames",
            found=", ".join(map(str, missing)),
            expected=f"official numbers such as {', '.join(map(str, known[:3]))}",
        )
    return np.array([known.index(number) for number in numbers])
