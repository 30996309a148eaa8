"""Outputs of frozen experts, kept between their one run and the grid points that share them."""

from dataclasses import replace

import numpy as np
import torch

from dynmm.errors import InputError
from dynmm.files import atomic_path

STORED = "expert_outputs"  # under this name they travel with the samples


def save_stored(outputs, path):
    """Write one expert's outputs of a split, (N, C) float32."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, outputs.numpy())


def with_stored(split, paths):
    """The split with the stored outputs of its experts, (N, K, C).

    Args:
        split: a split of the prepared data.
        paths: a file for each expert, in their order.

    Raises:
        InputError: outputs of another number of samples.
    """
    arrays = []
    for path in paths:
        array = np.load(path, allow_pickle=False)
        if len(array) != len(split):
            raise InputError(
                "stored outputs of other data", file=path, found=len(array), expected=len(split)
            )
        arrays.append(torch.from_numpy(array))
    return replace(split, stored={STORED: torch.stack(arrays, dim=1)})
