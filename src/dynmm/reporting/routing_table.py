"""The routing study as a table: a row a gate, then what needs no gate."""

import statistics

import pandas as pd
from tabulate import tabulate

from dynmm.reporting import headings
from dynmm.reporting.rendering import MINUS, PLUS_MINUS
from dynmm.reporting.routing import (
    SIGNIFICANT,
    TOTAL,
    costs_unit,
    deviation,
    family_titles,
    gate_points,
    mean,
    path_titles,
    point_title,
    static_title,
)
from dynmm.vocabulary import NYUV2

FROM_RAW, DEPTH_ENCODER = "from_raw", "depth_encoder"
REFERENCES = ("cascade", "linear", "oracle")
GATE, PATH, STATIC = "gate", "fixed path", "static"


def routing_frame(study):
    """One row a gate, a fixed path or a static network; scores and shares in the unit of print.

    Args:
        study: what `routing.read_routing` returned.

    Returns:
        DataFrame; what a row does not have is missing. `kind` is gate, fixed path or static.
    """
    rows = [_gate_row(study, group, point) for group, point in gate_points(study)]
    for group in study["groups"]:
        for title, seeds in zip(path_titles(study), group["fixed"], strict=False):
            rows.append(_fixed_row(study, group["name"], title, seeds))
    for entry in study["static"]:
        rows.append(_static_row(study, entry))
    frame = pd.DataFrame(rows)
    return frame.assign(preset=study["preset"], content=study["content"], task=study["task"])


def routing_markdown(study, frame):
    """The same for readers: gates, then what needs none, then the areas of the curves."""
    score = headings.score(study["score"])
    parts = [f"# Does the gate route? {study['task']}, {score.heading}", _remarks(study)]
    gates = frame[frame["kind"] == GATE]
    if len(gates):
        parts.append(_pipe(_gate_columns(study, gates, score)))
    else:
        parts.append("No gate here chooses one path for a sample.")
    others = frame[frame["kind"] != GATE]
    parts += ["## Without a gate that chooses", _pipe(_other_columns(study, others, score))]
    areas = _area_columns(study, score)
    if areas["curve"]:
        parts += ["## Curves", _pipe(areas)]
    return "\n\n".join(parts) + "\n"


def _gate_row(study, group, point):
    unit = headings.score(study["score"]).scale
    factor, _, suffix = costs_unit(study)
    names = [f"share_{name.replace(' ', '')}_pct" for name in study["paths"]]
    shares = [[row["shares"][k] for row in point["seeds"]] for k in range(len(names))]
    area = next(a for a in group["areas"] if a["family"] == point["family"])
    row = {
        "kind": GATE,
        "group": group["name"],
        "name": " ".join([family_titles(group)[point["family"]], point_title(point)]).strip(),
        "run": point["run"],
        "family": point["family"],
        **point["point"],
        **{n: 100 * statistics.fmean(s) for n, s in zip(names, shares, strict=True)},
        f"madds{suffix}": _scaled(mean(point, "costs", TOTAL, "gate"), factor),
        **_more_costs(lambda name: mean(point, "costs", name, "gate"), factor, suffix),
        "score": unit * mean(point, "gate"),
        "score_std": _scaled(deviation(point, "gate"), unit),
        "random": unit * mean(point, "random"),
        # over the draws of a seed, pooled over the seeds
        "random_std": unit * statistics.fmean(r["random_std"] ** 2 for r in point["seeds"]) ** 0.5,
        "gain_over_random": unit * point["gain"],
        "gain_low": unit * point["gain_low"],
        "gain_high": unit * point["gain_high"],
        "oracle_share_pct": _scaled(point["oracle_share"], 100),
        "auc": point["auc"],
        "p": point["p"],
        "seeds": len(point["seeds"]),
        "area": _scaled(area["area"], unit),
        "area_std": _scaled(area["std"], unit),
    }
    for policy in REFERENCES:
        row[policy] = _scaled(mean(point, policy), unit)
        row[f"{policy}_madds{suffix}"] = _scaled(mean(point, "costs", TOTAL, policy), factor)
        if policy != "oracle":  # it is asked for the cost of the gate
            row |= _more_costs(
                lambda name, policy=policy: mean(point, "costs", name, policy),
                factor,
                suffix,
                f"{policy}_",
            )
    return row


def _fixed_row(study, group, title, seeds):
    factor, _, suffix = costs_unit(study)
    entry = {"seeds": [{**row, "gate": row["score"]} for row in seeds]}
    return {
        "kind": PATH,
        "group": group,
        "name": title,
        f"madds{suffix}": _scaled(mean(entry, "costs", TOTAL), factor),
        **_more_costs(lambda name: mean(entry, "costs", name), factor, suffix),
        **_score(study, entry, "score"),
    }


def _static_row(study, entry):
    factor, _, suffix = costs_unit(study)
    return {
        "kind": STATIC,
        "name": static_title(entry),
        "run": entry["run"],
        "family": entry["family"],
        **(entry["point"] or {}),
        f"madds{suffix}": _scaled(mean(entry, "costs", TOTAL), factor),
        **_more_costs(lambda name: mean(entry, "costs", name), factor, suffix),
        **_score(study, entry, "scores", study["score"]),
    }


def _score(study, entry, *keys):
    unit = headings.score(study["score"]).scale
    return {
        "score": _scaled(mean(entry, *keys), unit),
        "score_std": _scaled(deviation(entry, *keys), unit),
        "seeds": len(entry["seeds"]),
    }


def _more_costs(cost, factor, suffix, prefix=""):
    """Columns of the costs beside the total; from raw input in G, whatever the others are in."""
    found = {}
    if (raw := cost(FROM_RAW)) is not None:
        found[f"{prefix}madds_from_raw_g"] = headings.GIGA * raw
    if (depth := cost(DEPTH_ENCODER)) is not None:
        found[f"{prefix}depth_madds{suffix}"] = factor * depth
    return found


def _gate_columns(study, frame, score):
    _, unit, suffix = costs_unit(study)
    digits = score.decimals
    columns = {"gate": list(frame["name"])}
    if study["task"] == NYUV2:
        columns[f"depth encoder ({unit}MAdds)"] = _numbers(frame[f"depth_madds{suffix}"], 3)
    else:
        last = frame.filter(regex="^share_").columns[-1]
        columns[f"to E{len(study['paths'])} (%)"] = _numbers(frame[last], 1)
    columns[f"{unit}MAdds"] = _numbers(frame[f"madds{suffix}"], 3)
    if "madds_from_raw_g" in frame:
        columns["GMAdds from raw"] = _numbers(frame["madds_from_raw_g"], 3)
    gains = zip(
        *(
            _numbers(frame[name], digits, "+")
            for name in ("gain_over_random", "gain_low", "gain_high")
        ),
        strict=True,
    )
    columns |= {
        score.heading: _with_deviation(frame, "score", digits),
        "random": _with_deviation(frame, "random", digits),
        "gain over random [95 %]": [f"{gain} [{low}, {high}]" for gain, low, high in gains],
        "of the oracle's (%)": _numbers(frame["oracle_share_pct"], 0),
        "AUC": _numbers(frame["auc"], 3),
        "p": [f"{p:.3f}{' *' if p < SIGNIFICANT else ''}" for p in frame["p"]],
    }
    for policy in REFERENCES:
        if frame[policy].notna().any():
            columns[policy] = _numbers(frame[policy], digits)
    cascade = _numbers(frame[f"cascade_madds{suffix}"], 3)
    columns[f"cascade ({unit}MAdds)"] = cascade
    return columns | {"seeds": [str(n) for n in frame["seeds"]]}


def _other_columns(study, frame, score):
    _, unit, suffix = costs_unit(study)
    groups = frame["group"] if frame["group"].nunique() > 1 else pd.Series(None, frame.index)
    names = [
        name if pd.isna(group) else f"{headings.run_title(group)}, {name}"
        for name, group in zip(frame["name"], groups, strict=True)
    ]
    columns = {"network": names, f"{unit}MAdds": _numbers(frame[f"madds{suffix}"], 3)}
    if f"depth_madds{suffix}" in frame:
        columns[f"depth encoder ({unit}MAdds)"] = _numbers(frame[f"depth_madds{suffix}"], 3)
    if "madds_from_raw_g" in frame:
        columns["GMAdds from raw"] = _numbers(frame["madds_from_raw_g"], 3)
    columns[score.heading] = _with_deviation(frame, "score", score.decimals)
    return columns | {"seeds": [str(n) for n in frame["seeds"]]}


def _area_columns(study, score):
    columns = {"curve": [], f"area above the random line ({score.heading})": []}
    names, areas = columns.values()
    for group in study["groups"]:
        titles = family_titles(group)
        for entry in group["areas"]:
            names.append(titles[entry["family"]])
            value = pd.DataFrame(
                {
                    "area": [_scaled(entry["area"], score.scale)],
                    "area_std": [_scaled(entry["std"], score.scale)],
                },
                dtype=float,
            )
            areas += _with_deviation(value, "area", score.decimals, "+")
    return columns


def _remarks(study):
    paths = ", ".join(path_titles(study))
    return (
        f"Preset `{study['preset']}`; data: {study['content']}. Paths: {paths}. Means over seeds, "
        f"{PLUS_MINUS} sample deviation over seeds; of random choice {PLUS_MINUS} deviation over "
        f"{study['draws']} shuffles of the gate's choices. p: one-sided, seeds pooled, * below "
        f"{SIGNIFICANT}. Cascade: by the {study['uncertainty']}. docs/routing.md defines every "
        "column."
    )


def _with_deviation(frame, name, decimals, sign=""):
    means = _numbers(frame[name], decimals, sign)
    deviations = _numbers(frame[f"{name}_std"], decimals)
    return [f"{m} {PLUS_MINUS} {d}" if d else m for m, d in zip(means, deviations, strict=True)]


def _numbers(values, decimals, sign=""):
    return [
        "" if pd.isna(value) else f"{value:{sign}.{decimals}f}".replace("-", MINUS)
        for value in values
    ]


def _scaled(value, factor):
    return None if value is None else factor * value


def _pipe(columns):
    align = ["left", *["right"] * (len(columns) - 1)]
    lines = list(zip(*columns.values(), strict=True))
    return tabulate(lines, list(columns), "pipe", disable_numparse=True, colalign=align)
