"""Offsets of a gate's logits that meet a budget, against made-up gates and a blind search."""

import numpy as np
import pytest

from dynmm.errors import InputError
from dynmm.inference.budget import calibrate_offset, choose_within


def achieved(logits, costs, target):
    costs = np.asarray(costs, float)
    return costs[choose_within(logits, costs, calibrate_offset(logits, costs, target))].mean()


def random_gate(samples, paths, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, paths)), np.sort(rng.uniform(1, 200, paths))


def test_without_an_offset_the_gate_chooses_its_largest_logit():
    logits, costs = random_gate(50, 5, 0)
    assert np.array_equal(choose_within(logits, costs, 0.0), logits.argmax(1))


def test_two_paths_meet_every_share_exactly():
    logits = np.random.default_rng(1).normal(size=(40, 2))
    for wanted in range(41):
        share = wanted / 40
        assert achieved(logits, [0.0, 1.0], share) == pytest.approx(share, abs=1e-12)


def test_two_paths_keep_the_order_of_the_gate():
    logits = np.random.default_rng(2).normal(size=(40, 2))
    offset = calibrate_offset(logits, [1.0, 3.0], 1 + 2 * 10 / 40)
    chosen = choose_within(logits, [1.0, 3.0], offset)
    wanted = np.argsort(logits[:, 0] - logits[:, 1])[:10]
    assert set(np.flatnonzero(chosen)) == set(wanted)


def test_the_cost_falls_as_the_offset_grows():
    logits, costs = random_gate(60, 5, 3)
    offsets = np.linspace(-1, 1, 401)
    means = [costs[choose_within(logits, costs, offset)].mean() for offset in offsets]
    assert np.all(np.diff(means) <= 1e-12)
    assert means[0] > means[200] > means[-1]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_offset_comes_nearer_with_five_paths(seed):
    logits, costs = random_gate(30, 5, seed)
    # all offsets where any sample changes its path, and one between each two
    pairs = [(j, k) for j in range(5) for k in range(j)]
    points = [(logits[:, j] - logits[:, k]) / (costs[j] - costs[k]) for j, k in pairs]
    points = np.sort(np.concatenate(points))
    middles = np.concatenate([[points[0] - 1], (points[1:] + points[:-1]) / 2, [points[-1] + 1]])
    means = np.array([costs[choose_within(logits, costs, offset)].mean() for offset in middles])
    for target in np.linspace(costs[0], costs[-1], 23):
        best = np.abs(means - target).min()
        assert abs(achieved(logits, costs, target) - target) == pytest.approx(best, abs=1e-9)


def test_the_whole_range_can_be_reached():
    logits, costs = random_gate(20, 5, 9)
    for end in (costs[0], costs[-1]):
        assert achieved(logits, costs, end) == pytest.approx(end)


def test_samples_with_equal_logits_change_together():
    logits = np.tile([[0.3, 0.1]], (10, 1))
    assert achieved(logits, [0.0, 1.0], 0.3) == 0.0
    assert achieved(logits, [0.0, 1.0], 0.7) == 1.0


def test_of_two_costs_equally_near_the_lower_is_taken():
    logits = np.array([[0.0, 1.0], [0.0, -1.0]])
    assert achieved(logits, [0.0, 1.0], 0.25) == 0.0


def test_paths_of_equal_cost_are_chosen_by_their_logits():
    logits = np.array([[0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [5.0, 1.0, 2.0]])
    costs = [1.0, 4.0, 4.0]
    offset = calibrate_offset(logits, costs, 3.0)
    assert choose_within(logits, costs, offset).tolist() == [1, 2, 0]


def test_paths_that_all_cost_the_same_need_no_offset():
    assert calibrate_offset([[1.0, 2.0]], [3.0, 3.0], 3.0) == 0.0


def test_costs_in_any_order_and_unit():
    logits, costs = random_gate(30, 5, 4)
    shuffled = np.array([3, 0, 4, 1, 2])
    target = costs.mean()
    in_giga = calibrate_offset(logits, costs * 1e9, target * 1e9)
    first = choose_within(logits, costs * 1e9, in_giga)
    offset = calibrate_offset(logits[:, shuffled], costs[shuffled], target)
    second = choose_within(logits[:, shuffled], costs[shuffled], offset)
    assert np.array_equal(first, shuffled[second])


@pytest.mark.parametrize("target", [0.5, 9.5])
def test_a_budget_out_of_reach_is_refused_with_the_range(target):
    with pytest.raises(InputError, match=r"1 \(all samples on the cheapest path\) to 9 "):
        calibrate_offset([[0.0, 1.0]], [1.0, 9.0], target)


def test_bad_forms_are_refused():
    with pytest.raises(ValueError, match=r"expected \(N, K\)"):
        choose_within([[0.0, 1.0]], [1.0], 0.0)
    with pytest.raises(ValueError, match="finite"):
        choose_within([[0.0, np.nan]], [1.0, 2.0], 0.0)
