"""The small raw files of NYU Depth V2: the official split and the 894 -> 40 class mapping."""

from dataclasses import dataclass

import numpy as np

from dynmm.data.nyuv2.matlab import UnreadableError, read_matlab
from dynmm.data.nyuv2.raw import EXPECTED
from dynmm.data.raw_files import FETCH_AGAIN, require_raw_file
from dynmm.errors import InputError

CLASSES = 40
LARGEST = 1_000_000  # far above any frame number or class
SPLIT_KEYS = {"train": "trainNdxs", "test": "testNdxs"}


def read_splits(path, count):
    """The official split as 0-based frame indices in ascending order.

    Args:
        path: `splits.mat`, which holds `trainNdxs` and `testNdxs`, 1-based.
        count: number of frames in the labeled file.

    Returns:
        dict of `train` and `test`, each an int64 array.

    Raises:
        InputError: missing file or key, no index, an index twice or outside 1..count, or in both
            parts.
    """
    matlab = _load_matlab(path, SPLIT_KEYS.values())
    parts = {}
    for split, key in SPLIT_KEYS.items():
        numbers = _matlab_numbers(matlab, key, path)
        outside = numbers[(numbers < 1) | (numbers > count)]
        if len(outside) or not len(numbers):
            raise InputError(
                "split index out of range" if len(outside) else "the split is empty",
                file=path,
                key=key,
                found=_some(outside),
                expected=f"frame numbers in 1..{count}, as many as the labeled file has",
                fix="Use the splits.mat that belongs to this labeled file.",
            )
        _refuse_repeated(numbers, path, key)
        parts[split] = np.sort(numbers) - 1
    _refuse_repeated(np.concatenate(list(parts.values())) + 1, path, "trainNdxs, testNdxs")
    return parts


@dataclass(frozen=True)
class ClassMapping:
    """`lookup` (895,) uint8 maps 0..894 to 0..40 (0: void); `names` are those of 1..40."""

    lookup: np.ndarray
    names: tuple


def read_class_mapping(path):
    """The 894 -> 40 mapping (`mapClass`) and the names (`className`) of `classMapping40.mat`.

    Raises:
        InputError: missing file or key, a class outside 1..40, or not 40 different names.
    """
    matlab = _load_matlab(path, ("mapClass", "className"))
    mapping = _matlab_numbers(matlab, "mapClass", path)
    outside = mapping[(mapping < 1) | (mapping > CLASSES)]
    if len(outside) or not len(mapping):
        raise InputError(
            "mapClass is no mapping to 40 classes",
            file=path,
            key="mapClass",
            found=_some(outside),
            expected=f"one class in 1..{CLASSES} for each of the 894",
            fix=FETCH_AGAIN,
        )
    names = matlab.get("className", "the key is missing")
    different = {name for name in names if name.strip()} if isinstance(names, list) else ()
    if not len(names) == len(different) == CLASSES:
        raise InputError(
            "not a name for every class",
            file=path,
            key="className",
            found=f"{len(names)} names, {len(different)} different" if different else names,
            expected=f"{CLASSES} different names",
            fix=FETCH_AGAIN,
        )
    lookup = np.concatenate([[0], mapping]).astype(np.uint8)
    return ClassMapping(lookup, tuple(names))


def _load_matlab(path, keys):
    require_raw_file(path, "nyuv2", EXPECTED)
    try:
        return read_matlab(path, keys)
    except UnreadableError as error:
        raise InputError(
            "not a readable MATLAB 5 file",
            file=path,
            found=error,
            expected="the official .mat file",
            fix=FETCH_AGAIN,
        ) from error


def _matlab_numbers(matlab, key, path):
    values = matlab.get(key)
    numeric = isinstance(values, np.ndarray)
    if not numeric or not (np.abs(values) <= LARGEST).all() or (values != np.floor(values)).any():
        found = "the key is missing" if values is None else values
        raise InputError(
            "whole numbers missing",
            file=path,
            key=key,
            found=f"{values.dtype} values" if numeric else found,
            expected="a vector of whole numbers",
            fix=FETCH_AGAIN,
        )
    return values.astype(np.int64)


def _refuse_repeated(numbers, path, key):
    values, times = np.unique(numbers, return_counts=True)
    if (times > 1).any():
        raise InputError(
            "a frame stands twice in the split",
            file=path,
            key=key,
            found=_some(values[times > 1]),
            expected="every frame once, in train or in test",
            fix="Use the splits.mat that belongs to this labeled file.",
        )


def _some(values, shown=5):
    text = ", ".join(str(value) for value in values[:shown])
    return f"{text} and {len(values) - shown} more" if len(values) > shown else text or "nothing"
