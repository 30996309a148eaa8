"""Reading the routing study of a task, and what its gates are called in print."""

import statistics
from pathlib import Path

from dynmm.errors import InputError
from dynmm.files import read_json
from dynmm.reporting import headings
from dynmm.vocabulary import DYNAMIC, NYUV2

SIGNIFICANT = 0.05
TOTAL = "total"  # the cost by which policies are compared
VARIED = "lambda"
SYMBOLS = {"lambda": "λ", "tau": "τ"}
REQUIRED = ("task", "preset", "content", "paths", "draws", "uncertainty", "scores", "static")


def read_routing(path, score):
    """The study of one task by one score.

    Args:
        path: `routing.json` of the task.
        score: name of a score in it.

    Returns:
        The file's dict with `score` (its name), `higher_is_better` and `groups` in place of
        `scores`.

    Raises:
        InputError: the file is missing or lacks a key or the score.
    """
    study = read_json(path)
    missing = [key for key in REQUIRED if key not in study]
    if missing:
        raise InputError("no routing study", file=path, key=", ".join(missing))
    if score not in study["scores"]:
        raise InputError(
            "the routing study has no such score",
            file=Path(path),
            key=score,
            expected=", ".join(study["scores"]),
        )
    return {**study, "score": score, **study["scores"][score]}


def gate_points(study):
    """(group, point) of every gate."""
    return [(group, point) for group in study["groups"] for point in group["points"]]


def find_point(study, run, settings=None):
    """The gate of a run, or of a grid point with these settings; None where it is not studied."""
    for _, point in gate_points(study):
        if point["run"] == run and (not settings or point["point"] == settings):
            return point
    return None


def mean(point, *keys):
    """Mean over the seeds of a point's number, such as ("costs", "total", "gate").

    None where a seed lacks it.
    """
    values = [_under(row, keys) for row in point["seeds"]]
    return None if not values or None in values else statistics.fmean(values)


def deviation(point, *keys):
    """Sample deviation over the seeds; None for one seed, or where a seed lacks the number."""
    values = [_under(row, keys) for row in point["seeds"]]
    return statistics.stdev(values) if len(values) > 1 and None not in values else None


def family_titles(group):
    """Family -> what print calls it: "DynMM" and the settings in which the group's families differ.

    A family that the study names otherwise than by its settings keeps its name.
    """
    points = group["points"]
    names = [name for name in points[0]["point"] if name != VARIED] if points else []
    differ = [name for name in names if len({p["point"].get(name) for p in points}) > 1]
    titles = {}
    for point in points:
        titles[point["family"]] = _title(point, differ)
    return titles


def point_title(point):
    """What print calls one point of its family: the setting that varies, or nothing for a run."""
    settings = point["point"]
    return f"{SYMBOLS[VARIED]} {settings[VARIED]}" if VARIED in settings else ""


def path_titles(study):
    """Printed names of the paths: experts with their number, or numbers of fused cells."""
    if study["task"] == NYUV2:
        return [name.replace("path", "fixed path") for name in study["paths"]]
    return [
        f"{headings.expert_title(name)} (E{place})"
        for place, name in enumerate(study["paths"], start=1)
    ]


def static_title(entry):
    """The printed name of a network without a gate that chooses, or of a soft gate."""
    if entry["run"] == DYNAMIC:
        return f"soft gates, {point_title(entry)}"
    title = headings.run_title(entry["run"])
    return headings.expert_title(entry["run"]) if title == entry["run"] else title


def costs_unit(study):
    """(factor, unit, suffix of columns) of multiply-adds in print."""
    large = study["task"] == NYUV2
    return (headings.GIGA, "G", "_g") if large else (headings.MEGA, "M", "_m")


def _title(point, differ):
    settings = {name: value for name, value in point["point"].items() if name != VARIED}
    if point["run"] != DYNAMIC:
        return headings.run_title(point["run"])
    if point["family"] != ", ".join(f"{name} {value}" for name, value in settings.items()):
        return point["family"]
    words = [f"{SYMBOLS.get(name, name)} {settings[name]}" for name in differ if name in settings]
    return ", ".join(["DynMM", *words])


def _under(row, keys):
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row
