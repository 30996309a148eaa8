"""The routing study of a task: every gate beside its reference policies, by every score."""

from dataclasses import dataclass, field

from dynmm.evaluation.routing.comparison import compare, seed_sums
from dynmm.evaluation.routing.curves import (
    curve_through,
    family_summary,
    fixed_paths,
    policy_curves,
)
from dynmm.evaluation.routing.paths import CASCADE, LINEAR, ORACLE, RANDOM

VARIED = "lambda"  # points that differ in this setting alone form a family, a curve


@dataclass(frozen=True)
class GatePoint:
    """One dynamic model with its seeds.

    Attributes:
        run: name of the run.
        point: its settings, as the user typed them; empty for a run that is not of a grid.
        family: the curve that it is a point of.
        seeds: seed -> (`PathResults`, `GateChoices`).
    """

    run: str
    point: dict
    family: str
    seeds: dict


@dataclass(frozen=True)
class GateGroup:
    """Gates over the same paths, or a family whose points each have paths of their own.

    Attributes:
        name: for print.
        points: list of `GatePoint`.
        paths: seed -> `PathResults` that all points share; None where they share none.
    """

    name: str
    points: list = field(default_factory=list)
    paths: dict | None = None


def family_of(point, run):
    """The curve that a point belongs to: its settings beside lambda, or its run without any."""
    others = [f"{name} {value}" for name, value in point.items() if name != VARIED]
    return ", ".join(others) if point else run


def study(groups, scores, resampling):
    """All numbers of the groups.

    Args:
        groups: list of `GateGroup`.
        scores: name -> `metrics.additive.AdditiveScore`.
        resampling: `comparison.Resampling`.

    Returns:
        Score -> {"higher_is_better", "groups": list}, JSON-able; a group has `name`, `points` (run,
        point, family and what `compare` gives), `fixed` (see `fixed_paths`), `curves` (see
        `policy_curves`) and `families` (family and what `family_summary` gives).
    """
    sums = [[_sums(point, resampling) for point in group.points] for group in groups]
    return {
        name: {
            "higher_is_better": score.higher_is_better,
            "groups": [
                _group(group, of_points, score)
                for group, of_points in zip(groups, sums, strict=True)
            ],
        }
        for name, score in scores.items()
    }


def _sums(point, resampling):
    """The `SeedSums` of a point, and how often the bootstrap drew its seeds."""
    samples = {len(gate.chosen) for _, gate in point.seeds.values()}
    weights, drawn_seeds = resampling.weights(*samples, len(point.seeds))
    members = [
        seed_sums(seed, paths, gate, resampling, weights)
        for seed, (paths, gate) in sorted(point.seeds.items())
    ]
    return members, drawn_seeds


def _group(group, sums, score):
    points = [
        {"run": point.run, "point": point.point, "family": point.family} | compare(score, *of_point)
        for point, of_point in zip(group.points, sums, strict=True)
    ]
    families = {}
    for point in points:
        families.setdefault(point["family"], []).append(point)
    if group.paths is None:
        kinds = [RANDOM, ORACLE, CASCADE]
        kinds += [LINEAR] if all(LINEAR in row for p in points for row in p["seeds"]) else []
        curves = {policy: curve_through(points, policy) for policy in kinds}
    else:
        curves = policy_curves(group.paths, score)
    return {
        "name": group.name,
        "points": points,
        "fixed": [] if group.paths is None else fixed_paths(group.paths, score),
        "curves": curves,
        "families": [
            {"family": family, **family_summary(members, group.paths, score)}
            for family, members in families.items()
        ],
    }
