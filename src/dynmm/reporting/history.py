"""The course of training: loss and validation score against the epoch."""

import pandas as pd

from dynmm.errors import InputError
from dynmm.reporting import headings, style
from dynmm.reporting.csv_files import read_rows

COLUMNS = ("epoch", "total_loss", "score", "score_name")
TEXTS = ("score_name",)
MARKERS_PER_LINE = 8


def read_histories(paths, labels):
    """All `history.csv` files in one frame.

    Args:
        paths: history files, one per run and seed.
        labels: the run's printed name for each path; seeds of one run share it.

    Returns:
        DataFrame, the files' columns plus `run` (the label) and `file`; runs keep their order.

    Raises:
        InputError: no files, as many labels as files not given, a file unreadable or empty,
            a column missing, or scores of different kinds.
    """
    if not paths or len(labels) != len(paths):
        raise InputError(
            "one label per history file", key="labels", found=len(labels), expected=len(paths)
        )
    frames = [
        read_rows(path, COLUMNS, TEXTS).assign(file=str(path), run=label)
        for path, label in zip(paths, labels, strict=True)
    ]
    frame = pd.concat(frames, ignore_index=True)
    kinds = list(dict.fromkeys(frame["score_name"]))
    if len(kinds) > 1:
        raise InputError(
            "histories with scores of different kinds",
            key="score_name",
            found=", ".join(kinds)[:200],
        )
    return frame


def over_seeds(frame, column):
    """Mean and sample deviation of one column for each run and epoch.

    Returns:
        DataFrame with columns run, epoch, mean, std (0 for one seed), runs in order of appearance.
    """
    groups = frame.groupby(["run", "epoch"], sort=False)[column]
    result = groups.agg(["mean", "std"]).fillna({"std": 0.0}).reset_index()
    order = {run: place for place, run in enumerate(dict.fromkeys(frame["run"]))}
    return result.sort_values(
        ["run", "epoch"], key=lambda c: c.map(order) if c.name == "run" else c
    )


def history_figure(frame, *, select_on="validation", note="", remarks=()):
    """Training loss above, score on the selection split below; mean over seeds with deviation.

    Args:
        frame: what `read_histories` returned.
        select_on: the split the score is of ("validation" or "test").
        note: a line under the figure, such as what the data is.
        remarks: lines above it.

    Returns:
        The matplotlib figure, one column wide.
    """
    title, scale, _ = headings.score(frame["score_name"].iloc[0])
    fig, (top, bottom) = style.figure(height=3.6, nrows=2, sharex=True)
    _draw(top, over_seeds(frame, "total_loss"), 1)
    _draw(bottom, over_seeds(frame, "score"), scale)
    top.set_ylabel("training loss")
    bottom.set_ylabel(f"{select_on} {title}")
    bottom.set_xlabel("epoch")
    bottom.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = top.get_legend_handles_labels()
    style.legend_above(fig, handles, labels)
    if note or remarks:
        style.footnote(fig, note, remarks)
    return fig


def _draw(axes, summary, scale):
    runs = summary["run"].nunique()
    for index, (run, part) in enumerate(summary.groupby("run", sort=False)):
        look = style.series(index)
        mean, deviation = part["mean"] * scale, part["std"] * scale
        every = max(1, len(part) // MARKERS_PER_LINE)
        marked = (index * every // runs, every)  # apart from the other runs' markers
        width = {"linewidth": 0.8} if every > 1 else {}
        axes.plot(part["epoch"], mean, label=run, markevery=marked, **width, **look)
        if deviation.any():
            axes.fill_between(
                part["epoch"],
                mean - deviation,
                mean + deviation,
                color=look["color"],
                alpha=style.BAND_ALPHA,
                linewidth=0,
            )
