"""Score against multiply-adds: gates, the policies that need none, fixed paths, static networks."""

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.patheffects import withStroke

from dynmm.errors import InputError
from dynmm.reporting import headings, style
from dynmm.reporting.rendering import MINUS
from dynmm.reporting.routing import (
    TOTAL,
    costs_unit,
    deviation,
    family_titles,
    gain_decimals,
    gate_points,
    joint_title,
    mean,
    path_titles,
    point_titles,
    pooled_deviation,
    static_networks,
    static_title,
)
from dynmm.vocabulary import NYUV2

WIDTH, PANEL_HEIGHT, FOOT_HEIGHT = 5.4, 2.5, 0.55  # inches; legends come on top
TITLE = 0.18  # inches of a panel's title
POLICIES = {  # policy -> label, and its look: a line without marks
    "random": ("random choice", {"color": "#7F7F7F", "linestyle": "-", "linewidth": 1.0}),
    "oracle": ("oracle", {"color": "#009E73", "linestyle": (0, (1, 1.2))}),
    "cascade": ("cascade", {"color": "#56B4E9", "linestyle": "-."}),
    "linear": ("linear router", {"color": "#CC79A7", "linestyle": "--"}),
}
MARGIN = 0.06  # of an axis, beyond what it has to show
NEAR = 0.5  # of the axis: static networks further away than this lie at its edge
BARS = {"elinewidth": 0.5, "ecolor": "#7F7F7F", "capsize": 0}
OWN = "the gate's choices"  # where a panel has one gate, which its title names
CLOSE = 0.09  # of both axes: points nearer than this share a label


def routing_figure(study, remarks=()):
    """One panel a group of gates over the same paths.

    Args:
        study: what `routing.read_routing` returned.
        remarks: lines under the figure, above its own.

    Returns:
        The matplotlib figure.

    Raises:
        InputError: no gate that chooses.
    """
    groups = study["groups"]
    if not groups:
        raise InputError(
            "no gate to draw", expected="a dynamic model that chooses one path a sample"
        )
    fig, axes = style.figure(
        WIDTH, FOOT_HEIGHT + PANEL_HEIGHT * len(groups), nrows=len(groups), squeeze=False
    )
    notes = []
    for axis, group in zip(axes[:, 0], groups, strict=True):
        notes += _draw_group(axis, study, group)
        if len(groups) > 1:
            axis.set_title(group["title"], loc="left")
    style.legend_over(axes[0, 0], *_legend(axes[:, 0]), TITLE if len(groups) > 1 else 0.0)
    notes.append(_areas(study))
    _, unit, _ = costs_unit(study)
    axes[-1, 0].set_xlabel(f"MAdds per sample ({unit}), the gate's among them")
    style.footnote(fig, "\n".join([*dict.fromkeys(notes), _note(study)]), remarks)
    return fig


def _legend(axes):
    """Handles and labels of all panels, each once, the gates first: matplotlib has bars last."""
    found = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    order = sorted(found, key=lambda label: not isinstance(found[label], ErrorbarContainer))
    return [found[label] for label in order], order


def _draw_group(axis, study, group):
    """Draw one panel; returns what its scale leaves out, in words."""
    factor, _, _ = costs_unit(study)
    score = headings.score(study["score"])
    titles = family_titles(group)
    for place, (family, title) in enumerate(titles.items()):
        alone = title == group["title"]
        _draw_family(axis, group, family, OWN if alone else title, place, factor, score)
    if study["task"] == NYUV2:
        _draw_shuffled(axis, group, factor, score)
    for policy, curve in group["curves"].items():
        label, look = POLICIES[policy]
        x, y = factor * np.array(curve["costs"]), score.scale * np.array(curve["scores"])
        axis.plot(x, y, label=label, zorder=2, **look)
    _draw_fixed(axis, study, group, factor, score)
    apart = static_networks(study)
    marks = [
        mark | {"shown": entry not in apart}  # as a fixed path, already
        for entry in study["static"]
        if (mark := _static_mark(entry, study["score"], factor, score))
    ]
    notes = _draw_static(axis, marks, *_limits(*axis.get_ylim(), marks), score)
    _label_points(axis, group, factor, score)
    axis.set_ylabel(score.heading)
    return notes


def _draw_fixed(axis, study, group, factor, score):
    """Fixed paths: filled marks, over more than two paths on a line."""
    if not group["fixed"]:
        return
    titles = path_titles(study)
    places = [
        (
            factor * mean({"seeds": seeds}, "costs", TOTAL),
            score.scale * mean({"seeds": seeds}, "score"),
        )
        for seeds in group["fixed"]
    ]
    if study["task"] == NYUV2:
        look = style.reference(0, filled=True) | {"markersize": 4}
        axis.plot(*zip(*places, strict=True), label="fixed paths", zorder=3, **look)
        for number, place in enumerate(places):
            _annotate(axis, str(number), place, (0, -9))
        return
    for index, (title, place) in enumerate(zip(titles, places, strict=True)):
        look = style.reference(index, filled=True)
        axis.plot(*place, label=title, zorder=3, **look)


def _draw_family(axis, group, family, title, place, factor, score):
    points = [point for point in group["points"] if point["family"] == family]
    points.sort(key=lambda point: mean(point, "costs", TOTAL, "gate"))
    x = [factor * mean(point, "costs", TOTAL, "gate") for point in points]
    y = [score.scale * mean(point, "gate") for point in points]
    dy = [score.scale * (deviation(point, "gate") or 0) for point in points]
    dx = [factor * (deviation(point, "costs", TOTAL, "gate") or 0) for point in points]
    look = style.series(place) | {"linewidth": 0.8}
    axis.errorbar(x, y, xerr=dx, yerr=dy, label=title, zorder=5, **look, **BARS)


def _draw_shuffled(axis, group, factor, score):
    """Random choice with the shares of each gate: over more than two paths it is on no line."""
    for point in group["points"]:
        axis.errorbar(
            factor * mean(point, "costs", TOTAL, "random"),
            score.scale * mean(point, "random"),
            yerr=score.scale * pooled_deviation(point),
            label="its choices shuffled",
            zorder=4,
            marker="x",
            color="#7F7F7F",
            linestyle="none",
        )


def _label_points(axis, group, factor, score):
    """Name the points of each family, below them or (every other family) above.

    Those that lie close together share a label.
    """
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for place, family in enumerate(family_titles(group)):
        outer, offset = (max, (0, 6)) if place % 2 else (min, (0, -11))
        clusters = []
        for point, title in zip(group["points"], point_titles(group), strict=True):
            if point["family"] != family or not title:
                continue
            x = factor * mean(point, "costs", TOTAL, "gate")
            y = score.scale * mean(point, "gate")
            at = (x - left) / (right - left), (y - low) / (high - low)
            near = [c for c in clusters if np.abs(np.subtract(c["at"], at)).max() < CLOSE]
            if not near:
                near = [{"at": at, "places": [], "titles": []}]
                clusters += near
            near[0]["titles"].append(title)
            near[0]["places"].append((x, y))
        for cluster in clusters:
            x, y = zip(*cluster["places"], strict=True)
            _annotate(axis, joint_title(cluster["titles"]), (np.mean(x), outer(y)), offset)


def _draw_static(axis, marks, low, high, score):
    """Networks without a gate, hollow; those far off lie at the edge. Returns that in words.

    Those of one family share a mark and a line, which goes through fixed paths of the family too.
    """
    families, far = {}, []
    for mark in marks:
        if mark["family"] and low <= mark["y"] <= high:
            families.setdefault(mark["family"], []).append(mark)
    joined = [members for members in families.values() if len(members) > 1]
    alone = [m for m in marks if not m["shown"] and not any(m in members for members in joined)]
    for index, mark in enumerate(alone):
        axis.plot(
            mark["x"],
            np.clip(mark["y"], low, high),
            label=mark["title"],
            zorder=3,
            clip_on=False,
            **style.reference(index + 2),  # after the marks of E1 and E2
        )
        if not low <= mark["y"] <= high:
            far.append(f"{mark['title']} {mark['y']:.{score.decimals}f}")
    for index, members in enumerate(joined, start=len(alone) + 2):
        members.sort(key=lambda mark: mark["x"])
        marked = [place for place, mark in enumerate(members) if not mark["shown"]]
        x, y = ([mark[axis_name] for mark in members] for axis_name in "xy")
        look = style.reference(index) | style.REFERENCE_LINE
        axis.plot(x, y, label=members[0]["family"], zorder=2, markevery=marked, **look)
    axis.set_ylim(low, high)
    return [f"at the edge of {score.heading}, off its scale: {', '.join(far)}"] if far else []


def _static_mark(entry, name, factor, score):
    value = mean(entry, "scores", name)
    if value is None:
        return None
    return {
        "title": static_title(entry),
        "family": entry["family"],
        "x": factor * mean(entry, "costs", TOTAL),
        "y": score.scale * value,
    }


def _annotate(axis, text, place, offset):
    if text:
        axis.annotate(
            text,
            place,
            xytext=offset,
            textcoords="offset points",
            fontsize=5.5,
            color="#333333",
            ha="center",
            zorder=6,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )


def _limits(low, high, marks):
    """The range of the score's axis: what is drawn, and static networks that are not far away."""
    span = high - low
    near = [mark["y"] for mark in marks if low - NEAR * span <= mark["y"] <= high + NEAR * span]
    low, high = min([low, *near]), max([high, *near])
    return low - MARGIN * span, high + MARGIN * span


def _areas(study):
    """The area of every curve above the random line, in words."""
    score = headings.score(study["score"])
    words = [
        f"{family_titles(group)[entry['family']]} {_signed(score.scale * entry['area'], score)}"
        for group in study["groups"]
        for entry in group["families"]
        if entry["area"] is not None
    ]
    return f"Area above the random line (mean height): {'; '.join(words)}."


def _note(study):
    seeds = sorted({len(point["seeds"]) for _, point in gate_points(study)})
    return (
        f"Cascade: by the {study['uncertainty']}; it pays the cheapest path for every sample. "
        "Bars: sample deviation over seeds.\n"
        f"data: {study['content']}; preset: {study['preset']}; "
        f"seeds: {', '.join(map(str, seeds))}"
    )


def _signed(value, score):
    return f"{value:+.{gain_decimals(score)}f}".replace("-", MINUS)
