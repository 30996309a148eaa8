"""Score against multiply-adds for the sweep of lambda, static experts beside it (figure 4a)."""

from typing import NamedTuple

import numpy as np

from dynmm.errors import InputError
from dynmm.reporting import headings, style
from dynmm.reporting.expert_shares import draw_shares
from dynmm.reporting.grid_points import family_label, over_seeds, split_records, sweeps
from dynmm.reporting.records import number

MADDS = "madds.complete.total"
PANEL_HEIGHT, FOOT_HEIGHT = 1.75, 0.3  # inches; legends come on top


class Mark(NamedTuple):
    """One expert, or a curve of experts or grid points: means and deviations over seeds, and look.

    x, dx: millions of multiply-adds; y, dy: the score in the unit of its axis; equally long arrays.
    """

    label: str
    x: np.ndarray
    dx: np.ndarray
    y: np.ndarray
    dy: np.ndarray
    look: dict


def tradeoff_figure(records, *, scores=(), shares=False, remarks=()):
    """Figure 4a, 4b, or both in one picture.

    Args:
        records: what `records.read_records` returned: experts and grid points of one task.
        scores: names of scores in metrics.json; each has a panel with its mean against the mean
            multiply-adds (complete count), deviations over seeds as error bars.
        shares: whether a panel shows the share of samples that each expert got against lambda.
        remarks: lines under the figure, above its own.

    Returns:
        The matplotlib figure, one column wide, panels below each other.

    Raises:
        InputError: no panel asked for, no grid point, or a number missing.
    """
    experts, points = split_records(records)
    if not points:
        raise InputError("no dynamic model to draw", expected="metrics of at least one grid point")
    if not scores and not shares:
        raise InputError("a figure without panels", expected="scores, shares or both")
    count = len(scores) + bool(shares)
    fig, axes = style.figure(height=FOOT_HEIGHT + PANEL_HEIGHT * count, nrows=count, squeeze=False)
    panels = list(axes[:, 0])
    notes = []
    for panel, name in zip(panels, scores, strict=False):
        notes += _draw_score(panel, experts, points, name)
    if shares:
        draw_shares(panels[-1], points)
    if scores:
        panels[len(scores) - 1].set_xlabel("MAdds per sample (M)")
    for panel in dict.fromkeys(panels[:1] + panels[len(scores) :]):  # panels of scores share marks
        style.legend_over(panel, *panel.get_legend_handles_labels())
    seeds = ", ".join(sorted({str(len(point.records)) for point in points}))
    notes.append(f"data: {records[0]['content']}; preset: {records[0]['preset']}; seeds: {seeds}")
    style.footnote(fig, "\n".join(notes), remarks)
    return fig


def _draw_score(axes, experts, points, name):
    """Draw one panel of figure 4a; returns what its scale leaves out, in words."""
    lines = [
        _mark(family_label(family, points), [p.records for p in family], name, style.series(index))
        for index, family in enumerate(sweeps(points))
    ]
    gated = points[0].experts
    curves = static_curves(experts)
    joined = {expert for members in curves.values() for expert in members}
    marks = {}
    for expert, records in experts.items():
        if expert in joined and expert not in gated:
            continue
        title = headings.expert_title(expert, records[0].get("model"), records[0].get("width", 1))
        look = style.reference(len(marks), filled=expert in gated)
        title += f" (E{gated.index(expert) + 1})" if expert in gated else ""
        marks[expert] = _mark(title, [records], name, look)
    for title, members in curves.items():
        own = [place for place, expert in enumerate(members) if expert not in gated]
        look = style.reference(len(marks)) | style.REFERENCE_LINE | {"markevery": own}
        marks[title] = _mark(title, [experts[expert] for expert in members], name, look)
    low, high = _limits([*lines, *(marks[e] for e in gated if e in marks)], marks.values())
    for mark in [*lines, *marks.values()]:
        axes.errorbar(
            mark.x,
            np.clip(mark.y, low, high),
            xerr=mark.dx,
            yerr=np.where((mark.y < low) | (mark.y > high), 0, mark.dy),
            label=mark.label,
            clip_on=False,
            zorder=4,  # above the axes' own lines
            **mark.look,
        )
    heading = headings.score(name).heading
    axes.set_ylim(low, high)
    axes.set_ylabel(heading)
    far = [
        f"{mark.label} {y:.1f}" for mark in marks.values() for y in mark.y if not low <= y <= high
    ]
    return [f"at the edge of {heading}, off its scale: {', '.join(far)}"] if far else []


def static_curves(experts):
    """Experts that are points of one curve, by their `family` in metrics.json.

    Args:
        experts: expert -> its records.

    Returns:
        family -> two or more experts, the cheapest first.
    """
    curves = {}
    for expert, records in experts.items():
        if "family" in records[0]:
            curves.setdefault(records[0]["family"], []).append(expert)
    return {
        family: sorted(members, key=lambda expert: number(experts[expert][0], MADDS))
        for family, members in curves.items()
        if len(members) > 1
    }


def _limits(focus, marks):
    """The range of the score's axis: the sweep, its experts, and other marks not too far away.

    A weak network for one modality can lie so low that the sweep would be a flat line.
    """
    low = min((mark.y - mark.dy).min() for mark in focus)
    high = max((mark.y + mark.dy).max() for mark in focus)
    span = max(high - low, 1e-3 * abs(high), 1e-9)
    near = [m for m in marks if low - span <= m.y.min() and m.y.max() <= high + span]
    low = min([low, *((mark.y - mark.dy).min() for mark in near)])
    high = max([high, *((mark.y + mark.dy).max() for mark in near)])
    margin = 0.08 * max(high - low, span)
    return low - margin, high + margin


def _mark(label, groups, name, look):
    """Score and multiply-adds of groups of records: one expert, or each point of a sweep."""
    score = headings.score(name)
    x, dx = over_seeds(groups, lambda record: headings.MEGA * number(record, MADDS))
    y, dy = over_seeds(groups, lambda record: score.scale * number(record, f"metrics.{name}"))
    return Mark(label, x, dx, y, dy, look)
