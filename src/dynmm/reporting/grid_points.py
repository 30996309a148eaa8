"""Points of the grid of dynamic models: what sets them apart, and which one a row asks for."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dynmm.budget_records import budget_name
from dynmm.configuration.grid import (
    BUDGET,
    GATE,
    INFERENCE,
    KEYS,
    SHARE,
    SOFT,
    fits,
    inference_mode,
    row_settings,
    spelled,
)
from dynmm.errors import InputError
from dynmm.reporting.records import by_run, number
from dynmm.vocabulary import DYNAMIC

SYMBOLS = {"tau": "τ"}  # in print


@dataclass(frozen=True)
class GridPoint:
    """One point of the grid, or a gate with a name, with its seeds.

    Attributes:
        settings: lambda, tau, mode and freeze as the user typed them; the name of a `gate`, and the
            `budget` that it was set to after its training, where there are such.
        records: metrics files of this point, sorted by seed.
    """

    settings: Mapping[str, str]
    records: Sequence[Mapping]

    @property
    def experts(self):
        """Names of the experts under the gate, in its order; the last is E2 of the paper."""
        return list(self.records[0]["expert_shares"])

    @property
    def weight(self):
        """The resource weight lambda as a number."""
        return float(self.settings["lambda"])

    @property
    def soft(self):
        """Whether its gates stay soft in inference: they weigh the outputs of all experts."""
        return inference_mode(self.settings) == SOFT

    @property
    def of_grid(self):
        """Whether it is a point of the grid as it was trained."""
        return not {GATE, BUDGET} & set(self.settings)

    @property
    def title(self):
        """The printed name of a gate with a name or at a budget; empty for points of the grid."""
        return self.records[0].get("family") or ""

    @property
    def family(self):
        """What points of one sweep share: the settings beside lambda, or the budgets' gate."""
        return (self.title,) if self.title else tuple(self.settings[name] for name in KEYS[1:])

    def mean_share(self, expert=None):
        """Mean over seeds of the share of samples that an expert (the last) got, in [0, 1]."""
        name = expert or self.experts[-1]
        return statistics.fmean(share(record, name) for record in self.records)

    def __str__(self):
        return describe(self.settings)


def describe(settings):
    """Settings in one line, such as "lambda 0.1, tau 1.0, mode straight_through"."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def share(record, expert):
    """Share of samples that one run sent to an expert, in [0, 1].

    Raises:
        InputError: the record has no such share.
    """
    return number(record, f"expert_shares.{expert}")


def sweeps(points):
    """The points in groups: those that differ in lambda alone, from low to high, soft gates last;
    then those of one gate at its budgets, by the share of its last expert.
    """
    groups = {}
    for point in sorted(points, key=_place_in_sweep):
        groups.setdefault(point.family, []).append(point)
    return list(groups.values())


def _place_in_sweep(point):
    along = point.mean_share() if point.title else point.weight
    return bool(point.title), point.soft, point.family, along


def family_label(family, points):
    """What a figure calls one sweep: "DynMM" and the settings in which the grid's sweeps differ, or
    the title of its gate.
    """
    if family[0].title:
        return family[0].title
    words, of_grid = ["DynMM"], [point for point in points if not point.title]
    for name in KEYS[1:]:
        if len({point.settings[name] for point in of_grid}) > 1:
            words.append(_gates(family[0]) if name == "mode" else _setting(family[0], name))
    return ", ".join(words)


def over_seeds(groups, value):
    """Mean and sample deviation of a value over each group of records (0 for one seed).

    Args:
        groups: lists of records.
        value: function of a record that gives a number.

    Returns:
        Two arrays, one entry a group.
    """
    values = [[value(record) for record in group] for group in groups]
    deviations = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in values]
    return np.array([statistics.fmean(v) for v in values]), np.array(deviations)


def split_records(records, task=None):
    """Experts and grid points among the metrics of one modality-level task.

    Args:
        records: what `records.read_records` returned.
        task: the task that the records must be of; None takes any.

    Returns:
        Dict from expert to its records sorted by seed, and the list of `GridPoint`s ordered by
        the settings beside lambda, then by lambda from low to high.

    Raises:
        InputError: records of another task, a dynamic model whose point lacks a setting, a seed
            twice in one run, or points over different experts.
    """
    if task is not None and records[0]["task"] != task:
        raise InputError(
            "metrics of another task",
            file=records[0]["file"],
            key="task",
            found=records[0]["task"],
            expected=task,
        )
    experts = by_run([record for record in records if record["run"] != DYNAMIC])
    named = {}
    for record in records:
        if record["run"] == DYNAMIC:
            named.setdefault(describe(_settings(record)), []).append(record)
    points = []
    for name, members in named.items():
        (ordered,) = by_run([record | {"run": f"dynmm, {name}"} for record in members]).values()
        points.append(GridPoint(_settings(members[0]), ordered))
    for point in points:
        if point.experts != points[0].experts:
            raise InputError(
                "dynamic models over different experts",
                file=point.records[0]["file"],
                key="expert_shares",
                found=", ".join(point.experts),
                expected=", ".join(points[0].experts),
            )
    return experts, sorted(points, key=lambda p: (bool(p.title), p.family, p.weight))


def default_point(paper, task, row):
    """What a DynMM row of Table 1 or 2 asks for where config says nothing.

    Args:
        paper: what `paper.read_paper` returned; its derived shares of E2 decide.
        task: "mmimdb" or "mosei".
        row: the row's key; one without a derived share is that of soft gates.

    Returns:
        What `choose_point` takes.
    """
    shares = paper["derived_shares"][task]
    return {SHARE: shares[row]} if row in shares else {INFERENCE: SOFT, "lambda": 0}


def fitting_points(points, wanted):
    """The points with the wanted settings.

    Which these are, `row_settings` says. Gates with a name have rows of their own, and those at a
    budget are fitting where a `budget` is wanted.
    """
    settings = row_settings(wanted)
    if BUDGET in settings:
        ((unit, asked),) = settings[BUDGET].items()
        settings[BUDGET] = budget_name(unit, asked)
        return [p for p in points if GATE not in p.settings and fits(p.settings, settings)]
    return [point for point in points if point.of_grid and fits(point.settings, settings)]


def choose_point(points, wanted, row):
    """The grid point that a row of a table asks for.

    Args:
        points: `GridPoint`s.
        wanted: settings that the point must have (compared as typed, or as numbers), and
            optionally `share`: the nearest mean share of E2 then decides between the points that
            have them, the lower lambda between equals; see `fitting_points`.
        row: the row's key, for messages.

    Raises:
        InputError: no point has the settings, or several have and no share decides.
    """
    fitting = fitting_points(points, wanted)
    if not fitting or (len(fitting) > 1 and SHARE not in wanted):
        raise InputError(
            "no grid point for a row" if not fitting else "several grid points for one row",
            key=row,
            found="; ".join(map(str, fitting or points)) or "no grid point",
            expected=describe(wanted),
            fix="Name settings of exactly one point of the grid, or a share.",
        )
    target = wanted.get(SHARE, 0)
    return min(fitting, key=lambda point: (abs(point.mean_share() - target), point.weight))


def _gates(point):
    if point.soft:
        return "soft gates"
    return "annealed gates" if point.settings["mode"] == SOFT else "hard gates"


def _setting(point, name):
    return f"{SYMBOLS.get(name, name)} {point.settings[name]}"


def _settings(record):
    point = record.get("point")
    missing = [name for name in KEYS if not isinstance(point, dict) or name not in point]
    if missing or not isinstance(record.get("expert_shares"), dict):
        raise InputError(
            "metrics of a dynamic model lack its point or its shares",
            file=record["file"],
            key=", ".join(f"point.{name}" for name in missing) or "expert_shares",
            fix="Evaluate the run again.",
        )
    named = [name for name in (GATE, BUDGET) if name in point]
    return {name: spelled(point[name]) for name in (*KEYS, *named)}
