"""How many epochs of training went into a model."""

from dynmm.stored_arrays import FOLD, read_arrays
from dynmm.stored_records import TRAINING, read_record


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
    own, *others = [read_record(path, TRAINING)["epochs"] for path in trainings]
    return {"own": own, "in_all": own + sum(others) + sum(map(_of_fold, folds))}


def _of_fold(path):
    return int(read_arrays(path, FOLD)["epochs"])
