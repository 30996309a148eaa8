"""What nothing will read again: remains of killed writes, and of runs that were left for others."""

import contextlib
import fcntl
import os
import re
import shutil
import stat
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
    one that was written to last, and the one whose result is published. What a living process
    holds is no leftover.
    """
    found, below = [], []
    for root in (RESULTS, REPORTS):
        for path, folders, files in os.walk(Path(folder, root)):
            path = Path(path)
            kept = [name for name in folders if not _partial(name)]
            found += [(path / name, WRITES) for name in folders if name not in kept]
            folders[:] = kept
            below += [path] if any(map(FINGERPRINT.fullmatch, folders)) else []
            found += [(path / name, WRITES) for name in files if _temporary(name)]
            found += [(path / name, BROKEN) for name in files if name.endswith(DAMAGED)]
    runs = [run for path in below for run in _superseded(path)]
    found = [(path, kind) for path, kind in found if not set(path.parents) & set(runs)]
    entries = [_leftover(*entry) for entry in [*found, *((path, RUNS) for path in runs)]]
    return sorted(filter(None, entries), key=lambda entry: (entry.kind, entry.path))


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
    return [run for run in runs if run != newest and not _published(run)]


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


@contextlib.contextmanager
def _taken(path):
    """Hold what a living writer of a file or folder would hold; yield whether that was free."""
    try:
        if path.is_dir():
            lock = try_lock(path / LOCK)
        else:
            lock = open(path, "rb")  # noqa: SIM115 (closed below)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        lock = None
    except BlockingIOError:
        lock.close()
        lock = None
    try:
        yield lock is not None
    finally:
        if lock:
            lock.close()


def _removed(entry):
    """Remove a leftover; False where a process holds it."""
    with _taken(entry.path) as free:
        if free and entry.path.is_dir():
            shutil.rmtree(entry.path)
        elif free:
            entry.path.unlink()
    return free


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
    """The `Leftover` at a path; None where a process holds it, or has just removed it."""
    stats, lockable = _stats(path), path.is_file() or (path / LOCK).exists()
    if not stats or (lockable and not _free(path)):
        return None
    # other names of a file keep its bytes
    size = sum(found.st_size for found in stats if found.st_nlink == 1)
    return Leftover(path, kind, size, max(found.st_mtime for found in stats))


def _free(path):
    with _taken(path) as free:
        return free


def _written(path):
    return max((found.st_mtime for found in _stats(path)), default=0)


def _stats(path):
    """What the system says of a folder's files, its lock apart; of itself where it has none."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.name != LOCK]
    found = [_stat(file) for file in files]
    found = [entry for entry in found if entry and stat.S_ISREG(entry.st_mode)]
    return found or list(filter(None, [_stat(path)]))


def _stat(path):
    with contextlib.suppress(FileNotFoundError):
        return path.lstat()
