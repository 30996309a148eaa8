"""Ways to choose a path for every sample: what a gate's choices are compared with.

A path is an expert of the modality level, or a number of fused cells of a segmentation network.
Every policy here spends what the gate spends: the same share of the samples on each path, or, for
the oracle and the linear router over more than two paths, at most the same mean cost.
"""

import itertools

import numpy as np

SPARE = 1e-9  # of a budget: sums of floats


def path_counts(chosen, paths):
    """How many samples are on each of `paths` paths, (K,) int64."""
    return np.bincount(np.asarray(chosen), minlength=paths)


def fixed(path, samples):
    """Every sample on one path."""
    return np.full(samples, path, dtype=np.int64)


def shuffled(chosen, draws, rng):
    """The choices, handed out anew among the samples: random choice with exactly the same shares.

    Args:
        chosen: (N,) paths.
        draws: how many.
        rng: `numpy.random.Generator`.

    Returns:
        (draws, N) paths.
    """
    return rng.permuted(np.tile(np.asarray(chosen), (draws, 1)), axis=1)


def by_rank(priority, counts, costs):
    """The samples of the highest priority on the costliest path, the next on the next, and so on.

    Args:
        priority: (N,) numbers; among equal ones the first sample counts as the highest.
        counts: (K,) number of samples for each path, N in all.
        costs: (K,) cost of a sample on each path.

    Returns:
        (N,) int64 paths.
    """
    order = np.argsort(-np.asarray(priority), kind="stable")
    dear_first = np.argsort(-np.asarray(costs), kind="stable")
    chosen = np.empty(len(order), dtype=np.int64)
    chosen[order] = np.repeat(dear_first, np.asarray(counts)[dear_first])
    return chosen


def by_loss(losses, costs, chosen):
    """The paths that make the summed loss low at the cost of the gate's choices.

    With true losses this is the oracle, with predicted ones a router. Over two paths the samples
    are ranked by the difference of their losses, and as many get the dearer one as with the gate,
    even where it harms them. Over more the choice is `greedy` with the gate's cost as the budget.

    Args:
        losses: (N, K) loss of every sample on each path.
        costs: (K,).
        chosen: (N,) the gate's choices.

    Returns:
        (N,) int64 paths.
    """
    losses = np.asarray(losses, np.float64)
    paths = losses.shape[1]
    if paths == 2:
        cheap, dear = np.argsort(costs, kind="stable")
        gain = losses[:, cheap] - losses[:, dear]
        return by_rank(gain, path_counts(chosen, paths), costs)
    return greedy(losses, costs, np.asarray(costs, np.float64)[chosen].mean())


def greedy(losses, costs, budget):
    """Low summed loss within a mean cost, for any number of paths.

    Every sample starts on its cheapest path. Steps up the lower convex hull of its losses over the
    costs are taken in the order of loss saved per cost, all samples together, until the first that
    does not fit the budget: the greedy solution of the multiple-choice knapsack (Sinha and Zoltners
    1979). No other choice of the same cost has a lower loss. Steps that raise the loss are taken
    too: the gate spent the budget as well.

    Args:
        losses: (N, K).
        costs: (K,).
        budget: mean cost of a sample.

    Returns:
        (N,) int64 paths.
    """
    losses, costs = np.asarray(losses, np.float64), np.asarray(costs, np.float64)
    hulls = [_hull(row, costs) for row in losses]
    steps = [
        (_slope(losses[sample], costs, low, high), sample, high, costs[high] - costs[low])
        for sample, hull in enumerate(hulls)
        for low, high in itertools.pairwise(hull)
    ]
    steps.sort(key=lambda step: step[0])  # stable: a sample's own steps keep their order
    chosen = np.array([hull[0] for hull in hulls], dtype=np.int64)
    left = (budget - costs.min()) * len(losses) + SPARE * budget * len(losses)
    for _, sample, path, price in steps:
        if price > left:
            break
        chosen[sample] = path
        left -= price
    return chosen


def cascade(uncertainty, chosen, costs):
    """The samples on which the cheapest path is least sure go on to the dearer ones.

    Args:
        uncertainty: (N,) of the cheapest path's own output.
        chosen: (N,) the gate's choices, whose shares are kept.
        costs: (K,) cost of a sample on each path.

    Returns:
        (N,) int64 paths.
    """
    return by_rank(uncertainty, path_counts(chosen, len(costs)), costs)


def _hull(losses, costs):
    """The paths on the lower convex hull of one sample's losses over the costs, by rising cost."""
    hull = []
    for path in np.lexsort((losses, costs)):
        if hull and costs[path] == costs[hull[-1]]:
            continue  # at equal costs the lower loss came first
        while len(hull) > 1 and (
            _slope(losses, costs, hull[-2], hull[-1]) >= _slope(losses, costs, hull[-1], path)
        ):
            hull.pop()
        hull.append(path)
    return hull


def _slope(losses, costs, low, high):
    return (losses[high] - losses[low]) / (costs[high] - costs[low])
