"""Routing study of CMU-MOSEI; see `dynmm.tasks`."""

import numpy as np

from dynmm.data.manifest import open_array, read_manifest
from dynmm.metrics.additive import SENTIMENT_SCORES, sentiment_counts
from dynmm.vocabulary import MOSEI

SCORES = SENTIMENT_SCORES
UNCERTAINTY = "closeness of E1's prediction to 0, where its sign is least sure"
STEPS = 50  # at which multiply-adds are counted, as published
counts = sentiment_counts


def losses(outputs, targets):
    """Absolute error of each sentence: (N, 1) scores to (N,)."""
    difference = np.asarray(outputs, np.float64) - np.asarray(targets, np.float64)
    return np.abs(difference).mean(axis=1)


def uncertainty(outputs):
    """Minus the size of the prediction: the sentence nearest to 0 is the least sure, (N,)."""
    return -np.abs(np.asarray(outputs, np.float64)).mean(axis=1)


def features(prepared_dir, split):
    """What the linear router reads of each sentence: the mean of each modality, (N, D)."""
    manifest = read_manifest(prepared_dir, MOSEI)
    offsets = open_array(prepared_dir, manifest, f"{split}_offsets.npy")
    lengths = np.diff(offsets)[:, None]
    means = [
        np.add.reduceat(open_array(prepared_dir, manifest, f"{split}_{name}.npy"), offsets[:-1])
        / lengths
        for name in manifest["input_sizes"]
    ]
    return np.concatenate(means, axis=1)


def targets(prepared_dir, split):
    """Score of each sentence, (N, 1) float32."""
    labels = open_array(prepared_dir, read_manifest(prepared_dir, MOSEI), f"{split}_labels.npy")
    return labels[:, None]


def router_madds(sizes, paths):
    """Multiply-adds of the linear router for one sentence of 50 steps: the means and the product.

    An addition of the mean counts as one.
    """
    return sum(sizes.values()) * (STEPS + paths - 1)
