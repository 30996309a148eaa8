"""The routing study in Markdown: gates, what needs no gate, and the curves of the gates."""

import pandas as pd
from tabulate import tabulate

from dynmm.reporting import headings
from dynmm.reporting.rendering import MARK, MINUS, PLUS_MINUS, SIGNIFICANT
from dynmm.reporting.routing import costs_unit, family_titles, gain_decimals, path_titles
from dynmm.reporting.routing_table import GATE, REFERENCES
from dynmm.vocabulary import NYUV2

CURVES = (
    "Area: mean height above the random line. Interior: gates, seeds apart, with at most 90 % of "
    "the samples on any one path."
)
FAMILY_NUMBERS = (
    "area",
    "area_std",
    "interior",
    "interior_gain",
    "interior_oracle_share",
    "interior_auc",
)


def routing_markdown(study, frame, remark=""):
    """The same for readers: gates, then what needs none, then the areas of the curves.

    Args:
        study: what `routing.read_routing` returned.
        frame: what `routing_table.routing_frame` made of it.
        remark: a sentence on top.
    """
    score = headings.score(study["score"])
    parts = [f"# Does the gate route? {study['task']}, {score.heading}"]
    parts += [*([f"**{remark}**"] if remark else []), _remarks(study)]
    gates = frame[frame["kind"] == GATE]
    if len(gates):
        parts.append(_pipe(_gate_columns(study, gates, score)))
    else:
        parts.append("No gate here chooses one path for a sample.")
    others = frame[frame["kind"] != GATE]
    parts += ["## Without a gate that chooses", _pipe(_other_columns(study, others, score))]
    curves = _curve_columns(study, score)
    if curves["curve"]:
        parts += ["## Curves", CURVES, _pipe(curves)]
    return "\n\n".join(parts) + "\n"


def _gate_columns(study, frame, score):
    _, unit, suffix = costs_unit(study)
    digits = score.decimals
    columns = {"gate": list(frame["name"])}
    if study["task"] == NYUV2:
        columns[f"depth encoder MAdds ({unit})"] = _numbers(frame[f"depth_madds{suffix}"], 3)
    else:
        last = frame.filter(regex="^share_").columns[-1]
        columns[f"to E{len(study['paths'])} (%)"] = _numbers(frame[last], 1)
    columns[f"MAdds ({unit})"] = _numbers(frame[f"madds{suffix}"], 3)
    if "madds_from_raw_g" in frame:
        columns["MAdds from raw (G)"] = _numbers(frame["madds_from_raw_g"], 3)
    gains = zip(
        *(
            _numbers(frame[name], gain_decimals(score), "+")
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
        "p": [f"{p:.3f}{f' {MARK}' if p < SIGNIFICANT else ''}" for p in frame["p"]],
    }
    for policy in REFERENCES:
        if frame[policy].notna().any():
            columns[policy] = _numbers(frame[policy], digits)
    cascade = _numbers(frame[f"cascade_madds{suffix}"], 3)
    columns[f"cascade MAdds ({unit})"] = cascade
    return columns | {"seeds": [str(n) for n in frame["seeds"]]}


def _other_columns(study, frame, score):
    _, unit, suffix = costs_unit(study)
    groups = frame["group"] if frame["group"].nunique() > 1 else pd.Series(None, frame.index)
    titles = {group["name"]: group["title"] for group in study["groups"]}
    names = [
        name if pd.isna(group) else f"{titles[group]}, {name}"
        for name, group in zip(frame["name"], groups, strict=True)
    ]
    columns = {"network": names, f"MAdds ({unit})": _numbers(frame[f"madds{suffix}"], 3)}
    if f"depth_madds{suffix}" in frame:
        columns[f"depth encoder MAdds ({unit})"] = _numbers(frame[f"depth_madds{suffix}"], 3)
    if "madds_from_raw_g" in frame:
        columns["MAdds from raw (G)"] = _numbers(frame["madds_from_raw_g"], 3)
    columns[score.heading] = _with_deviation(frame, "score", score.decimals)
    return columns | {"seeds": [str(n) for n in frame["seeds"]]}


def _curve_columns(study, score):
    titled = [
        {**entry, "curve": family_titles(group)[entry["family"]]}
        for group in study["groups"]
        for entry in group["families"]
    ]
    frame = pd.DataFrame(titled, columns=["curve", *FAMILY_NUMBERS]).astype(
        dict.fromkeys(FAMILY_NUMBERS, float)
    )
    for name in ("area", "area_std", "interior_gain"):
        frame[name] *= score.scale
    return {
        "curve": list(frame["curve"]),
        f"area, {score.heading}": _with_deviation(frame, "area", gain_decimals(score), "+"),
        "interior": _numbers(frame["interior"], 0),
        "their gain over random": _numbers(frame["interior_gain"], gain_decimals(score), "+"),
        "of the oracle's (%)": _numbers(100 * frame["interior_oracle_share"], 0),
        "AUC": _numbers(frame["interior_auc"], 3),
    }


def _remarks(study):
    paths = ", ".join(path_titles(study))
    return (
        f"Preset `{study['preset']}`; data: {study['content']}. Paths: {paths}. Means over seeds, "
        f"{PLUS_MINUS} sample deviation over seeds; of random choice {PLUS_MINUS} deviation over "
        f"{study['draws']} shuffles of the gate's choices. p: one-sided, seeds pooled, {MARK} "
        f"below {SIGNIFICANT}. Cascade: by the {study['uncertainty']}. docs/routing.md defines "
        "every column."
    )


def _with_deviation(frame, name, decimals, sign=""):
    means = _numbers(frame[name], decimals, sign)
    deviations = _numbers(frame[f"{name}_std"], decimals)
    return [f"{m} {PLUS_MINUS} {d}" if d else m for m, d in zip(means, deviations, strict=True)]


def _numbers(values, decimals, sign=""):
    form = f"{sign}.{decimals}f"
    return ["" if pd.isna(value) else _printed(round(value, decimals), form) for value in values]


def _printed(value, form):
    return format(value + 0.0, form).replace("-", MINUS)  # no minus before a zero


def _pipe(columns):
    align = ["left", *["right"] * (len(columns) - 1)]
    lines = list(zip(*columns.values(), strict=True))
    return tabulate(lines, list(columns), "pipe", disable_numparse=True, colalign=align)
