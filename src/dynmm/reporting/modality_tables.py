"""Tables 1 and 2: experts and dynamic models on MM-IMDB and CMU-MOSEI."""

import statistics
from dataclasses import replace

from dynmm.configuration.grid import BUDGET, GATE, HARD, INFERENCE, KEYS
from dynmm.errors import InputError
from dynmm.reporting import headings
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.grid_points import (
    choose_point,
    default_point,
    fitting_points,
    share,
    split_records,
    sweeps,
)
from dynmm.reporting.paper import is_paper_data, published_values
from dynmm.reporting.records import number
from dynmm.reporting.routing import gain_metric, gain_p, with_gains
from dynmm.reporting.tables import Metric, Row, build_table
from dynmm.vocabulary import MADDS_CONVENTIONS

SCORES = {"table1": ("micro_f1", "macro_f1"), "table2": ("acc2", "mae")}
MORE_SCORES = {"table1": (), "table2": ("acc2_nonzero", "pearson_r")}
MORE_MADDS = {  # CSV column -> convention
    "table1": {"madds_m_per_module": "per_module"},
    "table2": {
        "madds_m_per_module": "per_module",
        "madds_m_true_lengths": "true_lengths.complete",
        "madds_m_true_lengths_per_module": "true_lengths.per_module",
    },
}
MADDS, MADDS_BY_MODULE = "madds_m", "madds_m_per_module"
PARTING = 0.05  # from this part of the smaller on, the two counts stand side by side in print
PAPER_DECIMALS = {"mae": 2}
EXTRA_COLUMNS = {"lambda": "λ", "tau": "τ"}


def build_modality_table(name, paper, records, config, routing=None):
    """Table 1 or 2 from the metrics of the experts and of every grid point.

    Multiply-adds are the complete count, on MOSEI at length 50 as published; columns with
    `_per_module` hold the authors' way of counting, those with `_true_lengths` (MOSEI) means over
    the sentences' own lengths. Where the two ways part by more than 5 % in a row (attention, the
    tensor products of LRTF and MI-Matrix: modules do not call them), the printed forms show both,
    and the published values beside the authors' way, in which they were counted.
    Each DynMM row takes the grid point that config names, by default the one with a hard gate whose
    share of E2, mean over seeds, is nearest to the share derived from the paper's multiply-adds
    (`derived_shares` of the paper's data file); the row with soft gates takes the soft point with
    lambda 0.

    Args:
        name: "table1" or "table2".
        paper: what `paper.read_paper` returned.
        records: what `records.read_records` returned, of the table's task.
        config: `points` (optional): row key -> settings or `{share: s}`, see
            `grid_points.choose_point`; `paper_data` (optional): whether the data is the paper's;
            `partial` (optional): what lacks, see `gaps.Gaps`.
        routing: what `routing.read_routing` returned, for a column "gain over random".

    Returns:
        `tables.Table`: the paper's experts, further experts, the paper's DynMM rows, gates with a
        name. `epochs_total` counts the epochs of training that went into a model, of its experts
        and their folds too. Beside the metrics: the share of the last expert (`e2_share_pct` with
        two), the settings of the point, the share that the row asked for (`share_wanted`, a
        fraction), and of a gate at a budget what it costs on the validation and on the test split,
        in the budget's unit. Where results lack, a row for which there is none says so.

    Raises:
        InputError: records of another task, a row that no point or several points fit, an unknown
            row, or a number missing.
    """
    block, gaps = paper[name], Gaps.of(config)
    experts, points = split_records(with_gains(records, routing), block["task"])
    wanted = _wanted(paper, block, points, config.get("points", {}), gaps)
    static = [row for row in block["rows"] if not _is_dynamic(row)]
    published = {row["key"] for row in static}
    rows = [_expert_row(row, experts.get(row["key"], []), gaps) for row in static]
    for expert in dict.fromkeys([*experts, *gaps.missing]):
        if expert not in published:
            members = experts.get(expert, [{}])
            method = headings.expert_title(
                expert, members[0].get("model"), members[0].get("width", 1)
            )
            title = {"key": expert, "method": method}
            rows.append(_expert_row(title, experts.get(expert, []), gaps))
    dynamic = [row for row in block["rows"] if _is_dynamic(row)]
    rows += [_dynamic_row(row, points, wanted.get(row["key"]), gaps) for row in dynamic]
    named = [point for family in sweeps(points) for point in family if _is_named(point)]
    rows += [_gate_row(point, gaps) for point in named]
    further = dict(MORE_MADDS[name])
    counts, counted = [_millions(MADDS, "complete")], "complete MAdds count"
    if any(_counts_part(record) for row in rows for record in row.records):
        counts = [
            _millions(MADDS, "complete", compared=False),
            _millions(MADDS_BY_MODULE, further.pop(MADDS_BY_MODULE), "MAdds, authors' count (M)"),
        ]
        counted = "MAdds: complete, and by called modules as the authors count"
        rows = [_published_by_module(row) for row in rows]
    return build_table(
        rows,
        [
            *map(_score, SCORES[name]),
            *counts,
            *map(_score, MORE_SCORES[name]),
            _share_metric(points),
            *([gain_metric(routing)] if routing else []),
            Metric("epochs_total", "epochs in all", 0, "epochs.in_all", compared=False),
        ],
        caption=f"Table {name.removeprefix('table')}. {block['caption']} ({counted})",
        paper_name=paper["data_sets"][block["task"]]["name"],
        is_paper_data=is_paper_data(
            paper, block["task"], records[0]["content"], config.get("paper_data")
        ),
        further=[*(_millions(*column) for column in further.items()), _seconds()],
        extra_columns=EXTRA_COLUMNS,
        gaps=gaps,
    )


def _wanted(paper, block, points, named, gaps):
    """Row key -> what it asks for.

    A row that config names must have its point; where the grid has no point of a default row's
    kind (such as soft gates), and none lacks, that row shows the paper's values alone.
    """
    keys = [row["key"] for row in block["rows"] if _is_dynamic(row)]
    unknown = [row for row in named if row not in keys]
    if unknown:
        raise InputError(
            "unknown row", key=f"points.{unknown[0]}", found=unknown[0], expected=", ".join(keys)
        )
    defaults = {key: default_point(paper, block["task"], key) for key in keys}
    possible = {
        key: wanted
        for key, wanted in defaults.items()
        if fitting_points(points, wanted) or wanted.get(INFERENCE, HARD) in gaps.modes
    }
    return possible | dict(named)


def _is_dynamic(row):
    return row["key"].startswith("dynmm")


def _expert_row(row, records, gaps):
    modality = records[0].get("modality", "") if records else row.get("modality", "")
    extra = {"run": row["key"] if records else ""}
    missing = gaps.missing.get(row["key"], 0)
    return Row(row["method"], modality, records, published_values(row), extra, missing)


def _dynamic_row(row, points, wanted, gaps):
    lacks = gaps.seeds if wanted and not fitting_points(points, wanted) else 0
    if wanted is None or lacks:
        nothing = {"run": "", **dict.fromkeys(KEYS)}
        paper = published_values(row)
        return Row(row["method"], row["modality"], (), paper, nothing, lacks)
    point = choose_point(points, wanted, row["key"])
    extra = _settings_of(point) | {"share_wanted": wanted.get("share")}
    modality = point.records[0].get("modality", row["modality"])
    method = _at_budget(row["method"], point)
    missing = gaps.seeds and gaps.seeds - len(point.records)
    return Row(method, modality, point.records, published_values(row), extra, missing)


def _gate_row(point, gaps):
    """A gate with a name, as it was trained or at a budget: a row of ours."""
    modality = point.records[0].get("modality", "")
    method, missing = _at_budget(point.title, point), gaps.seeds and gaps.seeds - len(point.records)
    return Row(method, modality, point.records, {}, _settings_of(point), missing)


def _at_budget(title, point):
    return f"{title}, {point.settings[BUDGET]}" if BUDGET in point.settings else title


def _is_named(point):
    return GATE in point.settings


def _settings_of(point):
    asked = [record["budget"] for record in point.records if "budget" in record]
    return {
        "run": "dynmm",
        **{name: point.settings[name] for name in KEYS},
        "experts": ", ".join(point.experts),
        "gate": point.settings.get(GATE),
        "budget": point.settings.get(BUDGET),
        "budget_on_validation": statistics.fmean(b["on_validation"] for b in asked)
        if asked
        else None,
        "budget_on_test": statistics.fmean(b["on_test"] for b in asked) if asked else None,
        **gain_p(point.records),
    }


def _score(name):
    title = headings.score(name)

    def value(record):
        """None where the score is not defined, as the correlation with constant predictions."""
        undefined = name in record["metrics"] and record["metrics"][name] is None
        return None if undefined else number(record, f"metrics.{name}")

    return Metric(
        name,
        title.heading,
        title.decimals,
        value,
        scale=title.scale,
        paper_decimals=PAPER_DECIMALS.get(name),
    )


def _millions(name, convention, heading="MAdds (M)", compared=True):
    key = f"madds.{convention}.total"
    scale = headings.MEGA
    return Metric(name, heading, 2, key, scale=scale, paper_decimals=1, compared=compared)


def _counts_part(record):
    smaller, larger = sorted(number(record, f"madds.{way}.total") for way in MADDS_CONVENTIONS)
    return larger > (1 + PARTING) * smaller


def _published_by_module(row):
    """The row with its published count as one of the authors' way too, which it is."""
    if MADDS not in row.paper:
        return row
    return replace(row, paper={**row.paper, MADDS_BY_MODULE: row.paper[MADDS]})


def _seconds():
    def measured(record):
        return 1000 * number(record, "seconds_per_sample")

    return Metric("seconds_per_1000_samples", "", 3, measured)


def _share_metric(points):
    """The share of the last expert under the gate (E2 in the paper), for dynamic models alone."""
    last = len(points[0].experts) if points else 2

    def value(record):
        shares = record.get("expert_shares")
        return share(record, list(shares)[-1]) if shares else None

    return Metric(f"e{last}_share_pct", f"samples to E{last} (%)", 1, value, scale=100)
