"""A plan as a page of text: no more than a screen."""

import re
import shutil
import textwrap
from collections import Counter, defaultdict
from itertools import zip_longest
from statistics import fmean

from dynmm.planning.costs import HOUR, cost_of, least_seconds
from dynmm.planning.disk import GIGA, download_bytes

WIDTH, ROWS = 100, 24  # columns of the page; rows of a table at most
LEFT, RIGHT, GAP = 25, 21, 3  # columns for the names of rules and of reports, and between both
NUMBERS = (6, 9, 9)  # columns of jobs, hours of GPUs and of cores
INDENT = 11
STAR = "*"  # marks hours that are not measured
BOUNDS = {"chain": "jobs wait for others", "cores": "no core idle", "gpus": "no GPU idle"}
SHOWN_SHARE = 0.01  # of the disk, from which a kind of file is named
REASONS = 4  # shown at most
DAYS_FROM = 48  # hours


def page(graph, durations, disk, means):
    """The plan as text.

    Args:
        graph: the `JobGraph`.
        durations: job -> `Duration`.
        disk: the `Disk` that it takes.
        means: the `Means` of the run.
    """
    if not graph.jobs:
        return "Nothing to be done: all that was asked for is there."
    reports = graph.reports()
    lines = [_title(graph, reports), "", *_tables(graph, reports, durations), ""]
    entries = {
        STAR: _unmeasured(graph, durations),
        "At best": _least_time(graph, durations, means),
        "Download": _download(graph),
        "Disk": _disk(disk),
        "Why": _reasons(graph),
    }
    for name, text in entries.items():
        if text:
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=name.ljust(INDENT), subsequent_indent=" " * INDENT
            )
    return "\n".join(lines)


def _title(graph, reports):
    named = sum(bool(name) for name in reports)
    of = f" for {_counted(named, 'table or figure', 'tables and figures')}" if named else ""
    presets = {job.wildcards["preset"] for job in graph.jobs if "preset" in job.wildcards}
    preset = f", preset {', '.join(sorted(presets))}" if presets else ""
    jobs = _counted(len(graph.jobs), "job")
    return f"Plan: {jobs} to run{of}{preset}. What is finished is left out."


def _tables(graph, reports, durations):
    """Rules on the left; on the right tables and figures, each as if it alone were asked for."""
    left = [(name, cost_of(jobs, durations)) for name, jobs in _rules(graph)]
    right = [(name or "(other files)", cost_of(jobs, durations)) for name, jobs in reports.items()]
    total = cost_of(graph.jobs, durations)
    columns = [
        [_head("rule", LEFT), *_rows(left, LEFT), _row("all", total, LEFT)],
        [_head("table or figure", RIGHT), *_rows(right, RIGHT)],
    ]
    if len(right) > 1:
        columns[1].append(_row("all, each job once", total, RIGHT))
    width = LEFT + sum(NUMBERS) + GAP
    return [f"{a:{width}}{b}".rstrip() for a, b in zip_longest(*columns, fillvalue="")]


def _rules(graph):
    """(name, jobs) of every rule, early ones first; rules of a verb without GPUs share a row."""
    of_verb, found, places = defaultdict(list), defaultdict(list), graph.places()
    for job in graph.jobs:
        of_verb[job.verb].append(job)
    for job in graph.jobs:
        alike = of_verb[job.verb]
        shared = len({job.rule for job in alike}) > 1 and not any(job.gpus for job in alike)
        found[f"{job.verb}_*" if shared else job.rule].append(job)
    return sorted(found.items(), key=lambda rule: (fmean(places[job] for job in rule[1]), rule[0]))


def _head(name, width):
    return f"{name:{width}}" + _cells("jobs", "GPU-h ", "CPU-h ")


def _rows(entries, width):
    rows = [_row(name, cost, width) for name, cost in entries[:ROWS]]
    return rows + ([f"and {len(entries) - ROWS} more"] if len(entries) > ROWS else [])


def _row(name, cost, width):
    star = " " if cost.measured else STAR
    name = name if len(name) < width else name[: width - 2] + "…"
    hours = [_hours(hours) + star if hours else "- " for hours in (cost.gpu_hours, cost.cpu_hours)]
    return f"{name:{width}}" + _cells(cost.jobs, *hours)


def _cells(*values):
    return "".join(f"{value:>{width}}" for value, width in zip(values, NUMBERS, strict=True))


def _unmeasured(graph, durations):
    limits = sum(not durations[job].measured for job in graph.jobs)
    if not limits:
        return ""
    jobs = f"{limits:,} of {len(graph.jobs):,} jobs"
    return f"the time limit (config: resources) of {jobs}: no run like them is measured yet"


def _least_time(graph, durations, means):
    bounds = least_seconds(graph, durations, means)
    chain = f"the longest chain of jobs takes {_time(bounds['chain'])}"
    if means.cores is None:
        return f"{chain}; --cores N tells the least time on N cores"
    gpus = f" and {_counted(means.gpus, 'GPU')} at a time" if means.gpus else ""
    gpus = ", without a GPU" if means.gpus == 0 else gpus
    bound = max(bounds, key=bounds.get)
    time = f"{_time(bounds[bound])} on {_counted(means.cores, 'core')}{gpus} ({BOUNDS[bound]})"
    return f"{time}; {chain}"


def _download(graph):
    sizes = {job: download_bytes(job) for job in graph.jobs if job.downloads}
    if not sizes:
        return ""
    known = [size for size in sizes.values() if size]
    least, most = (_gb(sum(size[end] for size in known)) for end in (0, 1))
    size = f"{least} GB" if least == most else f"{least} to {most} GB"
    unknown = len(sizes) - len(known)
    more = f" and {_counted(unknown, 'file')} of unknown size" if unknown else ""
    return f"{size}{more}; its time is in no hours above"


def _disk(disk):
    whole, free = sum(disk.made.values()), shutil.disk_usage(".").free
    shown = [(kind, size) for kind, size in disk.made.most_common() if size > SHOWN_SHARE * whole]
    parts = ", ".join(f"{_gb(size)} of {kind}" for kind, size in shown)
    text = f"{_gb(whole)} GB ({parts})" if whole else "not known"
    if disk.replaced:
        text += f", in place of {_gb(disk.replaced)} GB"
    if disk.unknown:
        text += f"; {_counted(disk.unknown, 'file')} not counted, as none like them is there"
    if disk.unfinished:
        text += f"; {_gb(disk.unfinished)} GB more, at most, while a training runs"
    enough = free > whole - disk.replaced
    return f"{text}; {'' if enough else 'only '}{_gb(free)} GB are free here"


def _reasons(graph):
    found = Counter(re.split("[:;]", job.reason)[0] for job in graph.jobs if job.reason)
    shown = found.most_common(REASONS)
    return "; ".join(f"{count:,} {reason[0].lower()}{reason[1:]}" for reason, count in shown)


def _hours(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _time(seconds):
    hours = seconds / HOUR
    if hours >= DAYS_FROM:
        return f"{hours / 24:.0f} days"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _gb(size):
    gigabytes = size / GIGA
    return f"{gigabytes:,.1f}" if gigabytes >= 0.1 else f"{gigabytes:.2g}"


def _counted(number, thing, things=None):
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
