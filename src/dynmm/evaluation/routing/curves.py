"""Score against cost for the policies that can have any cost, and the area under a gate's curve."""

import itertools
import statistics

import numpy as np

from dynmm.evaluation.routing import policies
from dynmm.evaluation.routing.paths import CASCADE, LINEAR, ORACLE, RANDOM, TOTAL
from dynmm.evaluation.routing.statistics import area_above, oracle_share

PLACES = np.linspace(0, 1, 21)  # from all samples on the cheapest path to all on the costliest
INTERIOR = 0.9  # largest share of one path


def fixed_paths(seeds, score):
    """Score and costs of every path taken by all samples.

    Args:
        seeds: seed -> `PathResults`.
        score: `metrics.additive.AdditiveScore`.

    Returns:
        A list with a list for each path, of dicts of seed, score and costs (name -> number).
    """
    (count,) = {paths.losses.shape[1] for paths in seeds.values()}
    return [
        [
            {
                "seed": seed,
                "score": float(score.value(paths.counts[:, path].sum(0))),
                "costs": {name: float(costs.fixed[path]) for name, costs in paths.costs.items()},
            }
            for seed, paths in seeds.items()
        ]
        for path in range(count)
    ]


def policy_curves(seeds, score):
    """Mean score against mean cost over the seeds, at every place of `PLACES`.

    Random choice mixes neighbouring paths. The cascade sends the share that a place names to the
    costliest path, the rest stays on the cheapest.

    Args:
        seeds: seed -> `PathResults`.
        score: `metrics.additive.AdditiveScore`.

    Returns:
        Policy -> {"costs": list, "scores": list} by `paths.TOTAL`.
    """
    found = [
        {RANDOM: random_curve(paths, score)} | _chosen_curves(paths, score)
        for paths in seeds.values()
    ]
    shared = [policy for policy in found[0] if all(policy in curves for curves in found)]
    return {
        policy: dict(
            zip(
                ("costs", "scores"),
                np.mean([curves[policy] for curves in found], axis=0).tolist(),
                strict=True,
            )
        )
        for policy in shared
    }


def random_curve(paths, score):
    """(costs, scores) of random choice between neighbouring paths, of one seed."""
    costs, sums = paths.path_costs, paths.counts.sum(0)
    points = []
    for low, high in itertools.pairwise(np.argsort(costs, kind="stable")):
        for place in PLACES:
            mixed = (1 - place) * sums[low] + place * sums[high]
            cost = (1 - place) * costs[low] + place * costs[high]
            points.append((float(cost), float(score.value(mixed))))
    return tuple(zip(*points, strict=True))


def curve_through(points, policy):
    """Where each path has results of its own at every point: the policy's means at the points.

    Args:
        points: what `comparison.compare` gave of each.
        policy: name.
    """
    means = sorted(
        (
            statistics.fmean(row["costs"][TOTAL][policy] for row in point["seeds"]),
            statistics.fmean(row[policy] for row in point["seeds"]),
        )
        for point in points
    )
    return {"costs": [x for x, _ in means], "scores": [y for _, y in means]}


def family_summary(points, seeds, score):
    """A family of gates in a few numbers: its area above the random line, its interior points.

    The area is that of `statistics.area_above`. Each seed has a curve: from its cheapest path
    through the family's points to its costliest. A point's cost is that of the gate and of what it
    ran. Where every point has paths of its own the curve and the line have the points alone.

    Args:
        points: what `comparison.compare` gave of each point.
        seeds: seed -> `PathResults` that the points share, or None.
        score: `metrics.additive.AdditiveScore`.

    Returns:
        dict of `area` (mean over seeds, or None), `area_std` (sample deviation, or None), `seeds`
        (how many have one), and what `interior` gives.
    """
    rows = {}
    for point in points:
        for row in point["seeds"]:
            rows.setdefault(row["seed"], []).append(row)
    areas = [_area(members, seeds and seeds[seed], score) for seed, members in rows.items()]
    areas = [area for area in areas if not np.isnan(area)]
    return {
        "area": statistics.fmean(areas) if areas else None,
        "area_std": statistics.stdev(areas) if len(areas) > 1 else None,
        "seeds": len(areas),
        **interior(points),
    }


def interior(points):
    """Means over the gates that leave something to choose: at most `INTERIOR` on any one path.

    Near the ends even the oracle gains next to nothing, and its share is noise.

    Args:
        points: what `comparison.compare` gave of each point; every seed counts by itself.

    Returns:
        dict of `interior` (how many gates, seeds apart), `interior_auc`, `interior_gain` (means)
        and `interior_oracle_share` (mean gain over mean gain of the oracle); None without any.
    """
    rows = [row for p in points for row in p["seeds"] if max(row["shares"]) <= INTERIOR]
    aucs = [row["auc"] for row in rows if row["auc"] is not None]
    own = statistics.fmean(row["gain"] for row in rows) if rows else None
    share = rows and oracle_share(own, statistics.fmean(row["oracle_gain"] for row in rows))
    return {
        "interior": len(rows),
        "interior_auc": statistics.fmean(aucs) if aucs else None,
        "interior_gain": own,
        "interior_oracle_share": share if rows and not np.isnan(share) else None,
    }


def _area(rows, paths, score):
    curve = [(row["costs"][TOTAL]["gate"], row["gate"]) for row in rows]
    if paths is None:
        line = [(row["costs"][TOTAL][RANDOM], row[RANDOM]) for row in rows]
    else:
        line = list(zip(*random_curve(paths, score), strict=True))
        curve += [min(line), max(line)]
    return area_above(
        list(zip(*curve, strict=True)), list(zip(*line, strict=True)), score.higher_is_better
    )


def _chosen_curves(paths, score):
    """Policy -> ((costs...), (scores...)) of one seed, of the policies that rank samples."""
    samples, count = paths.losses.shape
    costs = paths.path_costs
    cheap, dear = np.argmin(costs), np.argmax(costs)
    points = {}
    for place in PLACES:
        ends = np.zeros(count, dtype=np.int64)
        ends[dear] = round(place * samples)
        ends[cheap] = samples - ends[dear]
        asked = np.repeat(np.arange(count), ends)
        choices = {
            ORACLE: policies.by_loss(paths.losses, costs, asked),
            CASCADE: policies.cascade(paths.uncertainty, asked, costs),
        }
        if paths.predicted is not None:
            choices[LINEAR] = policies.by_loss(paths.predicted, costs, asked)
        for policy, chosen in choices.items():
            shares = policies.path_counts(chosen, count) / samples
            cost = paths.costs[TOTAL].of(policy, shares)
            points.setdefault(policy, []).append((cost, float(score.value(paths.sums(chosen)))))
    return {policy: tuple(zip(*found, strict=True)) for policy, found in points.items()}
