"""Tables 3 and 4: mIoU and multiply-adds of the segmentation networks on NYU Depth V2."""

import statistics

from dynmm.errors import InputError
from dynmm.reporting import headings
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.paper import is_paper_data, published_values
from dynmm.reporting.records import by_run, number
from dynmm.reporting.routing import gain_metric, gain_p, with_gains
from dynmm.reporting.tables import Metric, Row, build_table
from dynmm.vocabulary import NYUV2

RGB_ROW = {"key": "rgb", "method": "RGB only", "modality": "RGB"}
STATIC = "esanet"
MODALITIES = {"rgb": "RGB", "depth": "depth"}  # of networks with one encoder


def build_segmentation_table(name, paper, records, config, routing=None):
    """Table 3 or 4 from the metrics of the trained (and released) networks.

    Multiply-adds are the complete count; columns with `_per_module` hold the other convention.

    Args:
        name: "table3" or "table4".
        paper: what `paper.read_paper` returned.
        records: what `records.read_records` returned, of task "nyuv2".
        config: `runs` (optional): run name -> key or method of a row, or a title of its own;
            `paper_data` (optional): whether the data is the paper's; else its name decides;
            `partial` (optional): what lacks, see `gaps.Gaps`.
        routing: what `routing.read_routing` returned, for a column "gain over random".

    Returns:
        `tables.Table`: RGB only first, then the paper's rows, then runs with a title of their own
        (such as released weights). Where results lack, a row for which there is none says so.

    Raises:
        InputError: records of another task, two runs for one row, or a number missing.
    """
    for record in records:
        if record["task"] != NYUV2:
            raise InputError(
                "metrics of another task",
                file=record["file"],
                key="task",
                found=record["task"],
                expected=NYUV2,
            )
    gaps, titles = Gaps.of(config), config.get("runs", {})
    runs = by_run(with_gains(records, routing))
    runs = _by_row(paper, runs | {run: () for run in gaps.missing if run not in runs}, titles)
    missing = _by_row(paper, gaps.missing, titles)
    builder = {"table3": _table3, "table4": _table4}[name]
    metrics, further = builder(runs.get(STATIC))
    metrics += [gain_metric(routing)] if routing else []
    block = paper[name]
    return build_table(
        _rows(name, paper, runs, missing),
        metrics,
        caption=f"Table {name.removeprefix('table')}. {block['caption']} (complete MAdds count)",
        paper_name=paper["data_sets"][NYUV2]["name"],
        is_paper_data=is_paper_data(paper, NYUV2, records[0]["content"], config.get("paper_data")),
        further=further,
        gaps=gaps,
    )


def _table3(static):
    metrics = [
        _miou(),
        _giga("depth_madds_g", "depth encoder MAdds (G)", "madds.complete.depth_encoder"),
        _reduction("reduction_pct", static, "madds.complete.depth_encoder"),
        _epochs(),
    ]
    further = [
        _miou_present(),
        _giga("depth_madds_g_per_module", "", "madds.per_module.depth_encoder"),
        _reduction("reduction_pct_per_module", static, "madds.per_module.depth_encoder"),
    ]
    return metrics, further


def _table4(static):
    metrics = [_miou(), _giga("madds_g", "MAdds (G)", "madds.complete.total")]
    return metrics, [_miou_present(), _giga("madds_g_per_module", "", "madds.per_module.total")]


def _reduction(name, static, key):
    """Saved share of the static network's count; nothing where no static run was evaluated."""
    whole = statistics.fmean(number(r, key) for r in static) if static else 0.0

    def saved(record):
        return 100 * (1 - number(record, key) / whole) if whole else None

    return Metric(name, "MAdds reduction (%)", 1, saved)


def _epochs():
    """Of a run and those it starts from; nothing for released weights. The paper prints none."""
    return Metric(
        "epochs_total",
        "epochs in all",
        0,
        lambda record: record.get("epochs_total"),
        compared=False,
    )


def _miou():
    return Metric("miou", "mIoU (%)", 1, "metrics.miou", scale=100)


def _miou_present():
    """The mean over the classes that occur; the authors' rule counts absent ones as 0."""
    return Metric("miou_present", "mIoU, classes present (%)", 1, "metrics.miou_present", scale=100)


def _giga(name, heading, key):
    return Metric(name, heading, 2, key, scale=headings.GIGA, paper_decimals=1)


def _by_row(paper, runs, wanted):
    """Row key (or a title of its own) -> what a run has; its own name is its key by default."""
    names = {RGB_ROW["method"]: RGB_ROW["key"]}
    for table in ("table3", "table4"):
        names |= {row["method"]: row["key"] for row in paper[table]["rows"]}
    result = {}
    for run, value in runs.items():
        row = wanted.get(run, run)
        key = names.get(row, row)
        if key in result:
            raise InputError(
                "two runs for one row of the table",
                key=f"runs.{run}",
                found=row,
                fix="Give one of them a title of its own.",
            )
        result[key] = value
    return result


def _rows(name, paper, runs, missing):
    block = paper[name]["rows"]
    first = [row for row in block if row["key"] not in _keys(paper, "table3")]
    ours = [row for row in block if row not in first]
    ours = [*([RGB_ROW] if "rgb" in runs else []), *ours]
    known = {"rgb"} | _keys(paper, "table3") | _keys(paper, "table4")
    own = [title for title in runs if title not in known]
    own = [{"method": title, "key": title, "modality": "RGB-D"} for title in own]
    return [_row(row, runs, missing.get(row["key"], 0)) for row in [*first, *ours, *own]]


def _row(row, runs, missing):
    records = runs.get(row["key"], ())
    run = records[0]["run"] if records else ""
    extra = {"run": run, **gain_p(records), **_budget(records)}
    model = records[0].get("model") if records else None
    modality = MODALITIES.get(model, row["modality"])
    return Row(row["method"], modality, records, published_values(row), extra, missing)


def _budget(records):
    """Asked and reached cost of a run with a budget set after training, means over seeds."""
    if not records or "budget" not in records[0]:
        return {}
    budgets = [record["budget"] for record in records]
    return {
        "budget_unit": budgets[0]["unit"],
        "budget_asked": budgets[0]["asked"],
        "budget_on_validation": statistics.fmean(b["on_validation"] for b in budgets),
        "budget_on_test": statistics.fmean(b["on_test"] for b in budgets),
    }


def _keys(paper, table):
    return {row["key"] for row in paper[table]["rows"]}
