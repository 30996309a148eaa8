"""A training run on disk: what it needs to go on after a kill, and what it publishes at its end."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

from dynmm.errors import InputError
from dynmm.files import atomic_path, read_json, try_lock, write_json
from dynmm.models.weights import save_weights
from dynmm.training.loop import fit

log = logging.getLogger("dynmm.training")

STATE, BEST, FINISHED, LOCK, RECORD = (
    "state.pt",
    "best.safetensors",
    "finished.json",
    "lock",
    "provenance.json",
)


class RunDirectory:
    """State of one run, kept under its fingerprint so that nothing stale is ever resumed.

    The directory is not a declared output of the workflow, which deletes those before a job
    starts. It may be removed by hand at any time; an unfinished run then starts anew.

    Args:
        root: folder of this run and seed; the state lies in a subfolder named by the fingerprint.
        fingerprint: hex digest of configuration, code, data and versions.
        record: the provenance record behind the fingerprint, written beside the state.

    Raises:
        InputError: another process trains this very run.
    """

    def __init__(self, root, fingerprint, record):
        self.path = Path(root) / fingerprint[:16]
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = try_lock(self.path / LOCK)
        if self._lock is None:
            raise InputError(
                "another process is training this run",
                file=self.path,
                fix="Wait for it, or stop it; it keeps the lock for as long as it lives.",
            )
        if not (self.path / RECORD).exists():
            write_json(self.path / RECORD, record)

    def close(self):
        """Give the lock back."""
        self._lock.close()

    def save_state(self, state):
        """Store the state at the end of an epoch: tensors, numbers, strings, lists and dicts."""
        with atomic_path(self.path / STATE) as temporary:
            torch.save(state, temporary)

    def load_state(self):
        """The last stored state, or None for a fresh run."""
        path = self.path / STATE
        if not path.exists():
            return None
        return torch.load(path, map_location="cpu", weights_only=True)

    def save_best(self, tensors):
        """Store the weights of the best epoch so far."""
        save_weights(tensors, self.path / BEST)

    def load_best(self):
        """The weights of the best epoch: name -> tensor."""
        return load_file(self.path / BEST)

    def finish(self, summary):
        """Mark the run as finished and drop what only an unfinished one needs."""
        write_json(self.path / FINISHED, summary)
        (self.path / STATE).unlink(missing_ok=True)

    def finished(self):
        """The summary of a finished run, else None."""
        path = self.path / FINISHED
        return read_json(path) if path.exists() else None


@dataclass
class TrainedRun:
    """What a finished run publishes.

    Args:
        weights: name -> tensor of the best epoch.
        history: one dict an epoch.
        summary: best epoch, its score, on which samples it was chosen.
    """

    weights: dict
    history: list
    summary: dict


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
        progress = fit(task, directory, settings)
        finished = {
            "history": progress.history,
            "summary": {
                "epochs": progress.epoch,
                "best_epoch": progress.best_epoch,
                "best_score": progress.best_score,
                "score_name": task.score_name,
                "select_on": select_on,
            },
        }
        directory.finish(finished)
    return TrainedRun(directory.load_best(), finished["history"], finished["summary"])


def publish(run, weights, history, training, record):
    """Write a run's three files: weights, one row an epoch (CSV), and summary with provenance."""
    save_weights(run.weights, weights)
    with atomic_path(history) as path:
        pd.DataFrame(run.history).to_csv(path, index=False)
    write_json(training, {**run.summary, "provenance": record})
