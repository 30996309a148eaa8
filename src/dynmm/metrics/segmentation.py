"""Intersection over union from confusion matrices."""

import numpy as np

EPSILON = 1e-15  # the authors' `confusion_matrix.py`


def confusion_matrix(labels, predictions, classes):
    """Count pixels by true and predicted class, void left out.

    Args:
        labels: integers of any shape, 0 void, 1..classes.
        predictions: integers of the same shape, 0..classes-1.
        classes: number of classes.

    Returns:
        (classes, classes) int64, rows true, columns predicted.
    """
    labels = np.asarray(labels, dtype=np.int64).ravel() - 1
    predictions = np.asarray(predictions, dtype=np.int64).ravel()
    valid = labels >= 0
    cells = labels[valid] * classes + predictions[valid]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def segmentation_scores(confusion):
    """Scores of a confusion matrix, as fractions.

    Returns:
        `miou` (the authors' rule: a class without pixels and predictions counts as 0),
        `miou_present` (mean over the classes that occur in the labels), `pixel_accuracy`, and
        `class_iou`, a list over the classes.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    hits, true, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    iou = hits / (true + predicted - hits + EPSILON)
    present = true > 0
    return {
        "miou": float(iou.mean()),
        "miou_present": float(iou[present].mean()) if present.any() else 0.0,
        "pixel_accuracy": float(hits.sum() / max(confusion.sum(), 1)),
        "class_iou": [float(value) for value in iou],
    }
