"""Reading the routing study of a task, and what its gates are called in print."""

import statistics
from pathlib import Path

from dynmm.errors import InputError
from dynmm.files import read_json
from dynmm.reporting import headings
from dynmm.reporting.tables import Metric
from dynmm.vocabulary import DYNAMIC, NYUV2

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


def with_gains(records, study):
    """Metrics files with what the routing study says of them, for a column of a table.

    Args:
        records: what `records.read_records` returned.
        study: what `read_routing` returned; None adds nothing.

    Returns:
        List of records; those of a gate that chooses have `gain_over_random` of their seed (in the
        unit of the stored score) and `gain_p`, the p of all seeds together.
    """
    return [record | _gain(record, study) for record in records] if study else records


def gain_metric(study):
    """The table column of `with_gains`."""
    score = headings.score(study["score"])
    name, unit = score.heading.removesuffix(" (%)"), " (points)" if score.scale == 100 else ""
    return Metric(
        "gain_over_random",
        f"gain over random, {name}{unit}",
        score.decimals,
        lambda record: record.get("gain_over_random"),
        scale=score.scale,
        p_column="gain_p",
    )


def gain_p(records):
    """The further column that `gain_metric` needs of a row."""
    return {"gain_p": records[0]["gain_p"]} if records and "gain_p" in records[0] else {}


def gate_points(study):
    """(group, point) of every gate."""
    return [(group, point) for group in study["groups"] for point in group["points"]]


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


def pooled_deviation(point):
    """Deviation of the shuffles of a point's choices, pooled over its seeds."""
    return statistics.fmean(row["random_std"] ** 2 for row in point["seeds"]) ** 0.5


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


def joint_title(points):
    """One title for several points of a family, such as "λ 0.02, 0.04"."""
    ordered = sorted(points, key=lambda point: float(point["point"][VARIED]))
    return ", ".join([point_title(ordered[0]), *(p["point"][VARIED] for p in ordered[1:])])


def path_titles(study):
    """Printed names of the paths: experts with their number, or numbers of fused cells."""
    if study["task"] == NYUV2:
        return [name.replace("path", "fixed path") for name in study["paths"]]
    return [
        f"{headings.expert_title(name)} (E{place})"
        for place, name in enumerate(study["paths"], start=1)
    ]


def static_networks(study):
    """The networks without a gate that chooses, but for those that stand as fixed paths already."""
    shown = study["paths"] if any(group["fixed"] for group in study["groups"]) else []
    return [entry for entry in study["static"] if entry["run"] not in shown]


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


def _gain(record, study):
    for _, point in gate_points(study):
        if point["run"] == record["run"] and point["point"] == record.get("point", {}):
            for row in point["seeds"]:
                if row["seed"] == record["seed"]:
                    return {"gain_over_random": row["gain"], "gain_p": point["p"]}
    return {}


def _under(row, keys):
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row
