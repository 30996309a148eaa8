"""Scores of sentiment predictions in [-3, 3]: accuracies, mean absolute error, correlations."""

import numpy as np


def sentiment_scores(predicted, true):
    """All scores of CMU-MOSEI.

    Args:
        predicted: (N,) or (N, 1) predictions.
        true: the same of the labels.

    Returns:
        dict of floats, fractions where they are shares; NaN where a score is not defined:
        `acc2` (authors' rule: a zero counts as positive, affect_dyn.py), `acc2_nonzero`
        (MultiBench's rule in unimodal.py: samples labelled zero are left out, above zero is
        positive), `mae`, `pearson_r` (of the values), `corr_binarised` (what the authors print as
        "Corr": the correlation of the two vectors "is not negative").
    """
    predicted = np.asarray(predicted, np.float64).ravel()
    true = np.asarray(true, np.float64).ravel()
    if predicted.shape != true.shape or not len(true):
        raise ValueError(f"{predicted.size} predictions for {true.size} labels")
    nonzero = true != 0
    return {
        "acc2": float(((predicted >= 0) == (true >= 0)).mean()),
        "acc2_nonzero": _mean((predicted[nonzero] > 0) == (true[nonzero] > 0)),
        "mae": float(np.abs(predicted - true).mean()),
        "pearson_r": pearson(predicted, true),
        "corr_binarised": pearson(predicted >= 0, true >= 0),
    }


def pearson(a, b):
    """Pearson correlation of two vectors, NaN where one of them does not vary."""
    a, b = (np.asarray(x, np.float64) - np.mean(x, dtype=np.float64) for x in (a, b))
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm else float("nan")


def _mean(values):
    return float(values.mean()) if len(values) else float("nan")
