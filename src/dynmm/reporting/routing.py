"""Reading the routing study of a task, and what its gates are called in print."""

import statistics
from pathlib import Path

from dynmm.errors import InputError
from dynmm.reporting import headings
from dynmm.reporting.tables import Metric
from dynmm.stored_records import SEAL, read_sealed
from dynmm.vocabulary import DYNAMIC, NYUV2

TOTAL = "total"  # the cost by which policies are compared
VARIED = "lambda"
SYMBOLS = {"lambda": "λ", "tau": "τ", "budget": "at"}


def read_routing(path, score, titles=None):
    """The study of one task by one score.

    Args:
        path: `routing.json` of the task.
        score: name of a score in it.
        titles: run -> printed name, of the runs that the configuration gives one.

    Returns:
        The file's dict with `score` (its name), `higher_is_better` and `groups` in place of
        `scores`; groups, their points and static networks have a `title`.

    Raises:
        InputError: the file is missing or damaged, or lacks the score.
    """
    study = {key: value for key, value in read_sealed(path).items() if key != SEAL}
    scores = study.get("scores", {})
    if score not in scores:
        raise InputError(
            "the routing study has no such score",
            file=Path(path),
            key=score,
            expected=", ".join(scores),
        )
    found = {**study, "score": score, **study["scores"][score]}
    for group in found["groups"]:
        group["title"] = headings.run_title(group["name"], titles)
    for entry in [*found["static"], *(point for _, point in gate_points(found))]:
        entry["title"] = headings.run_title(entry["run"], titles)
    return found


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
        gain_decimals(score),
        lambda record: record.get("gain_over_random"),
        scale=score.scale,
        p_column="gain_p",
    )


def gain_decimals(score):
    """Decimals of a gain in print: gains are small where scores are not."""
    return max(2, score.decimals)


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
    of_grid = [point for point in group["points"] if point["family"] == _settings_family(point)]
    differ = [name for name in _varying(of_grid) if name != VARIED]
    return {point["family"]: _title(point, differ) for point in group["points"]}


def point_titles(group):
    """What print calls each point within its family: the settings that vary there, else lambda.

    Runs that are of no grid have an empty title.
    """
    titles = []
    for point in group["points"]:
        members = [p for p in group["points"] if p["family"] == point["family"]]
        titles.append(_named(point["point"], _varying(members) or [VARIED]))
    return titles


def joint_title(titles):
    """One title for several points of a family, such as "λ 0.02, 0.04"."""
    names, values = zip(*(title.rsplit(" ", 1) for title in titles), strict=True)
    if len(set(names)) > 1:
        return "; ".join(titles)
    return f"{names[0]} {', '.join(sorted(values, key=_size))}"


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
        return f"soft gates, {_named(entry['point'], [VARIED])}"
    title = entry["title"]
    if title != entry["run"]:
        return title
    return headings.expert_title(entry["run"], entry.get("model"), entry.get("width", 1))


def costs_unit(study):
    """(factor, unit, suffix of columns) of multiply-adds in print."""
    large = study["task"] == NYUV2
    return (headings.GIGA, "G", "_g") if large else (headings.MEGA, "M", "_m")


def _title(point, differ):
    if point["run"] != DYNAMIC:
        return point["title"]
    if point["family"] != _settings_family(point):
        return point["family"]
    words = _named(point["point"], differ)
    return f"DynMM, {words}" if words else "DynMM"


def _settings_family(point):
    """What the family of a point is called where it has no name of its own."""
    settings = {name: value for name, value in point["point"].items() if name != VARIED}
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _varying(points):
    """Names of the settings in which points differ, in their order; one may lack some."""
    names = dict.fromkeys(name for point in points for name in point["point"])
    return [name for name in names if len({point["point"].get(name) for point in points}) > 1]


def _named(settings, names):
    return ", ".join(f"{SYMBOLS.get(n, n)} {settings[n]}" for n in names if n in settings)


def _size(text):
    """Numbers by their size, before other texts."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


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
