"""Reference policies on made-up losses and costs, with the choices that they must make."""

import itertools

import numpy as np
import pytest

from dynmm.evaluation.routing import policies

LOSSES = np.array([[0.5, 0.1], [0.5, 0.9], [0.2, 0.1], [0.7, 0.1], [0.3, 0.3]])
COSTS = np.array([1.0, 10.0])


def chosen(dear, samples=5):
    return np.arange(samples) < dear


@pytest.mark.parametrize(
    ("dear", "wanted"),
    [
        (0, [0, 0, 0, 0, 0]),
        (1, [0, 0, 0, 1, 0]),
        (2, [1, 0, 0, 1, 0]),
        (4, [1, 0, 1, 1, 1]),  # as many as the gate, though E2 gains the last of them nothing
        (5, [1, 1, 1, 1, 1]),
    ],
)
def test_the_oracle_sends_those_that_gain_most_at_the_gates_share(dear, wanted):
    found = policies.by_loss(LOSSES, COSTS, chosen(dear).astype(int))
    assert found.tolist() == wanted


def test_among_equal_ranks_the_first_samples_win():
    found = policies.by_rank(np.zeros(4), [2, 2], COSTS)
    assert found.tolist() == [1, 1, 0, 0]


def test_the_costliest_path_need_not_be_the_last():
    found = policies.by_rank([3, 1, 2], [1, 1, 1], costs=[5.0, 1.0, 2.0])
    assert found.tolist() == [0, 1, 2]
    swapped = policies.by_loss(LOSSES[:, ::-1], COSTS[::-1], 1 - chosen(2).astype(int))
    assert swapped.tolist() == [0, 1, 1, 0, 1]


def test_the_cascade_sends_on_what_is_least_sure():
    found = policies.cascade([0.1, 0.9, 0.5, 0.4], np.array([1, 0, 0, 1]), COSTS)
    assert found.tolist() == [0, 1, 1, 0]
    several = policies.cascade([0.1, 0.9, 0.5, 0.4], np.array([2, 0, 1, 0]), [1.0, 2.0, 3.0])
    assert several.tolist() == [0, 2, 1, 0]


def test_shuffled_choices_keep_their_shares():
    gate = np.array([0, 2, 2, 1, 0, 0])
    draws = policies.shuffled(gate, 200, np.random.default_rng(0))
    assert draws.shape == (200, 6)
    assert all(np.array_equal(np.sort(draw), np.sort(gate)) for draw in draws)
    assert np.allclose((draws == 2).mean(0), 1 / 3, atol=0.12), "every sample alike"
    assert len({tuple(draw) for draw in draws}) > 30


def test_no_choice_of_the_same_cost_is_better_than_greedys_nor_much_fits_beside_it():
    rng = np.random.default_rng(1)
    costs = np.array([1.0, 1.7, 3.1])
    all_choices = np.array(list(itertools.product(range(3), repeat=6)))
    all_costs = costs[all_choices].mean(1)
    for _ in range(20):
        losses = rng.random((6, 3))
        for budget in (1.0, 1.6, 2.5, 3.1):
            found = policies.greedy(losses, costs, budget)
            own = costs[found].mean()
            assert budget - 2.1 / 6 < own <= budget + 1e-9, "within one step of the budget"
            like = all_choices[np.isclose(all_costs, own)]
            best = losses[np.arange(6), like].sum(1).min()
            assert losses[np.arange(6), found].sum() == pytest.approx(best)


def test_greedy_takes_the_best_saving_per_cost_first():
    losses = np.array([[1.0, 0.0, 0.0], [1.0, 0.9, 0.0]])
    costs = np.array([0.0, 1.0, 4.0])
    assert policies.greedy(losses, costs, 0.5).tolist() == [1, 0], "one unit: sample 0's first step"
    assert policies.greedy(losses, costs, 2.5).tolist() == [1, 2], "past the hull's dent"
    assert policies.greedy(losses, costs, 4.0).tolist() == [2, 2]
    assert policies.greedy(losses, costs, 0.0).tolist() == [0, 0]


def test_greedy_over_two_paths_is_the_ranking():
    rng = np.random.default_rng(2)
    losses = rng.random((50, 2))
    for dear in (0, 7, 50):
        gate = chosen(dear, 50).astype(int)
        ranked = policies.by_loss(losses, COSTS, gate)
        greedy = policies.greedy(losses, COSTS, COSTS[gate].mean())
        assert np.array_equal(ranked, greedy)


def test_greedy_with_paths_of_equal_cost_takes_the_lower_loss():
    losses = np.array([[0.5, 0.2, 0.1], [0.1, 0.4, 0.9]])
    assert policies.greedy(losses, np.array([1.0, 1.0, 2.0]), 1.0).tolist() == [1, 0]
