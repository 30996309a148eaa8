"""How many epochs of training went into a model."""

import numpy as np

from dynmm.errors import InputError
from dynmm.files import read_json


def epochs_behind(trainings, folds=()):
    """Epochs that ran, patience counted in, for `metrics.json`.

    Args:
        trainings: `training.json` of the model itself, then of each expert under its gate.
        folds: files of cross-fitted experts (`folds/<f>.npz`), each of a training of its own.

    Returns:
        dict of `own`, those of the model's training, and `in_all`, with its experts' and folds'.

    Raises:
        InputError: a file without a number of epochs.
    """
    own, *others = [_of_training(path) for path in trainings]
    return {"own": own, "in_all": own + sum(others) + sum(map(_of_fold, folds))}


def _of_training(path):
    return _checked(read_json(path).get("epochs"), path)


def _of_fold(path):
    with np.load(path, allow_pickle=False) as arrays:
        return _checked(arrays["epochs"].item() if "epochs" in arrays else None, path)


def _checked(found, path):
    if found is None:
        raise InputError(
            "a training without its number of epochs",
            file=path,
            key="epochs",
            fix="Delete the file and run the same command: it is made again.",
        )
    return found
