"""Evaluation of CMU-MOSEI; see `dynmm.tasks`."""

import math

from dynmm.metrics.regression import sentiment_scores
from dynmm.models.experts.sequence_madds import madds_of_samples
from dynmm.vocabulary import MADDS_CONVENTIONS, MOSEI_MODALITIES

NOISE_SETTINGS = {**{name: (name,) for name in MOSEI_MODALITIES}, "all": MOSEI_MODALITIES}


def scores(outputs, targets, manifest):
    """Both accuracies, mean absolute error and both correlations; None where not defined."""
    result = sentiment_scores(outputs.numpy(), targets.numpy())
    return {name: None if math.isnan(value) else value for name, value in result.items()}


def sample_madds(model, sizes, split):
    """Multiply-adds of every sentence at its own length, on the networks as published."""
    counts = madds_of_samples(model, sizes, split.lengths)
    return {convention: counts[convention].numpy() for convention in MADDS_CONVENTIONS}
