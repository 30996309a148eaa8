"""What tells a gate that routes from one that does not: numbers, each with its definition.

docs/routing.md has the formulas.
"""

import numpy as np
from sklearn.metrics import roc_auc_score

TOLERANCE = 1e-9  # equal choices may differ in the last digits of their sums
LEVEL = 0.95  # of the bootstrap's interval


def choice_auc(logits, losses, costs):
    """Area under the ROC curve of the gate's choice against "the costliest path's loss is lower".

    The gate's word for a sample is the mean cost under the softmax of its logits; over two paths
    that ranks the samples as the difference of the logits does. A sample whose cheapest and
    costliest path have equal losses has no right choice and is left out.

    Args:
        logits: (N, K) of the gate.
        losses: (N, K).
        costs: (K,).

    Returns:
        1 for a gate that ranks every sample right, 0.5 for chance, 0 for an inverted one; NaN where
        all samples have the same right choice.
    """
    logits = np.asarray(logits, np.float64)
    cheap, dear = np.argmin(costs), np.argmax(costs)
    if logits.shape[1] == 2:
        word = logits[:, dear] - logits[:, cheap]  # without rounding to a softmax of 0 or 1
    else:
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        word = weights @ np.asarray(costs, np.float64) / weights.sum(axis=1)
    difference = losses[:, cheap] - losses[:, dear]
    decided = difference != 0
    helps = difference[decided] > 0
    if helps.all() or not helps.any():
        return float("nan")
    return float(roc_auc_score(helps, word[decided]))


def gain(score, other, higher_is_better):
    """By how much a score is better than another, in its own unit: above 0 is better."""
    return score - other if higher_is_better else other - score


def permutation_p(score, draws, higher_is_better):
    """One-sided p of "better than shuffled": (1 + draws at least as good) / (1 + draws).

    For a pooled p both are means over the seeds, which are shuffled independently of each other.

    Args:
        score: of the gate's choices.
        draws: (D,) scores of shuffled choices.
        higher_is_better: see `metrics.additive.AdditiveScore`.
    """
    draws = np.asarray(draws)
    as_good = gain(draws, score, higher_is_better) >= -TOLERANCE
    return float((1 + as_good.sum()) / (1 + len(draws)))


def oracle_share(own, oracle):
    """The share of the oracle's gain over random choice that a gate reaches.

    NaN where the oracle gains nothing: with all samples on one path there is nothing to choose.
    """
    return float(own / oracle) if oracle > TOLERANCE else float("nan")


def bootstrap_weights(samples, seeds, replicates, rng):
    """The draws of a paired bootstrap over samples and seeds.

    Args:
        samples, seeds: how many of each.
        replicates: how many draws.
        rng: `numpy.random.Generator`.

    Returns:
        How often each sample was drawn, (B, N), and each seed, (B, S), as float64. A sample is
        drawn for all seeds and policies alike.
    """
    drawn_samples = rng.multinomial(samples, np.full(samples, 1 / samples), size=replicates)
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates)
    return drawn_samples.astype(np.float64), drawn_seeds.astype(np.float64)


def interval(values):
    """The middle `LEVEL` of bootstrapped values, (low, high)."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def area_above(curve, line, higher_is_better):
    """Area of a curve above a line, divided by the line's width: a mean gain over all costs.

    Both run straight between their points. Left and right of the line's ends its end values go on:
    a dynamic network that costs more than the costliest path is compared with that path.

    Args:
        curve: (costs, scores) of the points, in any order.
        line: (costs, scores) of the random choice.
        higher_is_better: see `gain`.

    Returns:
        In the unit of the score, above 0 for a curve on the better side; NaN where the line has no
        width or the curve has no point.
    """
    curve_x, curve_y = _sorted(curve)
    line_x, line_y = _sorted(line)
    width = line_x[-1] - line_x[0] if len(line_x) else 0.0
    if not width or not len(curve_x):
        return float("nan")
    inner = line_x[(line_x > curve_x[0]) & (line_x < curve_x[-1])]
    x = np.sort(np.concatenate([curve_x, inner]))
    above = np.interp(x, curve_x, curve_y) - np.interp(x, line_x, line_y)
    area = float(np.trapezoid(above, x) / width)
    return area if higher_is_better else -area


def _sorted(points):
    """The points by rising cost; of points with one cost the mean score."""
    x, y = (np.asarray(values, np.float64) for values in points)
    costs, places = np.unique(x, return_inverse=True)
    counts = np.bincount(places, minlength=len(costs))
    return costs, np.bincount(places, y, minlength=len(costs)) / np.maximum(counts, 1)
