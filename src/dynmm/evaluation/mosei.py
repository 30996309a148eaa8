"""Metrics of CMU-MOSEI; see `dynmm.evaluation.tasks`."""

import math

from dynmm.evaluation.modality_metrics import CONVENTIONS
from dynmm.evaluation.regression_metrics import sentiment_scores
from dynmm.models.sequence_madds import madds_of_samples


def scores(outputs, targets, manifest):
    """Both accuracies, mean absolute error and both correlations; None where not defined."""
    result = sentiment_scores(outputs.numpy(), targets.numpy())
    return {name: None if math.isnan(value) else value for name, value in result.items()}


def sample_madds(model, sizes, split):
    """Multiply-adds of every sentence at its own length, on the networks as published."""
    counts = madds_of_samples(model, sizes, split.lengths)
    return {convention: counts[convention].numpy() for convention in CONVENTIONS}
