"""Frames, ground truth and predictions, clean and noisy (figure 7)."""

import math
import textwrap

import numpy as np
from matplotlib.patches import Patch

from dynmm.errors import InputError
from dynmm.files import AGAIN
from dynmm.reporting import style
from dynmm.reporting.class_colours import class_colours
from dynmm.stored_arrays import INTEGERS, NUMBERS, TEXTS, Form, read_arrays

PICTURES = "frames rows height width"
FORMS = {
    "frame": Form("frames", INTEGERS, low=1),
    "row": Form("rows", TEXTS),
    "rgb": Form(f"{PICTURES} channels", INTEGERS),
    "depth": Form(PICTURES),
    "label": Form("frames label_height label_width", INTEGERS, low=0),
    "prediction": Form("frames rows networks label_height label_width", INTEGERS, low=0),
    "accuracy": Form("frames rows networks", low=0, high=1, undefined=True),  # of no labelled pixel
    "path": Form("frames rows", INTEGERS, low=0),
    "class_name": Form("classes", TEXTS),
    "level": Form("", NUMBERS, low=0),
}
SIZES = {"channels": 3, "networks": 2}
COLUMNS = 5
LEGEND_COLUMNS = 4
TOP, LEFT, GAP = 0.15, 0.25, 0.02  # inches
LEGEND_LINE, NOTE_LINE = 0.105, 0.2
DEPTH_RANGE = (1, 99)  # percentiles of the clean depth that black and white stand for


def read_frames(path):
    """The arrays that `predict_frames` stored.

    Raises:
        InputError: the file is unreadable, lacks an array, or one is of another form.
    """
    arrays = read_arrays(path, FORMS, sizes=SIZES)
    largest = max(arrays[name].max(initial=0) for name in ("label", "prediction"))
    if largest > len(arrays["class_name"]):
        raise InputError(
            "predicted frames with a class that has no name",
            file=path,
            found=largest,
            expected=f"0 to {len(arrays['class_name'])}",
            fix=AGAIN,
        )
    return arrays


def frame_figure(arrays, *, names, notes):
    """A row for each frame and kind of noise; columns RGB, depth, truth and both predictions.

    Args:
        arrays: what `read_frames` returned.
        names: printed names of the static and the dynamic network.
        notes: lines under the figure.

    Returns:
        The matplotlib figure, one column wide.
    """
    frames, rows = arrays["path"].shape
    colours = class_colours(len(arrays["class_name"]))
    shown = _classes(arrays)
    fig, axes = _grid(arrays, frames * rows, len(shown), len(notes))
    for frame in range(frames):
        limits = np.percentile(arrays["depth"][frame, 0], DEPTH_RANGE)
        for row in range(rows):
            _draw_row(axes[frame * rows + row], arrays, frame, row, limits, colours)
    for panel, title in zip(axes[0], ["RGB", "depth", "truth", *names], strict=True):
        panel.set_title(title, fontsize=7, pad=2)
    fig.legend(
        [Patch(facecolor=colours[c] / 255, edgecolor="#4D4D4D", linewidth=0.4) for c in shown],
        [_class_name(arrays, number) for number in shown],
        loc="upper center",
        bbox_to_anchor=(0.5, axes[-1][0].get_position().y0),
        ncols=LEGEND_COLUMNS,
        fontsize=5.5,
        handlelength=1,
        handleheight=0.9,
        columnspacing=0.8,
        labelspacing=0.25,
    )
    style.footnote(fig, "\n".join(notes))
    return fig


def _grid(arrays, rows, classes, notes):
    """Panels placed by hand: constrained layout leaves gaps between images of one shape."""
    height, width = arrays["label"].shape[1:]
    image = (style.COLUMN_WIDTH - LEFT) / COLUMNS - GAP
    step = image * height / width + GAP
    below = LEGEND_LINE * math.ceil(classes / LEGEND_COLUMNS) + NOTE_LINE * notes + 0.1
    total = TOP + rows * step + below
    fig, axes = style.figure(height=total, nrows=rows, ncols=COLUMNS, squeeze=False)
    fig.set_layout_engine("none")
    for row, panels in enumerate(axes):
        for column, panel in enumerate(panels):
            left = LEFT + column * (image + GAP)
            low = total - TOP - (row + 1) * step + GAP
            size = (image / style.COLUMN_WIDTH, (step - GAP) / total)
            panel.set_position((left / style.COLUMN_WIDTH, low / total, *size))
            panel.set(xticks=[], yticks=[])
            panel.grid(False)
            panel.spines[:].set_visible(False)
    return fig, axes


def _draw_row(panels, arrays, frame, row, limits, colours):
    height, width = arrays["label"].shape[1:]
    extent = (0, width, height, 0)  # the networks may see another size than the labels have
    panels[0].imshow(arrays["rgb"][frame, row], extent=extent)
    low, high = limits
    panels[1].imshow(arrays["depth"][frame, row], cmap="gray", vmin=low, vmax=high, extent=extent)
    predictions = arrays["prediction"][frame, row]
    for panel, classes in zip(panels[2:], [arrays["label"][frame], *predictions], strict=True):
        panel.imshow(colours[classes], extent=extent, interpolation="nearest")
    for panel, accuracy in zip(panels[3:], arrays["accuracy"][frame, row], strict=True):
        _write(panel, f"{100 * accuracy:.0f} %", 0.97, 0.05, "right", "bottom")
    _write(panels[-1], _path(arrays["path"][frame, row]), 0.03, 0.95, "left", "top")
    panels[0].set_ylabel(_row_title(arrays, frame, row), fontsize=5.5, labelpad=2)


def _classes(arrays):
    """Classes to be seen in the truth or a prediction, void first, by number."""
    return np.unique(np.concatenate([arrays["label"].ravel(), arrays["prediction"].ravel()]))


def _class_name(arrays, number):
    name = "no label" if number == 0 else str(arrays["class_name"][number - 1])
    return textwrap.shorten(name, 18, placeholder="…")


def _row_title(arrays, frame, row):
    name = str(arrays["row"][row])
    if row == 0:
        return f"{name}\nframe {arrays['frame'][frame]}"
    return f"noisy\n{'RGB' if name == 'rgb' else name}"


def _path(path):
    return f"{path} cell" + ("" if path == 1 else "s")


def _write(panel, text, x, y, side, edge):
    """Small text in a corner, legible on any colour."""
    panel.text(
        x,
        y,
        text,
        transform=panel.transAxes,
        ha=side,
        va=edge,
        fontsize=5,
        color="black",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )
