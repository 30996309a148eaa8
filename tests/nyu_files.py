"""Small raw files of NYU Depth V2 in the true layout, for tests."""

import h5py
import numpy as np
from scipy.io import savemat

from dynmm.data.nyuv2.raw import LABELED, MAPPING, SPLITS
from fixture_rules import tiny_nyu

SPLIT = {"train": [1, 3, 4], "test": [2, 5, 6]}


def class_table():
    """A mapping of the 894 classes to 1..40 that uses every class."""
    return np.arange(894) % 40 + 1


def class_names():
    """40 names."""
    return [f"class {number}" for number in range(1, 41)]


def write_raw(folder, arrays=None, splits=None, mapping=None, **dataset_options):
    """Write the three raw files into `folder` and return it.

    Args:
        arrays: name -> array as in the labeled file (default: the six frames of `tiny_nyu`).
        splits: 1-based frame numbers of `train` and `test`.
        mapping: (894,) classes.
        dataset_options: of h5py's create_dataset, such as chunks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / LABELED, "w") as file:
        for name, array in (arrays or tiny_nyu()).items():
            file.create_dataset(name, data=array, **dataset_options)
    write_splits(folder, **(splits or SPLIT))
    write_mapping(folder, class_table() if mapping is None else mapping)
    return folder


def write_splits(folder, train, test):
    """Write `splits.mat` with columns of uint16, as the official one."""
    columns = {"trainNdxs": train, "testNdxs": test}
    savemat(
        folder / SPLITS,
        {key: np.array(numbers, np.uint16).reshape(-1, 1) for key, numbers in columns.items()},
    )


def write_mapping(folder, classes, names=None):
    """Write `classMapping40.mat`."""
    cells = np.array(class_names() if names is None else names, dtype=object).reshape(1, -1)
    row = np.asarray(classes, np.uint8).reshape(1, -1)
    savemat(folder / MAPPING, {"mapClass": row, "className": cells})
