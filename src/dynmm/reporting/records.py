"""Reading the `metrics.json` files that tables and figures are made of."""

import math
from pathlib import Path

from dynmm.budget_records import with_budgets
from dynmm.errors import InputError
from dynmm.stored_records import METRICS, read_record


def read_records(paths):
    """The metrics files as dicts, each with its path under the key `file`.

    A gate that was set to budgets gives a record for each too, see `budget_records`.

    Args:
        paths: metrics files, one per run and seed (docs/architecture.md names their keys).

    Raises:
        InputError: no file, a file of another form (a key missing, a score outside its range), or
            two files of different presets, tasks or data: they do not belong into one table.
    """
    stored = [read_record(path, METRICS) | {"file": Path(path)} for path in paths]
    records = [record for one in stored for record in with_budgets(one)]
    if not records:
        raise InputError("no metrics files", expected="one per run and seed")
    for key in ("preset", "task", "content"):
        values = {record[key]: record["file"] for record in records}
        if len(values) > 1:
            (first, _), (second, file) = list(values.items())[:2]
            raise InputError(
                "metrics files that do not belong together",
                file=file,
                key=key,
                found=second,
                expected=first,
            )
    return records


def by_run(records):
    """Run name -> its records sorted by seed, runs in the order of their first record.

    Raises:
        InputError: a seed comes twice in one run.
    """
    runs = {}
    for record in records:
        runs.setdefault(record["run"], []).append(record)
    for run, members in runs.items():
        members.sort(key=lambda record: record["seed"])
        seeds = [record["seed"] for record in members]
        if len(set(seeds)) < len(seeds):
            raise InputError(
                f"two metrics files of run {run!r} and one seed",
                file=members[-1]["file"],
                key="seed",
                found=seeds,
                fix="Give each metrics file once.",
            )
    return runs


def number(record, key):
    """The finite number under a dotted key of a record, such as "madds.complete.total".

    Raises:
        InputError: the key is missing or holds no finite number.
    """
    value = record
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(
            "a metrics file lacks a number",
            file=record["file"],
            key=key,
            found=value,
            expected="a finite number",
            fix="Evaluate the run again.",
        )
    return float(value)
