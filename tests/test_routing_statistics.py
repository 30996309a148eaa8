"""The numbers of the routing study on made-up cases with known answers."""

import numpy as np
import pytest

from dynmm.evaluation.routing.statistics import (
    area_above,
    bootstrap_weights,
    choice_auc,
    gain,
    interval,
    oracle_share,
    permutation_p,
)

LOSSES = np.array([[0.5, 0.1], [0.5, 0.9], [0.2, 0.1], [0.7, 0.1], [0.3, 0.8]])
COSTS = np.array([1.0, 10.0])
HELP = LOSSES[:, 0] - LOSSES[:, 1]


def logits(word):
    return np.stack([np.zeros(len(word)), word], axis=1)


def test_auc_of_a_perfect_an_inverted_and_a_constant_gate():
    assert choice_auc(logits(HELP), LOSSES, COSTS) == 1
    assert choice_auc(logits(-HELP), LOSSES, COSTS) == 0
    assert choice_auc(logits(np.ones(5)), LOSSES, COSTS) == 0.5, "ties count one half"
    assert choice_auc(logits([3, 2, 1, 0, 0]), LOSSES, COSTS) == pytest.approx((2 + 1 + 0.5) / 6), (
        "of six pairs: 0 beats both, 2 one, 3 ties with one"
    )


def test_auc_of_a_random_gate_is_near_one_half():
    rng = np.random.default_rng(0)
    losses = rng.random((5000, 2))
    assert choice_auc(rng.normal(size=(5000, 2)), losses, COSTS) == pytest.approx(0.5, abs=0.03)


def test_auc_leaves_out_samples_without_a_right_choice():
    losses = np.vstack([LOSSES, [[0.4, 0.4]]])
    word = np.append(HELP, -9)
    assert choice_auc(logits(word), losses, COSTS) == 1
    assert np.isnan(choice_auc(logits(HELP[[0, 2]]), LOSSES[[0, 2]], COSTS)), "E2 always helps"
    assert np.isnan(choice_auc(logits([0.0]), np.array([[1.0, 1.0]]), COSTS))


def test_auc_is_exact_for_logits_far_apart_and_for_the_costlier_first():
    assert choice_auc(1e4 * logits(HELP), LOSSES, COSTS) == 1
    assert choice_auc(logits(HELP)[:, ::-1], LOSSES[:, ::-1], COSTS[::-1]) == 1


def test_auc_over_more_paths_goes_by_the_mean_cost():
    costs = np.arange(3.0)
    losses = np.array([[0.9, 0.5, 0.1], [0.1, 0.5, 0.9]])
    word = np.array([[0.0, 0.0, 5.0], [5.0, 0.0, 0.0]])
    assert choice_auc(word, losses, costs) == 1
    assert choice_auc(word[::-1], losses, costs) == 0
    middle = np.array([[0.0, 5.0, 0.0], [5.0, 0.0, 0.0]])
    assert choice_auc(middle, losses, costs) == 1


def test_the_p_counts_draws_that_are_as_good():
    draws = np.array([0.1, 0.2, 0.3, 0.4])
    assert permutation_p(0.5, draws, True) == 1 / 5
    assert permutation_p(0.3, draws, True) == 3 / 5
    assert permutation_p(0.3 - 1e-12, draws, True) == 3 / 5, "the last digits of a sum do not count"
    assert permutation_p(0.0, draws, False) == 1 / 5
    assert permutation_p(0.5, draws, False) == 1.0


def test_gain_and_the_share_of_the_oracles():
    assert gain(0.6, 0.5, True) == pytest.approx(0.1)
    assert gain(0.6, 0.5, False) == pytest.approx(-0.1)
    assert oracle_share(0.1, 0.4) == pytest.approx(0.25)
    assert oracle_share(-0.1, 0.4) == pytest.approx(-0.25)
    assert np.isnan(oracle_share(0.0, 0.0))


def test_area_of_a_curve_above_the_random_line():
    line = ([1.0, 3.0], [10.0, 20.0])
    tent = ([1.0, 2.0, 3.0], [10.0, 19.0, 20.0])  # 4 above at the middle
    assert area_above(tent, line, True) == pytest.approx(2.0)
    assert area_above(tent, line, False) == pytest.approx(-2.0)
    assert area_above(line, line, True) == 0
    backwards = ([3.0, 1.0, 2.0], [20.0, 10.0, 19.0])
    assert area_above(backwards, line, True) == pytest.approx(2.0)


def test_area_knows_what_lies_beside_and_within_the_line():
    bent = ([0.0, 1.0, 2.0], [0.0, 2.0, 2.0])
    straight = ([0.0, 2.0], [0.0, 2.0])
    assert area_above(straight, bent, True) == pytest.approx(-0.5), "the line's corner counts"
    beyond = ([0.0, 2.0, 3.0], [0.0, 2.0, 2.0])
    assert area_above(beyond, straight, True) == 0, "beyond its end the line goes on"
    twice = ([0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 3.0, 2.0])
    assert area_above(twice, straight, True) == pytest.approx(0.5), "two points of one cost: mean"
    assert np.isnan(area_above(straight, ([1.0], [1.0]), True))
    assert np.isnan(area_above(([], []), straight, True))


def test_bootstrap_draws_as_many_samples_and_seeds_as_there_are():
    samples, seeds = bootstrap_weights(7, 3, 500, np.random.default_rng(0))
    assert samples.shape == (500, 7) and seeds.shape == (500, 3)
    assert (samples.sum(1) == 7).all() and (seeds.sum(1) == 3).all()
    assert np.allclose(samples.mean(0), 1, atol=0.2)
    assert (samples != samples[0]).any()


def test_the_interval_is_the_middle_95_percent():
    low, high = interval(np.arange(1001.0))
    assert (low, high) == (pytest.approx(25), pytest.approx(975))
