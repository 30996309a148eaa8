"""The sentences of one review as a picture, coloured by the path that each took (figure 5)."""

from matplotlib import colors
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from dynmm.reporting import style

POINT = 1 / 72  # inch
SIZE, SMALL = 6.5, 6.0  # points
LINE = 1.25  # line height, in font sizes
PAD, GAP = 0.045, 0.045  # inches: inside a box, between boxes
TEXT_LEFT, TRUE_RIGHT, PREDICTED_RIGHT = 0.24, 0.56, 0.07  # from the left edge; from the right edge
MINUS = "\N{MINUS SIGN}"


def sentences_figure(sentences, titles, heading, notes=()):
    """A box for each sentence with its words, its true and its predicted score.

    The path is told by colour, by the mark at the left and by the line around the box.

    Args:
        sentences: `sentences.Sentence`s from first to last; without words the id stands.
        titles: what the legend says of each expert, in the order of the gate.
        heading: a line on top.
        notes: lines at the foot.

    Returns:
        The matplotlib figure, one column wide and as high as its text.
    """
    width = style.COLUMN_WIDTH
    text_width = width - TEXT_LEFT - TRUE_RIGHT - 0.32
    rows = [wrapped(sentence.words or sentence.id, text_width, SIZE) for sentence in sentences]
    foot = [line for note in notes for line in wrapped(note, width - 0.05, SMALL)]
    legend = [wrapped(title, width - TEXT_LEFT, SIZE) for title in titles]
    heights = [_height(lines, SIZE) + 2 * PAD for lines in rows]
    legend_height = sum(_height(lines, SIZE) for lines in legend)
    total = 0.2 + legend_height + 0.2 + sum(heights) + GAP * len(rows) + 0.06
    fig, axes = style.figure(width, total + _height(foot, SMALL) + 0.03)
    fig.set_layout_engine("none")
    axes.set_position([0, 0, 1, 1])
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(fig.get_size_inches()[1], 0)  # inches from the top
    _write(axes, 0.03, 0.04, [heading], SIZE + 1, weight="bold")
    top = 0.2
    for place, lines in enumerate(legend):
        _mark(axes, top + 0.5 * LINE * SIZE * POINT, place)
        _write(axes, TEXT_LEFT, top, lines, SIZE)
        top += _height(lines, SIZE)
    for right, word in ((TRUE_RIGHT, "true"), (PREDICTED_RIGHT, "predicted")):
        _write(axes, width - right, top + 0.06, [word] if sentences else [], SMALL, ha="right")
    top += 0.2
    for sentence, lines, height in zip(sentences, rows, heights, strict=True):
        _box(axes, top, width, height, sentence.expert)
        _mark(axes, top + height / 2, sentence.expert)
        italic = "normal" if sentence.words else "italic"
        _write(axes, TEXT_LEFT, top + PAD, lines, SIZE, style=italic)
        middle = top + height / 2 - 0.5 * LINE * SIZE * POINT
        for right, score in ((TRUE_RIGHT, sentence.true), (PREDICTED_RIGHT, sentence.predicted)):
            _write(axes, width - right, middle, [_signed(score)], SIZE, ha="right")
        top += height + GAP
    _write(axes, 0.03, top + 0.03, foot, SMALL, color="#444444")
    return fig


def wrapped(text, width, size):
    """The text in lines no wider than `width` inches at `size` points, broken between words."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and _width(longer, size) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line] if line else lines


def _width(text, size):
    font = FontProperties(family=style.SETTINGS["font.family"], size=size)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] * POINT


def _height(lines, size):
    return len(lines) * LINE * size * POINT


def _write(axes, x, top, lines, size, **look):
    """Lines of text from `top` down, exactly as they are (a dollar sign starts no formula)."""
    for place, line in enumerate(lines):
        y = top + ((place + 0.5) * LINE - 0.5) * size * POINT
        axes.text(x, y, line, fontsize=size, va="top", parse_math=False, **look)


def _mark(axes, y, expert):
    look = style.series(expert) | {"linestyle": "none", "markersize": 4.5}
    axes.plot([0.12], [y], **look)


def _box(axes, top, width, height, expert):
    look = style.series(expert)
    axes.add_patch(
        Rectangle(
            (0.02, top),
            width - 0.04,
            height,
            facecolor=colors.to_rgba(look["color"], style.BAND_ALPHA if expert else 0.04),
            edgecolor=look["color"],
            linestyle=look["linestyle"],
            linewidth=0.8,
        )
    )


def _signed(score):
    return f"{score:+.1f}".replace("-", MINUS)
