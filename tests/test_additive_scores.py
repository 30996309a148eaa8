"""Scores as functions of sums give what the metrics give, for one set of sums and for many."""

import numpy as np
import pytest

from dynmm.metrics.additive import (
    F1_SCORES,
    SEGMENTATION_SCORES,
    SENTIMENT_SCORES,
    f1_counts,
    pixel_counts,
    sentiment_counts,
)
from dynmm.metrics.multilabel import f1_scores
from dynmm.metrics.regression import sentiment_scores
from dynmm.metrics.segmentation import segmentation_scores

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 5)).astype(np.float32)
LOGITS[:, 4] = -1  # a label that is never predicted
GENRES = (RNG.random((40, 5)) < 0.3).astype(np.float32)
GENRES[:, 4] = 0  # nor ever present
PREDICTED = np.append(RNG.normal(size=39), 0.0)
TRUE = np.append(RNG.normal(size=38), [0.0, 0.0])
CONFUSION = RNG.integers(0, 9, (6, 4, 4))
CONFUSION[:, 3] = CONFUSION[:, :, 3] = 0  # a class without pixels


@pytest.mark.parametrize("name", F1_SCORES)
def test_f1_of_the_sums_is_f1(name):
    counts = f1_counts(LOGITS, GENRES)
    assert F1_SCORES[name].value(counts.sum(0)) == pytest.approx(f1_scores(LOGITS, GENRES)[name])
    parts = np.stack([counts[:10].sum(0), counts[10:].sum(0)])
    wanted = [f1_scores(LOGITS[p], GENRES[p])[name] for p in (slice(0, 10), slice(10, None))]
    assert F1_SCORES[name].value(parts) == pytest.approx(wanted)


@pytest.mark.parametrize("name", SENTIMENT_SCORES)
def test_sentiment_scores_of_the_sums(name):
    counts = sentiment_counts(PREDICTED[:, None], TRUE[:, None])
    score = SENTIMENT_SCORES[name]
    assert score.value(counts.sum(0)) == pytest.approx(sentiment_scores(PREDICTED, TRUE)[name])
    assert score.linear and score.higher_is_better == (name != "mae")


def test_mean_iou_of_the_sums_counts_absent_classes_as_the_authors_do():
    counts = pixel_counts(CONFUSION)
    assert counts.shape == (6, 12)
    value = SEGMENTATION_SCORES["miou"].value
    assert value(counts.sum(0)) == pytest.approx(segmentation_scores(CONFUSION.sum(0))["miou"])
    wanted = [segmentation_scores(one)["miou"] for one in CONFUSION]
    assert value(counts) == pytest.approx(wanted)
