"""Seconds that jobs will take: as runs before them measured, else their time limit."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from statistics import fmean

SEED = re.compile(r"[/.]?seed~?\d+")
# lines in the log of a training (`training.loop`)
EPOCH = re.compile(r"epoch (\d+)/\d+, .* ([\d.]+) s, about ")
RESUMED = re.compile(r"resuming after epoch (\d+)")
HISTORY = "history.csv"
# files in the folder of an unfinished run (`training.run_directory`, `training.checkpoints`)
RECORD, CHECKPOINT, FINISHED = "provenance.json", "state-*.json", "finished.json"
STAGE = 4  # parts in the path of the folder of a stage: results/<preset>/<task>/models


@dataclass(frozen=True)
class Duration:
    """Seconds of a job, and whether runs measured them: else they are its time limit."""

    seconds: float
    measured: bool


@dataclass(frozen=True)
class Run:
    """What a file tells of a run: what ran, its seconds, and its epochs where it trained."""

    label: str
    seconds: float
    epochs: int = 1
    finished: bool = True


class MeasuredRuns:
    """What finished and unfinished runs tell of the seconds of jobs.

    A training takes its epochs to go times the seconds of an epoch, by the histories of finished
    trainings and the logs of unfinished ones; any other job what the benchmark files of its rule
    say. Runs that differ in the seed alone count, or where there are none the rule's others of the
    same preset and task. Paths are relative to the working directory.
    """

    def __init__(self):
        self._read = {}

    def duration(self, job):
        """The `Duration` of a job; that of a download is not known, and none."""
        if job.downloads:
            return Duration(0.0, True)
        seconds = self._training(job) if "training" in job.config else self._benchmark(job)
        return Duration(job.limit, False) if seconds is None else Duration(seconds, True)

    def _benchmark(self, job):
        if job.benchmark is None:
            return None
        folder, own = _rule_folder(job.benchmark, job.rule)
        runs = _alike(self._runs(folder, "*.tsv", _benchmarked), own)
        return fmean(run.seconds for run in runs) if runs else None

    def _training(self, job):
        runs, own = [], None
        for path in job.outputs:
            if PurePath(path).name == HISTORY:
                folder = Path(*PurePath(path).parts[:STAGE])
                runs += self._runs(folder, HISTORY, _trained)
        for path in job.logs:
            folder, own = _rule_folder(path, job.rule)
            runs += self._runs(folder, "*.log", _logged)
        runs = _alike([run for run in runs if run.epochs], own)
        if not runs:
            return self._benchmark(job)
        epochs, ends = job.config["training"]["epochs"], [r.epochs for r in runs if r.finished]
        if ends and job.config["training"].get("patience") is not None:
            epochs = min(epochs, fmean(ends))
        second = sum(run.seconds for run in runs) / sum(run.epochs for run in runs)
        return max(epochs - epochs_done(job, epochs), 0) * second

    def _runs(self, folder, pattern, read):
        """The runs of which files below `folder` tell; it may be such a file itself."""
        if folder not in self._read:
            files = [folder] if folder.is_file() else sorted(folder.rglob(pattern))
            found = [(label_of(path, folder), read(path)) for path in files]
            self._read[folder] = [Run(label, **run) for label, run in found if run is not None]
        return self._read[folder]


def epochs_done(job, epochs):
    """Epochs after which a training of so many goes on: 0 where it has none of this configuration.

    The log says how far it came; what came after its last checkpoint, a minute's work, is done
    again.
    """
    for record in Path(job.resume_dir).glob(f"*/{RECORD}") if job.resume_dir else ():
        if not _same_config(record, job.config):
            continue
        if (record.parent / FINISHED).exists():
            return epochs
        if any(record.parent.glob(CHECKPOINT)):
            lines = [line for path in job.logs for line in _lines(path)]
            found = [
                match for line in lines if (match := EPOCH.search(line) or RESUMED.search(line))
            ]
            return int(found[-1][1]) if found else 0
    return 0


def label_of(path, folder):
    """What a run is called by the path of one of its files below `folder`, without its seed."""
    return SEED.split(str(PurePath(path).relative_to(folder)))[0]


def _rule_folder(path, rule):
    """The folder of a rule's benchmarks or logs, and a job's label there; else the file itself."""
    parts = PurePath(path).parts
    if rule not in parts[:-1]:
        return Path(path), label_of(path, path)
    folder = Path(*parts[: parts.index(rule) + 1])
    return folder, label_of(path, folder)


def _alike(runs, label):
    return [run for run in runs if run.label == label] or runs


def _benchmarked(path):
    rows = _rows(path, delimiter="\t")
    seconds = [float(row["s"]) for row in rows if _number(row.get("s"))]
    return {"seconds": fmean(seconds)} if seconds else None


def _trained(path):
    seconds = [float(row["seconds"]) for row in _rows(path) if _number(row.get("seconds"))]
    return {"seconds": sum(seconds), "epochs": len(seconds)} if seconds else None


def _logged(path):
    """Epochs that a log tells of; that of a finished run tells what its history does."""
    seconds = [float(match[2]) for line in _lines(path) if (match := EPOCH.search(line))]
    return {"seconds": sum(seconds), "epochs": len(seconds), "finished": False}


def _rows(path, **form):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, **form))
    except (OSError, ValueError, csv.Error):
        return []  # a file that is being written; nothing is measured by it


def _lines(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _number(text):
    try:
        return float(text) >= 0
    except (TypeError, ValueError):
        return False


def _same_config(path, config):
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    stored.pop("fold", None)  # of `cross_fit_expert`, which is an option there
    return stored == config
