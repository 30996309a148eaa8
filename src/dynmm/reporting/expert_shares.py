"""The share of samples that each expert got, against the resource weight lambda (figure 4b)."""

import itertools

import numpy as np

from dynmm.reporting import headings, style
from dynmm.reporting.grid_points import family_label, over_seeds, share, sweeps

DECADES_FOR_TICKS = 2  # with fewer on the axis, its marks are the weights themselves


def draw_shares(axes, points):
    """Draw a line per expert on a log axis, error bars over seeds.

    Lambda 0 has no place on a log axis: its points stand apart at the left end, without a line,
    those with soft gates further left. A soft gate weighs all experts for every sample.

    Args:
        axes: matplotlib axes.
        points: `grid_points.GridPoint`s over the same experts; those of the grid are drawn.
    """
    points = [point for point in points if point.of_grid]
    families = sweeps(points)
    lined = [family for family in families if family[-1].weight > 0]
    zeros = _places_of_zero(points)
    experts = points[0].experts
    for place, expert in enumerate(experts):
        title = f"{headings.expert_title(expert)} (E{place + 1})"
        for line, family in enumerate(lined):
            label = f"{title}, {_difference(family, points)}" if len(lined) > 1 else title
            positive = [point for point in family if point.weight > 0]
            look = style.series(line * len(experts) + place)
            _draw(axes, [p.weight for p in positive], positive, expert, look, label)
        for family in families:
            line = lined.index(family) if family in lined else 0
            look = style.series(line * len(experts) + place)
            look |= {"linestyle": "none", "markersize": 5}
            apart = [point for point in family if point.weight == 0]
            label = "" if lined or family is not families[0] else title
            _draw(axes, [zeros[point.soft] for point in apart], apart, expert, look, label)
    _set_weights(axes, points, zeros)
    axes.set_ylabel("share of samples (%)")
    axes.set_ylim(0, 100)


def _difference(family, points):
    return family_label(family, points).removeprefix("DynMM, ")


def _draw(axes, x, points, expert, look, label):
    if points:
        groups = [point.records for point in points]
        y, dy = over_seeds(groups, lambda record: 100 * share(record, expert))
        axes.errorbar(x, y, yerr=dy, label=label or None, clip_on=False, zorder=3, **look)


def _weights(points):
    """The weights above 0, from low to high; 1 where there is none."""
    return sorted({point.weight for point in points if point.weight > 0}) or [1.0]


def _places_of_zero(points):
    """Where lambda 0 stands on the axis: whether gates are soft -> place; only those that exist."""
    weights = _weights(points)
    step = max(10**0.4, (weights[-1] / weights[0]) ** 0.14)
    kinds = sorted({point.soft for point in points if point.weight == 0})
    return {soft: weights[0] / step ** (count + 1) for count, soft in enumerate(kinds)}


def _set_weights(axes, points, zeros):
    """Scale and ticks of lambda, a dotted line before what stands apart."""
    weights = _weights(points)
    axes.set_xscale("log")
    first, last = np.log10(weights[0]), np.log10(weights[-1])
    decades = 10.0 ** np.arange(np.ceil(first - 1e-9), last + 1e-9)
    ticks = decades if len(decades) >= DECADES_FOR_TICKS else weights
    labels = {tick: f"{tick:g}" for tick in ticks}
    labels |= {place: "0\nsoft" if soft else "0" for soft, place in zeros.items()}
    axes.set_xticks(list(labels), list(labels.values()))
    axes.set_xticks([weight for weight in weights if weight not in labels], [], minor=True)
    for low, high in itertools.pairwise(sorted([*zeros.values(), weights[0]])):
        axes.axvline((low * high) ** 0.5, color="#7F7F7F", linewidth=0.7, linestyle=":")
    axes.set_xlabel("resource weight λ")
