"""Tables of our runs beside the paper's rows: tidy, one row a method."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dynmm.errors import InputError
from dynmm.files import atomic_path
from dynmm.reporting.gaps import NO_GAPS
from dynmm.reporting.records import number
from dynmm.reporting.rendering import markdown, tex

SAME_DATA, OTHER_DATA = "same data set", "another data set"


@dataclass(frozen=True)
class Metric:
    """One measured quantity of a table.

    Attributes:
        name: column name, such as "miou".
        heading: printed heading with its unit, such as "mIoU (%)".
        decimals: decimals in print; the CSV keeps six significant digits.
        source: dotted key of metrics.json, or a function of a record that gives the number
            (None where the record has no such quantity).
        paper_decimals: decimals that the paper prints, where they are others.
        scale: factor from the stored unit to the table's (100 from a fraction to per cent).
        compared: whether print shows the published value beside it, as the CSV always does.
        p_column: extra column of the rows with a p: print marks values below `SIGNIFICANT`.
    """

    name: str
    heading: str
    decimals: int
    source: str | Callable[[Mapping], float | None]
    scale: float = 1.0
    paper_decimals: int | None = None
    compared: bool = True
    p_column: str | None = None

    def of(self, record):
        """The value in the table's unit, or None.

        Raises:
            InputError: the metrics file lacks the number.
        """
        value = self.source(record) if callable(self.source) else number(record, self.source)
        return None if value is None else value * self.scale


@dataclass(frozen=True)
class Row:
    """One method: its records (one a seed, none for a row of the paper alone).

    Attributes:
        method: printed name.
        modality: what goes in, such as "RGB-D".
        records: what `records.read_records` gave, of one run or grid point.
        paper: metric name -> published value, in the table's unit.
        extra: further columns, such as {"run": "dynmm_a", "lambda": "1e-3"}.
        missing: how many of its seeds lack, in a table of what is there.
    """

    method: str
    modality: str
    records: Sequence[Mapping] = ()
    paper: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)
    missing: int = 0


@dataclass(frozen=True)
class Table:
    """A built table: the frame of the CSV and what its renderings say besides.

    Attributes:
        frame: columns `method`, `modality`; per metric NAME, NAME_std, NAME_paper and
            NAME_difference; `preset`, `seeds`, `select_on`, `content`, `paper_data`; per further
            metric NAME and NAME_std; the rows' extra columns; in a table of what is there
            `seeds_missing` and `partial`, its remark.
        metrics: the metrics shown in print, in order.
        extra_columns: extra columns that print shows after the metrics: name -> heading.
        caption: title in print.
        paper_name: the data set of the paper.
        is_paper_data: whether ours is that data set.
        remark: how complete it is; empty where it has to be complete.
    """

    frame: pd.DataFrame
    metrics: Sequence[Metric]
    extra_columns: Mapping[str, str]
    caption: str
    paper_name: str
    is_paper_data: bool
    remark: str = ""


def build_table(
    rows,
    metrics,
    *,
    caption,
    paper_name,
    is_paper_data,
    further=(),
    extra_columns=None,
    gaps=NO_GAPS,
):
    """Means and sample deviations over seeds beside the published values.

    Args:
        rows: `Row`s in the order of print; at least one has records.
        metrics: `Metric`s of the table proper, with columns for the paper's values.
        caption: title of the printed forms.
        paper_name: name of the paper's data set, for the heading over its values.
        is_paper_data: False where our data is another: then no difference is given.
        further: `Metric`s that the CSV has in addition, of our runs only.
        extra_columns: keys of `Row.extra` that the printed forms show too, each with its heading.
        gaps: `Gaps` of a table of what is there.

    Returns:
        `Table`. A deviation over one seed, and whatever a row does not have, is missing (empty).

    Raises:
        InputError: no row has records, or a record lacks a number.
    """
    ours = [record for row in rows for record in row.records]
    if not ours:
        raise InputError("no run for any row of the table", expected="metrics of at least one run")
    lines = []
    for row in rows:
        lacks = row.missing and not row.records
        method = f"{row.method} (lacking)" if lacks else row.method
        line = {"method": method, "modality": row.modality}
        for metric in metrics:
            mean, deviation = _statistics(metric, row.records)
            published = row.paper.get(metric.name)
            comparable = is_paper_data and mean is not None and published is not None
            line[metric.name] = mean
            line[f"{metric.name}_std"] = deviation
            line[f"{metric.name}_paper"] = published
            line[f"{metric.name}_difference"] = mean - published if comparable else None
        line["preset"] = ours[0]["preset"]
        line["seeds"] = len(row.records)
        line["select_on"] = "; ".join(sorted({str(r["select_on"]) for r in row.records}))
        line["content"] = ours[0]["content"] if row.records else ""
        line["paper_data"] = SAME_DATA if is_paper_data else OTHER_DATA
        for metric in further:
            line[metric.name], line[f"{metric.name}_std"] = _statistics(metric, row.records)
        partial = {"seeds_missing": row.missing} if gaps.remark else {}
        lines.append(line | dict(row.extra) | partial)
    frame = gaps.marked(pd.DataFrame(lines))
    return Table(
        frame, metrics, extra_columns or {}, caption, paper_name, is_paper_data, gaps.remark
    )


def write_table(table, csv_path, md_path, tex_path):
    """Write the table as CSV, Markdown and LaTeX (booktabs); each file appears whole or not."""
    with (
        atomic_path(csv_path) as csv_file,
        atomic_path(md_path) as md_file,
        atomic_path(tex_path) as tex_file,
    ):
        table.frame.to_csv(csv_file, index=False, float_format="%.6g", lineterminator="\n")
        md_file.write_text(markdown(table), encoding="utf-8")
        tex_file.write_text(tex(table), encoding="utf-8")


def _statistics(metric, records):
    """Mean and sample deviation over the records, None where there is none."""
    values = [value for record in records if (value := metric.of(record)) is not None]
    if not values:
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
