"""Markdown and LaTeX forms of a `dynmm.reporting.tables.Table`."""

import itertools
from typing import NamedTuple

import pandas as pd
from tabulate import tabulate

from dynmm.reporting.headings import TIMES

SIGNIFICANT, MARK = 0.05, "*"  # p below which a value is marked
LABELS = ("Method", "Modality")
MINUS, PLUS_MINUS = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}"
TEX_MARKS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "$": r"\$",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        MINUS: "$-$",
        PLUS_MINUS: r"$\pm$",
        TIMES: r"$\times$",
        "λ": r"$\lambda$",
        "τ": r"$\tau$",
    }
)


class Column(NamedTuple):
    """A printed column: the group it stands under ("" for none), its heading and its cells."""

    group: str
    heading: str
    cells: list[str]


def markdown(table):
    """Ours, the paper's values and the differences side by side.

    Where our data is not the paper's, the paper's values follow in a table of their own, under a
    heading that says so.
    """
    parts = [f"# {table.caption}", *([f"**{table.remark}**"] if table.remark else [])]
    parts.append(_remarks(table))
    if table.is_paper_data:
        parts.append(_pipe_table(_columns(table)))
    else:
        labels, ours, paper = _labels(table), _ours(table), _paper(table)
        parts.append(_pipe_table(_only_filled([*labels, *ours], ours)))
        parts.append(f"## {paper[0].group}")
        parts.append(_pipe_table(_only_filled([*labels, *paper], paper)))
    return "\n\n".join(parts) + "\n"


def tex(table):
    """A `table` environment for the booktabs package, with groups of columns in its head.

    Where our data is not the paper's, the paper's columns stand last in a group of their own.
    """
    columns = _columns(table)
    words = [f"{table.caption}.", *([table.remark] if table.remark else []), _remarks(table)]
    caption = " ".join(words).translate(TEX_MARKS).replace("`", "")
    body = [" & ".join(cell.translate(TEX_MARKS) for cell in line) for line in _lines(columns)]
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{{''.join('l' if _is_label(c) else 'r' for c in columns)}}}",
        r"\toprule",
        *_tex_groups(columns),
        " & ".join(column.heading.translate(TEX_MARKS) for column in columns) + r" \\",
        r"\midrule",
        *(f"{line} \\\\" for line in body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _columns(table):
    if not table.is_paper_data:
        return [*_labels(table), *_ours(table), *_paper(table)]
    beside = []
    for metric in table.metrics:
        beside.append(Column(metric.heading, "ours", _means(table, metric)))
        if _is_compared(table, metric):
            difference = table.frame[f"{metric.name}_difference"]
            beside.append(Column(metric.heading, "paper", _published(table, metric)))
            signed = _numbers(difference, metric.decimals, sign="+")
            beside.append(Column(metric.heading, "difference", signed))
    return [*_labels(table), *beside, *_extra(table, group="")]


def _labels(table):
    return [Column("", label, [str(v) for v in table.frame[label.lower()]]) for label in LABELS]


def _ours(table):
    group = "This project"
    metrics = [Column(group, m.heading, _means(table, m)) for m in table.metrics]
    return [*metrics, *_extra(table, group)]


def _paper(table):
    group = f"Published values, of another data set: {table.paper_name}"
    return [
        Column(group, m.heading, _published(table, m))
        for m in table.metrics
        if _is_compared(table, m)
    ]


def _is_compared(table, metric):
    return metric.compared and table.frame[f"{metric.name}_paper"].notna().any()


def _extra(table, group):
    columns = [
        Column(group, heading, ["" if pd.isna(v) else str(v) for v in table.frame[name]])
        for name, heading in table.extra_columns.items()
    ]
    return [*columns, Column(group, "seeds", _seeds(table.frame))]


def _seeds(frame):
    missing = frame.get("seeds_missing", 0 * frame["seeds"])
    return [
        f"{n} of {n + lacking}" if lacking else str(n or "")
        for n, lacking in zip(frame["seeds"], missing, strict=True)
    ]


def _means(table, metric):
    means = _numbers(table.frame[metric.name], metric.decimals)
    deviations = _numbers(table.frame[f"{metric.name}_std"], metric.decimals)
    return [
        (f"{mean} {PLUS_MINUS} {deviation}" if deviation else mean) + mark
        for mean, deviation, mark in zip(means, deviations, _marks(table, metric), strict=True)
    ]


def _marks(table, metric):
    """What follows each value: a mark where its p is small."""
    if metric.p_column not in table.frame:
        return [""] * len(table.frame)
    return [f" {MARK}" if p < SIGNIFICANT else "" for p in table.frame[metric.p_column]]


def _published(table, metric):
    decimals = metric.decimals if metric.paper_decimals is None else metric.paper_decimals
    return _numbers(table.frame[f"{metric.name}_paper"], decimals)


def _numbers(values, decimals, sign=""):
    return [
        "" if pd.isna(value) else f"{value:{sign}.{decimals}f}".replace("-", MINUS)
        for value in values
    ]


def _remarks(table):
    frame = table.frame[table.frame["seeds"] > 0]
    selected = ", ".join(dict.fromkeys(frame["select_on"]))
    return (
        f"Preset `{frame['preset'].iloc[0]}`; data: {frame['content'].iloc[0]}; "
        f"models selected on: {selected}. Mean {PLUS_MINUS} sample deviation over seeds."
        f"{_meaning_of_marks(table)}"
    )


def _meaning_of_marks(table):
    if not any(metric.p_column in table.frame for metric in table.metrics):
        return ""
    return (
        f" Gain over random: score less that of the gate's choices shuffled among the samples; "
        f"{MARK} p < {SIGNIFICANT}, one-sided, seeds pooled (docs/routing.md)."
    )


def _only_filled(columns, decisive):
    """The columns without the rows in which all the decisive columns are empty."""
    keep = [any(cells) for cells in zip(*(c.cells for c in decisive), strict=True)]
    return [c._replace(cells=list(itertools.compress(c.cells, keep))) for c in columns]


def _is_label(column):
    return column.heading in LABELS


def _lines(columns):
    return list(zip(*(column.cells for column in columns), strict=True))


def _pipe_table(columns):
    grouped = len({column.group for column in columns}) > 2
    headings = [f"{c.group}, {c.heading}" if c.group and grouped else c.heading for c in columns]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in _lines(columns)]
    align = ["left" if left else "right" for left in map(_is_label, columns)]
    return tabulate(cells, headings, "pipe", disable_numparse=True, colalign=align)


def _tex_groups(columns):
    """The head line of the groups and the rules under it."""
    cells, rules, start = [], [], 1
    for group, members in itertools.groupby(columns, key=lambda column: column.group):
        width = len(list(members))
        if group:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{group.translate(TEX_MARKS)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        else:
            cells.extend([""] * width)
        start += width
    return [" & ".join(cells) + r" \\", "".join(rules)]
