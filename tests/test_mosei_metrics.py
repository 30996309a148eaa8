"""Scores of sentiment predictions against values counted by hand."""

import math

import numpy as np
import pytest

from dynmm.metrics.regression import pearson, sentiment_scores


def test_a_zero_counts_as_positive_by_one_rule_and_not_at_all_by_the_other():
    scores = sentiment_scores([0.5, -0.5, 0.0, -1.0], [0.0, 0.0, -1.0, -2.0])
    assert scores["acc2"] == 0.5  # right, wrong, wrong (0 is positive), right
    assert scores["acc2_nonzero"] == 1.0  # the two nonzero labels, 0 being not above 0


def test_errors_and_correlations():
    predicted, true = np.array([[1.0], [-2.0], [0.5]]), np.array([2.0, -1.0, -2.5])
    scores = sentiment_scores(predicted, true)
    assert scores["mae"] == pytest.approx((1 + 1 + 3) / 3)
    assert scores["pearson_r"] == pytest.approx(np.corrcoef(predicted.ravel(), true)[0, 1])
    assert scores["corr_binarised"] == pytest.approx(0.5)


def test_undefined_scores_are_nan():
    scores = sentiment_scores([1.0, 1.0], [0.0, 0.0])
    assert math.isnan(scores["acc2_nonzero"]) and math.isnan(scores["pearson_r"])
    assert math.isnan(pearson([1, 2], [3, 3]))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 predictions for 3"):
        sentiment_scores([1, 2], [1, 2, 3])
