"""F1 scores of multi-label predictions."""

import numpy as np
import torch

THRESHOLD = 0.5


def predicted_labels(logits):
    """Labels whose sigmoid lies above one half: (N, C) logits to (N, C) bool.

    Exactly one half is no, as the authors' rounding to even has it.
    """
    return (torch.sigmoid(torch.as_tensor(logits)) > THRESHOLD).numpy(force=True)


def f1_scores(logits, targets):
    """Micro and macro F1 and the F1 of each label, as scikit-learn's `f1_score` defines them.

    Args:
        logits: (N, C) floating point, array or tensor.
        targets: (N, C) of 0 and 1.

    Returns:
        {"micro_f1": float, "macro_f1": float, "label_f1": list of C floats}, fractions. A label
        neither present nor predicted counts 0, as in the authors' runs.

    Raises:
        ValueError: the shapes differ.
    """
    predicted = predicted_labels(logits)
    present = np.asarray(torch.as_tensor(targets).cpu()) > THRESHOLD
    if predicted.shape != present.shape:
        raise ValueError(f"logits {predicted.shape} and targets {present.shape} differ in shape")
    hits = (predicted & present).sum(axis=0)
    marks = predicted.sum(axis=0) + present.sum(axis=0)
    label_f1 = 2 * hits / np.maximum(marks, 1)
    return {
        "micro_f1": float(2 * hits.sum() / max(marks.sum(), 1)),
        "macro_f1": float(label_f1.mean()),
        "label_f1": [float(value) for value in label_f1],
    }
