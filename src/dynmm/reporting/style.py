"""The common look of every figure, and how a figure becomes files.

Line styles, markers and the lightness of the colours differ from series to series, so a figure
can be read in grey. Files hold no dates: the same data gives the same bytes.
"""

import math
import textwrap

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.transforms import ScaledTranslation

from dynmm.files import atomic_path

COLUMN_WIDTH = 3.25  # inches: one column of the paper's format
PNG_DPI = 300
BAND_ALPHA = 0.18

# dark to light and back, so that neighbours differ in grey too (Okabe-Ito, safe for colour-blind)
COLOURS = ["#000000", "#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#7F7F7F"]
LINES = ["-", "--", "-.", (0, (1, 1.2)), (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)), (0, (3, 1)), "-"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
REFERENCE_MARKERS = [">", "<", "p", "h", "d", "+", "8", "4"]  # none of a series
REFERENCE_COLOUR = "#4D4D4D"
REFERENCE_LINE = {"linewidth": 0.8, "linestyle": (0, (4, 2))}  # joins references of one kind
LEGEND_LINE = 0.15  # inches

SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.2,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "text.parse_math": False,  # titles and names are as users give them
    "pdf.fonttype": 42,  # TrueType: text stays text
    "pdf.compression": 6,
    "svg.hashsalt": "dynmm",
}


def figure(width=COLUMN_WIDTH, height=2.4, **subplots):
    """A new figure and its axes in the common style.

    Args:
        width, height: inches.
        **subplots: handed to `matplotlib.pyplot.subplots`, such as nrows or sharex.

    Returns:
        What `subplots` returns: the figure, and one or an array of axes.
    """
    plt.rcdefaults()
    plt.rcParams.update(SETTINGS)
    return plt.subplots(figsize=(width, height), **subplots)


def series(index):
    """Colour, line style and marker of the series number `index` (0, 1, ...), as plot keywords.

    When the colours come round again they have other line styles and markers.
    """
    colour = index % len(COLOURS)
    place = (colour + 3 * (index // len(COLOURS))) % len(COLOURS)
    return {
        "color": COLOURS[colour],
        "linestyle": LINES[place],
        "marker": MARKERS[place],
        "markeredgecolor": "white",
        "markeredgewidth": 0.4,
    }


def reference(index, filled=False):
    """Keywords of a grey mark without a line: something that a series is compared with."""
    return {
        "color": REFERENCE_COLOUR,
        "linestyle": "none",
        "marker": REFERENCE_MARKERS[index % len(REFERENCE_MARKERS)],
        "markerfacecolor": "#A6A6A6" if filled else "white",
        "markeredgewidth": 0.9,
        "markersize": 5.5,
    }


def legend_above(fig, handles, labels):
    """A legend over all axes, in as many columns as its names leave room for.

    The figure grows by what the legend has beyond two lines, so that panels keep their size.
    """
    columns = _legend_columns(fig, labels)
    width, height = fig.get_size_inches()
    more = max(0, math.ceil(len(labels) / columns) - 2)
    fig.set_size_inches(width, height + LEGEND_LINE * more)
    fig.legend(handles, labels, loc="outside upper center", ncols=columns)


def legend_over(axes, handles, labels, lift=0.0):
    """A legend right above one of several axes; the figure grows by its height.

    Args:
        axes: matplotlib axes.
        handles, labels: of the entries.
        lift: inches between the two, such as those of a title of the axes.
    """
    figure = axes.figure
    columns = _legend_columns(figure, labels)
    place = axes.transAxes + ScaledTranslation(0, lift, figure.dpi_scale_trans)
    axes.legend(
        handles,
        labels,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        bbox_transform=place,
        ncols=columns,
    )
    width, height = figure.get_size_inches()
    lines = math.ceil(len(labels) / columns)
    figure.set_size_inches(width, height + lift + LEGEND_LINE * lines)


def footnote(fig, text, remarks=()):
    """Write `text` small under the figure, below everything else; long lines are wrapped.

    Args:
        fig: the figure.
        text: lines.
        remarks: further lines, above those; the figure grows by their height.
    """
    # at this font size a character takes about 0.045 inch, a line 0.1
    width, height = fig.get_size_inches()
    more, lines = (
        [part for line in given for part in textwrap.wrap(line, int(width / 0.045))]
        for given in (remarks, text.splitlines())
    )
    fig.set_size_inches(width, height + 0.1 * len(more))
    fig.supxlabel("\n".join([*more, *lines]), fontsize=6, color="#444444", x=0.01, ha="left")


def save_figure(fig, path_pdf, path_png):
    """Write the figure as PDF and PNG, without dates, each whole or not at all; close it."""
    try:
        with atomic_path(path_pdf) as pdf, atomic_path(path_png) as png:
            empty = {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}
            fig.savefig(pdf, format="pdf", metadata=empty)
            fig.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    finally:
        plt.close(fig)


def _legend_columns(fig, labels):
    longest = max(len(label) for label in labels)
    # at this font size a character takes about 0.06 inch, the line and the gaps about 0.45
    columns = int(fig.get_size_inches()[0] / (0.06 * longest + 0.45))
    return max(1, min(columns, len(labels)))
