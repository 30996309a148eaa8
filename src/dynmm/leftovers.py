"""What nothing will read again: remains of killed writes, and of runs that were left for others."""

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from dynmm.configuration.grid import all_points, point_path
from dynmm.errors import InputError
from dynmm.evaluation.sweep_directory import LOCK  # as of trainings, and without torch
from dynmm.files import read_json
from dynmm.locks import try_lock
from dynmm.provenance import fingerprint
from dynmm.vocabulary import MODALITY_TASKS, NYUV2

RESULTS, REPORTS, RESUME = "results", "reports", "resume"
STAGES, SUMMARY = ("models", "experts", ""), "training.json"  # where trainings are published
WORKFLOW_LOCK = Path(
    ".snakemake", "dynmm.lock"
)  # held by a workflow for its life (rules/common.smk)
TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # what `files.atomic_path` adds, suffix apart
PARTIAL, DAMAGED = ".partial", ".damaged"
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
WRITES, RUNS, BROKEN = "killed writes", "runs left for newer ones", "damaged files put aside"


@dataclass(frozen=True)
class Leftover:
    """A file or folder that may go.

    Args:
        path: it.
        kind: why: one of WRITES, RUNS, BROKEN.
        bytes: what its removal frees; other names of a file keep its bytes.
        written: seconds since the epoch when something in it was last written.
    """

    path: Path
    kind: str
    bytes: int
    written: float


def find_leftovers(folder="."):
    """Every `Leftover` below results/ and reports/ of a working directory, by kind and path.

    Of the runs that one network had with one seed, under different fingerprints, these stay: the
    one that was written to last, and the one whose result is published. A folder of a run that
    some process holds is none.
    """
    found, below = [], []
    for root in (RESULTS, REPORTS):
        for path, folders, files in os.walk(Path(folder, root)):
            path = Path(path)
            kept = [name for name in folders if not _partial(name)]
            found += [_leftover(path / name, WRITES) for name in folders if name not in kept]
            folders[:] = kept
            below += [path] if any(map(FINGERPRINT.fullmatch, folders)) else []
            found += [_leftover(path / name, WRITES) for name in files if _temporary(name)]
            found += [_leftover(path / name, BROKEN) for name in files if name.endswith(DAMAGED)]
    runs = [run for path in below for run in _superseded(path)]
    found = [entry for entry in found if not set(entry.path.parents) & set(runs)]
    found += [_leftover(path, RUNS) for path in runs]
    return sorted(found, key=lambda entry: (entry.kind, entry.path))


def remove_leftovers(leftovers, folder=".", minutes=10):
    """Remove leftovers; those that were just written, or that a process holds, stay.

    Args:
        leftovers: of `find_leftovers`.
        folder: the working directory.
        minutes: what was written to since may belong to a process that lives.

    Returns:
        Those that were removed.

    Raises:
        InputError: a workflow runs in the folder.
    """
    lock = _alone(Path(folder, WORKFLOW_LOCK))
    try:
        old = time.time() - 60 * minutes
        return [entry for entry in leftovers if entry.written <= old and _removed(entry)]
    finally:
        if lock:
            lock.close()


def unconfigured(config, folder="."):
    """Folders of trained networks below results/<preset>/ that no configuration names any more.

    Args:
        config: the whole configuration, as `with_preset` gives it.
        folder: the working directory.

    Returns:
        List of `Leftover`; their kind is empty.
    """
    root = Path(folder, RESULTS, config["preset"])
    there = [
        path for pattern in ("*/models/*/seed*", "*/experts/*/seed*") for path in root.glob(pattern)
    ]
    there += root.glob("*/dynamic/**/seed~*")
    named = {root / path for path in _configured(config)}
    return [_leftover(path, "") for path in sorted(set(there) - named)]


def _configured(config):
    """Folders of all trained networks, relative to results/<preset>/."""
    for seed in config["seeds"]:
        for run in config[NYUV2]["runs"]:
            yield f"{NYUV2}/models/{run}/seed{seed}"
        for task in MODALITY_TASKS:
            for expert in config[task]["experts"]:
                yield f"{task}/experts/{expert}/seed{seed}"
            for point in all_points(config[task]):
                yield f"{task}/dynamic/{point_path(point)}/seed~{seed}"


def _superseded(parent):
    """Folders of runs below `parent` that a newer one of another fingerprint stands beside."""
    runs = [path for path in parent.iterdir() if FINGERPRINT.fullmatch(path.name)]
    newest = max(runs, key=_written)
    return [run for run in runs if run != newest and not _published(run) and not _held(run)]


def _published(run):
    """Whether the result of the run is the published one, or may be: its summary is unreadable."""
    at = max(place for place, part in enumerate(run.parts) if part == RESUME)
    task, below = Path(*run.parts[:at]), Path(*run.parts[at + 1 : -1])
    for stage in STAGES:
        summary = task / stage / below / SUMMARY
        if summary.exists():
            try:
                return fingerprint(read_json(summary)["provenance"]).startswith(run.name)
            except (InputError, LookupError, TypeError):
                return True
    return False


def _held(run):
    """Whether a process holds the run."""
    if not (run / LOCK).exists():
        return False
    lock = try_lock(run / LOCK)
    if lock:
        lock.close()
    return lock is None


def _removed(entry):
    """Remove a leftover; False where a process holds it."""
    if entry.path.is_file():
        entry.path.unlink()
        return True
    held = entry.kind == RUNS
    lock = try_lock(entry.path / LOCK) if held else None
    if held and lock is None:
        return False
    try:
        shutil.rmtree(entry.path)
    finally:
        if lock:
            lock.close()
    return True


def _alone(path):
    """The workflow's lock, or None in a folder where none ever ran."""
    if not path.parent.is_dir():
        return None
    lock = try_lock(path)
    if lock is None:
        raise InputError(
            "a workflow is running in this folder",
            file=path,
            fix="Nothing was removed: wait for it, or stop it.",
        )
    return lock


def _temporary(name):
    stem, suffix = os.path.splitext(name)
    for candidate, ending in ((stem, suffix), (name, "")):
        match = TEMPORARY.fullmatch(candidate)
        if match and Path(match[1]).suffix == ending:
            return True
    return False


def _partial(name):
    return name.startswith(".") and name.endswith(PARTIAL)


def _leftover(path, kind):
    return Leftover(path, kind, sum(map(_freed, _files(path))), _written(path))


def _freed(path):
    found = path.lstat()
    return found.st_size if found.st_nlink == 1 else 0


def _written(path):
    """When the newest of its files was written; a lock is written to by who looks at it."""
    files = [file for file in _files(path) if file.name != LOCK]
    return max(file.lstat().st_mtime for file in files or [path])


def _files(path):
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
