"""Scores and computation against the level of noise (figure 6, and its like for other tasks)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dynmm.errors import InputError
from dynmm.reporting import style
from dynmm.reporting.csv_files import read_rows
from dynmm.vocabulary import NOISE, ZERO

KEYS = ("model", "seed", "setting", "input", "level", "run")
TEXTS = ("model", "setting", "input")
NARROW = 4  # with so many settings beside each other a panel has room for fewer ticks
MISSING_MARK = "∅"
ROW_HEIGHT, FOOT_HEIGHT = 1.15, 0.75  # inches


class Panel(NamedTuple):
    """One row of panels: its column, axis label, factor to its unit, and the ends of its axis."""

    column: str
    label: str
    scale: float
    limits: tuple = (None, None)


def read_sweeps(paths):
    """All sweeps in one frame, as they are stored.

    Args:
        paths: CSV files, one row per level and run.

    Raises:
        InputError: no files, a file unreadable or empty, or a column missing.
    """
    if not paths:
        raise InputError("no noise sweeps", expected="one CSV per model, seed and setting")
    return pd.concat([read_rows(path, KEYS, TEXTS) for path in paths], ignore_index=True)


def over_runs(frame, column):
    """Mean and deviation of one column for each model, setting, input and level.

    The mean goes over seeds and runs; the deviation is that over the runs of one seed, pooled over
    the seeds, as the paper's figure has one trained network and ten runs.

    Returns:
        DataFrame with columns model, setting, input, level, mean (NaN where the model has no such
        column), std (0 for one run).
    """
    keys = ["model", "setting", "input", "level"]
    groups = frame.groupby([*keys, "seed"], sort=False, dropna=False)[column]
    of_seeds = groups.agg(["mean", "var"]).fillna({"var": 0.0})
    result = of_seeds.groupby(keys, sort=False, dropna=False).mean().reset_index()
    return result.assign(std=np.sqrt(result["var"])).drop(columns="var")


def noise_figure(frame, panels, *, models, settings, notes, remarks=(), lacking=()):
    """A column of panels for each setting: scores above, what was computed below.

    Missing modalities stand apart, right of the levels.

    Args:
        frame: what `read_sweeps` returned.
        panels: `Panel`s, from above.
        models: name in the frame -> printed name, in the order of the legend.
        settings: name in the frame -> title of its panels.
        notes: lines under the figure.
        remarks: lines above them, for which the figure grows.
        lacking: models that may have no sweep; they are left out.

    Returns:
        The matplotlib figure, one column wide.

    Raises:
        InputError: a model, a setting or a column is not in the frame.
    """
    for key, wanted in (("model", models), ("setting", settings)):
        there = {*frame[key], *(lacking if key == "model" else ())}
        missing = [name for name in wanted if name not in there]
        if missing:
            raise InputError(f"no noise sweep of a {key}", key=key, found=", ".join(missing))
    levels = sorted(frame["level"].dropna().unique())
    apart = levels[-1] + 0.3 * (levels[-1] - levels[0])
    fig, axes = style.figure(
        height=ROW_HEIGHT * max(2, len(panels)) + FOOT_HEIGHT,  # notes need as much room for one
        nrows=len(panels),
        ncols=len(settings),
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    for row, panel in zip(axes, panels, strict=True):
        if panel.column not in frame:
            raise InputError("no noise sweep has a column", key=panel.column, found=list(frame))
        summary = over_runs(frame, panel.column)
        for place, (axis, setting) in enumerate(zip(row, settings, strict=True)):
            for index, model in enumerate(models):
                part = summary[(summary["model"] == model) & (summary["setting"] == setting)]
                place_of = {"mean": panel.scale * part["mean"], "std": panel.scale * part["std"]}
                _draw(axis, part.assign(**place_of), index, models[model], apart)
            if not place:
                axis.set_ylabel(panel.label)
        row[0].set_ylim(*panel.limits)
    for axis, title in zip(axes[0], settings.values(), strict=True):
        axis.set_title(title)
    ticks = _ticks(levels, apart if (frame["input"] == ZERO).any() else None, len(settings))
    for axis in axes[-1]:
        axis.set_xticks(list(ticks), list(ticks.values()))
    axes[-1][len(settings) // 2].set_xlabel("level of noise")
    fig.align_ylabels(axes[:, 0])
    style.legend_above(fig, *axes[0][0].get_legend_handles_labels())
    style.footnote(fig, "\n".join(notes), remarks)
    return fig


def counts_note(frame):
    """How many runs and seeds the numbers come from, in words."""
    runs, seeds = frame["run"].nunique(), frame["seed"].nunique()
    return f"seeds: {seeds}; runs of each: {runs}; bars: deviation over the runs of a seed"


def _draw(axis, part, index, label, apart):
    part = part.dropna(subset="mean").sort_values("level")
    look = {"label": label, "clip_on": False, "zorder": 3, **style.series(index)}
    noisy, missing = part[part["input"] == NOISE], part[part["input"] == ZERO]
    if len(noisy):
        axis.errorbar(noisy["level"], noisy["mean"], yerr=noisy["std"], **look)
    if len(missing):
        look |= {"label": None, "linestyle": "none", "markersize": 4.5}
        axis.plot([apart] * len(missing), missing["mean"], **look)


def _ticks(levels, apart, settings):
    """Place -> label: the first and last level, what lies between where there is room, and zero."""
    middle = min(levels, key=lambda level: abs(level - (levels[0] + levels[-1]) / 2))
    shown = {levels[0], levels[-1]} if settings >= NARROW else {levels[0], middle, levels[-1]}
    ticks = {level: f"{level:g}" for level in sorted(shown)}
    return ticks if apart is None else {**ticks, apart: MISSING_MARK}
