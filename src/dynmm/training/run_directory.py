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


NO_MEMORY = "DefaultCPUAllocator"  # in torch's RuntimeError


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
        """The last stored state; None for a fresh run, and where state or best weights are damaged.

        A damaged file is put aside, and the log says so.
        """
        if (self.path / BEST).exists() and self.load_best() is None:
            return None
        return self._whole(STATE, lambda path: torch.load(path, "cpu", weights_only=True))

    def save_best(self, tensors):
        """Store the weights of the best epoch so far."""
        save_weights(tensors, self.path / BEST)

    def load_best(self):
        """The weights of the best epoch: name -> tensor; None as for `load_state`."""
        return self._whole(BEST, load_file)

    def finish(self, summary):
        """Mark the run as finished and drop what only an unfinished one needs."""
        write_json(self.path / FINISHED, summary)
        (self.path / STATE).unlink(missing_ok=True)

    def finished(self):
        """The summary of a finished run whose weights are whole, else None."""
        summary = self._whole(FINISHED, read_json)
        if summary is None or self.load_best() is None:
            (self.path / FINISHED).unlink(missing_ok=True)
            return None
        return summary

    def _whole(self, name, read):
        """What `read` makes of a file; None where it is missing, or where its bytes are damaged.

        A disk that fails or memory that runs out says nothing of the file: it stays where it is.
        """
        path = self.path / name
        if not path.exists():
            return None
        try:
            return read(path)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # torch, safetensors and json each have their own
            if NO_MEMORY in str(error) or isinstance(error.__cause__, OSError):
                raise
            path.replace(path.with_name(f"{name}.damaged"))
            log.warning(
                "%s is damaged (%s) and was put aside: going on from what is whole",
                path,
                " ".join(str(error).split())[:200] or type(error).__name__,
            )
            return None


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
