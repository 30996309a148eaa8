"""Metrics of CMU-MOSEI; see `dynmm.evaluation.tasks`."""

import math

import numpy as np

from dynmm.evaluation.regression_metrics import sentiment_scores
from dynmm.tasks.mosei import count_at_length


def scores(outputs, targets, manifest):
    """Both accuracies, mean absolute error and both correlations; None where not defined."""
    result = sentiment_scores(outputs.numpy(), targets.numpy())
    return {name: None if math.isnan(value) else value for name, value in result.items()}


def sample_madds(model, sizes, split):
    """Multiply-adds of every sentence at its own length, as the model computes it.

    Unlike the counts at length 50, which are those of the published networks, the last layer counts
    at the step that is read out alone: that is what runs.
    """
    lengths = split.lengths.numpy()
    distinct, places = np.unique(lengths, return_inverse=True)
    counts = [count_at_length(model, sizes, int(length)) for length in distinct]
    return {
        convention: np.array([count[convention] for count in counts])[places]
        for convention in counts[0]
    }
