"""Outputs of frozen experts, kept between their one run and the grid points that share them.

A gate that learns from what experts say about the samples they were trained on takes them for
better than they are. Cross-fitted outputs (stacking; Wolpert 1992) come, for each training sample,
from an expert that did not see it: one file a fold.
"""

import json
import zipfile
from dataclasses import replace

import numpy as np
import torch

from dynmm.carried_provenance import PROVENANCE
from dynmm.errors import InputError
from dynmm.files import atomic_path

STORED = "expert_outputs"  # under this name they travel with the samples


def save_stored(outputs, path):
    """Write one expert's outputs of a split, (N, C) float32."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, outputs.numpy())


def save_fold(outputs, index, count, epochs, record, path):
    """Write one expert's outputs (n, C) for the samples `index` of a split of `count`.

    `epochs` is how many its training ran; tables count them. `record` is the provenance.
    """
    arrays = {"outputs": outputs.numpy(), "index": index.numpy()}
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays, count=count, epochs=epochs)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(PROVENANCE, json.dumps(record))


def with_stored(split, paths, experts):
    """The split with the stored outputs of its experts, (N, K, C).

    Args:
        split: a split of the prepared data.
        paths: files of the experts, in their order: one each (`save_stored`), or equally many
            folds each (`save_fold`).
        experts: number of experts.

    Raises:
        InputError: outputs of another number of samples, or folds that leave samples out.
    """
    if len(paths) == experts:
        found = [_whole(path, len(split)) for path in paths]
    else:
        folds = len(paths) // experts
        found = [
            _assembled(paths[start : start + folds], len(split))
            for start in range(0, len(paths), folds)
        ]
    return replace(split, stored={STORED: torch.stack(found, dim=1)})


def _whole(path, count):
    array = np.load(path, allow_pickle=False)
    _check_count(path, len(array), count)
    return torch.from_numpy(array)


def _assembled(paths, count):
    result, seen = None, np.zeros(count, bool)
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            outputs, index = arrays["outputs"], arrays["index"]
            _check_count(path, int(arrays["count"]), count)
        if result is None:
            result = np.empty((count, *outputs.shape[1:]), np.float32)
        result[index] = outputs
        seen[index] = True
    if not seen.all():
        raise InputError(
            "folds that leave training samples out",
            file=paths[0],
            found=f"{int((~seen).sum())} of {count} samples in no fold",
            expected="every sample in one fold",
        )
    return torch.from_numpy(result)


def _check_count(path, found, expected):
    if found != expected:
        raise InputError("stored outputs of other data", file=path, found=found, expected=expected)
