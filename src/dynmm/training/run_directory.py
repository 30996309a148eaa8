"""A training run on disk: what it needs to go on after a kill, and what it publishes at its end."""

import contextlib
import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file

from dynmm.device import acquire_device, numerics
from dynmm.errors import InputError
from dynmm.execution import execution
from dynmm.files import atomic_path, link_or_copy, read_json, sha256, write_json
from dynmm.locks import wait_for_lock
from dynmm.provenance import fingerprint
from dynmm.stop_signals import deferred
from dynmm.training.checkpoints import Checkpoints, put_aside
from dynmm.training.loop import fit

log = logging.getLogger("dynmm.training")

FINISHED, LOCK, RECORD = "finished.json", "lock", "provenance.json"


class RunDirectory:
    """State of one run, kept under its fingerprint so that nothing stale is ever resumed.

    The directory is not a declared output of the workflow, which deletes those before a job
    starts. It may be removed by hand at any time; an unfinished run then starts anew. Where another
    process trains this very run, one waits for its end and finds the run finished: after a
    workflow was killed, its cluster jobs live on beside those of the next.

    Args:
        root: folder of this run and seed; the state lies in a subfolder named by the fingerprint.
        fingerprint: hex digest of configuration, code, data and versions.
        record: the provenance record behind the fingerprint, written beside the state.
        checkpoint_seconds: see `CheckpointClock`.
    """

    def __init__(self, root, fingerprint, record, checkpoint_seconds=60.0):
        self.path = Path(root) / fingerprint[:16]
        self._lock = wait_for_lock(
            self.path / LOCK,
            lambda: log.info("another process trains this run (%s): waiting for it", self.path),
        )
        for remains in self.path.glob(".*"):  # of writes that were killed
            remains.unlink()
        if not (self.path / RECORD).exists():
            write_json(self.path / RECORD, record)
        require = functools.partial(_require, self._lock, self.path)
        self.checkpoints = Checkpoints(self.path, checkpoint_seconds, require)

    @classmethod
    def of(cls, root, record):
        """The directory of the run that a provenance record describes, as the workflow runs it."""
        return cls(root, fingerprint(record), record, execution().checkpoint_seconds)

    def close(self):
        """Give the lock back."""
        self._lock.close()

    def require(self):
        """Raise InputError where somebody removed the directory, or its lock, while this ran."""
        _require(self._lock, self.path)

    @contextlib.contextmanager
    def required(self):
        """Inside, a missing file is told by `require` where the whole directory is missing."""
        self.require()
        try:
            yield
        except FileNotFoundError:
            self.require()
            raise

    def finish(self, outcome, best):
        """Mark the run as finished and drop what only an unfinished one needs.

        Args:
            outcome: JSON-able, what `finished` gives.
            best: name and SHA-256 of the best weights, as `Checkpoints.store_best` gives them.
        """
        self.require()
        write_json(self.path / FINISHED, outcome | best)
        self.checkpoints.drop_all_but(best["best"])

    def finished(self):
        """The outcome of a finished run whose weights are whole, else None.

        Signals wait, as in `Checkpoints.load`.
        """
        path = self.path / FINISHED
        if not path.exists():
            return None
        with deferred():
            return self._whole(path)

    def _whole(self, path):
        try:
            outcome = read_json(path)
            if sha256(self.path / outcome["best"]) != outcome["best_sha256"]:
                raise ValueError(f"{outcome['best']} has other bytes than were written")
        except FileNotFoundError as error:
            put_aside(path, error)
        except Exception as error:
            if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
                raise
            put_aside(path, error)
        else:
            self.checkpoints.drop_all_but(outcome["best"])  # what a kill in `finish` left
            return outcome
        return None

    def keep(self, file):
        """Keep a published file in place of the weights that it was made with.

        It shares its bytes with the published one. `kept` publishes it again.
        """
        kept = self.path / f"kept{Path(file).suffix}"
        with self.required():
            link_or_copy(file, kept)
            write_json(self.path / FINISHED, {"best": kept.name, "best_sha256": sha256(kept)})
        self.checkpoints.drop_all_but()

    def kept(self, file):
        """Publish again what `keep` kept, if there is such a file; whether there was."""
        outcome = self.finished()
        if outcome is None or not outcome["best"].startswith("kept"):
            return False
        link_or_copy(self.path / outcome["best"], file)
        return True


def _require(lock, folder):
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(lock.fileno()), os.stat(folder / LOCK)):
            return
    raise InputError(
        "the folder that keeps this run was removed while it trained",
        file=folder,
        fix="What it held is lost: run the same command again, which starts anew.",
    )


def device_for(directory):
    """A device to train on; None where the run is finished already: it does not wait for one."""
    return None if directory.finished() else acquire_device(execution().deterministic)


@dataclass
class TrainedRun:
    """What a finished run publishes.

    Args:
        directory: the `RunDirectory` that holds it.
        weights_file: `.safetensors` of the best epoch.
        weights_sha256: its digest.
        history: one dict an epoch.
        summary: best epoch, its score, on which samples it was chosen.
    """

    directory: RunDirectory
    weights_file: Path
    weights_sha256: str
    history: list
    summary: dict

    @property
    def weights(self):
        """Name -> tensor of the best epoch."""
        with self.directory.required():
            return load_file(self.weights_file)


def run_to_end(build, directory, settings, select_on):
    """Train to the end, go on where a kill left off, or recall what is finished already.

    Args:
        build: function without arguments that gives the `TrainingTask`; not called where finished.
        directory: the `RunDirectory` that holds the state.
        settings: `LoopSettings`.
        select_on: samples that choose the best epoch, "validation" or "test"; for the summary.

    Returns:
        `TrainedRun`.
    """
    finished = directory.finished()
    if finished is None:
        task = build()
        with directory.required(), deferred():  # the last epochs are in no checkpoint
            progress, best = fit(task, directory.checkpoints, settings)
            finished = {
                "history": progress.history,
                "summary": {
                    "epochs": progress.epoch,
                    "best_epoch": progress.best_epoch,
                    "best_score": progress.best_score,
                    "score_name": task.score_name,
                    "select_on": select_on,
                    "ran_on": numerics(task.device),
                },
            }
            directory.finish(finished, best)
        finished |= best
    return TrainedRun(
        directory,
        directory.path / finished["best"],
        finished["best_sha256"],
        finished["history"],
        finished["summary"],
    )


def publish(run, weights, history, training, record):
    """Write a run's three files: weights, one row an epoch (CSV), and summary with provenance.

    The published weights share their bytes with those in the run's directory. The summary is
    written last; it has their SHA-256, by which later stages know them.
    """
    with run.directory.required():
        link_or_copy(run.weights_file, weights)
    with atomic_path(history) as path:
        pd.DataFrame(run.history).to_csv(path, index=False)
    summary = {**run.summary, "weights_sha256": run.weights_sha256}
    write_json(training, {**summary, "provenance": record})
