"""Routing study of MM-IMDB; see `dynmm.tasks`."""

import numpy as np

from dynmm.data.manifest import open_array, read_manifest
from dynmm.metrics.additive import F1_SCORES, f1_counts
from dynmm.vocabulary import MMIMDB

SCORES = F1_SCORES
UNCERTAINTY = "entropy of E1's genre probabilities, summed over the genres"
counts = f1_counts


def losses(outputs, targets):
    """Binary cross-entropy of each film, mean over genres: (N, genres) logits to (N,)."""
    logits = np.asarray(outputs, np.float64)
    return (np.logaddexp(0, logits) - logits * np.asarray(targets)).mean(axis=1)


def uncertainty(outputs):
    """Entropy of the genre probabilities in nats, summed over the genres: (N, genres) to (N,)."""
    logits = np.asarray(outputs, np.float64)
    # -p log p - (1 - p) log (1 - p), without the logarithm of a rounded 0
    probability = np.exp(-np.logaddexp(0, -logits))
    return (np.logaddexp(0, logits) - probability * logits).sum(axis=1)


def features(prepared_dir, split):
    """What the linear router reads of each film: the vectors of both modalities, (N, D) float32."""
    manifest = read_manifest(prepared_dir, MMIMDB)
    arrays = [
        open_array(prepared_dir, manifest, f"{split}_{name}.npy")
        for name in manifest["input_sizes"]
    ]
    return np.concatenate(arrays, axis=1)


def targets(prepared_dir, split):
    """Genres of each film, (N, genres) float32 of 0 and 1."""
    return open_array(prepared_dir, read_manifest(prepared_dir, MMIMDB), f"{split}_genres.npy")


def router_madds(sizes, paths):
    """Multiply-adds of the linear router for one film: a product for each path but the first."""
    return sum(sizes.values()) * (paths - 1)
