"""The routing study as a table: a row a gate, then what needs no gate."""

import statistics

import pandas as pd

from dynmm.reporting import headings
from dynmm.reporting.routing import (
    TOTAL,
    costs_unit,
    deviation,
    family_titles,
    mean,
    path_titles,
    point_titles,
    pooled_deviation,
    static_networks,
    static_title,
)

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
    rows = [
        _gate_row(study, group, point, title)
        for group in study["groups"]
        for point, title in sorted(
            zip(group["points"], point_titles(group), strict=True), key=_family_and_cost
        )
    ]
    for group in study["groups"]:
        for title, seeds in zip(path_titles(study), group["fixed"], strict=False):
            rows.append(_fixed_row(study, group["name"], title, seeds))
    for entry in static_networks(study):
        rows.append(_static_row(study, entry))
    frame = pd.DataFrame(rows)
    return frame.assign(preset=study["preset"], content=study["content"], task=study["task"])


def _family_and_cost(titled):
    point, _ = titled
    return point["family"], mean(point, "costs", TOTAL, "gate")


def _gate_row(study, group, point, title):
    unit = headings.score(study["score"]).scale
    factor, _, suffix = costs_unit(study)
    names = [f"share_{name.replace(' ', '')}_pct" for name in study["paths"]]
    shares = [[row["shares"][k] for row in point["seeds"]] for k in range(len(names))]
    family = next(f for f in group["families"] if f["family"] == point["family"])
    row = {
        "kind": GATE,
        "group": group["name"],
        "name": " ".join([family_titles(group)[point["family"]], title]).strip(),
        "run": point["run"],
        "family": point["family"],
        **point["point"],
        **{n: 100 * statistics.fmean(s) for n, s in zip(names, shares, strict=True)},
        f"madds{suffix}": _scaled(mean(point, "costs", TOTAL, "gate"), factor),
        **_more_costs(lambda name: mean(point, "costs", name, "gate"), factor, suffix),
        "score": unit * mean(point, "gate"),
        "score_std": _scaled(deviation(point, "gate"), unit),
        "random": unit * mean(point, "random"),
        "random_std": unit * pooled_deviation(point),
        "gain_over_random": unit * point["gain"],
        "gain_low": unit * point["gain_low"],
        "gain_high": unit * point["gain_high"],
        "oracle_share_pct": _scaled(point["oracle_share"], 100),
        "auc": point["auc"],
        "p": point["p"],
        "seeds": len(point["seeds"]),
        "area": _scaled(family["area"], unit),
        "area_std": _scaled(family["area_std"], unit),
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
        "group": None,
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


def _scaled(value, factor):
    return None if value is None else factor * value
