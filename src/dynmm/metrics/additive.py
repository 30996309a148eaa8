"""Scores as functions of sums over the samples.

Every sample gives a row of counts, and a score depends on their sum alone. Drawing samples or
choices again is then one product of matrices, for F1 and mean IoU too, which are no means.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dynmm.metrics.multilabel import predicted_labels
from dynmm.metrics.segmentation import EPSILON


class AdditiveScore(NamedTuple):
    """One score.

    Attributes:
        value: function of summed counts (..., M) that gives scores (...).
        higher_is_better: False for an error.
        linear: the score is linear in the predictions' part of the sums, as a mean over samples is:
            the score of expected sums is then the expected score.
    """

    value: Callable[[np.ndarray], np.ndarray]
    higher_is_better: bool
    linear: bool


def f1_counts(logits, targets):
    """Right labels, and labels predicted or present, of every sample: (N, 2 C) float64.

    Args:
        logits, targets: as for `multilabel.f1_scores`, (N, C).
    """
    predicted = predicted_labels(logits)
    present = np.asarray(targets) > 0.5
    marks = predicted.astype(np.float64) + present
    return np.concatenate([predicted & present, marks], axis=-1)


def sentiment_counts(predicted, true):
    """What the scores of `regression.sentiment_scores` sum up, of every sample: (N, 5) float64.

    Args:
        predicted, true: (N,) or (N, 1).

    Returns:
        One, right sign, label is not zero, right sign of such a one, absolute error.
    """
    predicted = np.asarray(predicted, np.float64).ravel()
    true = np.asarray(true, np.float64).ravel()
    nonzero = true != 0
    columns = [
        np.ones_like(true),
        (predicted >= 0) == (true >= 0),
        nonzero,
        nonzero & ((predicted > 0) == (true > 0)),
        np.abs(predicted - true),
    ]
    return np.stack(columns, axis=-1).astype(np.float64)


def pixel_counts(confusion):
    """Right pixels, labelled and predicted pixels by class: (..., C, C) to (..., 3 C) float64."""
    confusion = np.asarray(confusion, np.float64)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.concatenate([hits, confusion.sum(-1), confusion.sum(-2)], axis=-1)


def _micro_f1(sums):
    hits, marks = _halves(sums)
    return 2 * hits.sum(-1) / np.maximum(marks.sum(-1), 1)


def _macro_f1(sums):
    hits, marks = _halves(sums)
    return (2 * hits / np.maximum(marks, 1)).mean(-1)


def _halves(sums):
    return np.split(np.asarray(sums, np.float64), 2, axis=-1)


def _share(part, whole):
    def value(sums):
        return sums[..., part] / np.maximum(sums[..., whole], 1)

    return value


def _mean_iou(sums):
    hits, true, predicted = np.split(np.asarray(sums, np.float64), 3, axis=-1)
    return (hits / (true + predicted - hits + EPSILON)).mean(-1)


F1_SCORES = {
    "micro_f1": AdditiveScore(_micro_f1, True, False),
    "macro_f1": AdditiveScore(_macro_f1, True, False),
}
SENTIMENT_SCORES = {
    "acc2": AdditiveScore(_share(1, 0), True, True),
    "acc2_nonzero": AdditiveScore(_share(3, 2), True, True),
    "mae": AdditiveScore(_share(4, 0), False, True),
}
SEGMENTATION_SCORES = {"miou": AdditiveScore(_mean_iou, True, False)}
