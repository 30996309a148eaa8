"""From a training task to what a finished run publishes, for every task of this project."""

from dataclasses import dataclass

import pandas as pd
from safetensors.torch import save_file

from dynmm.files import atomic_path, write_json
from dynmm.training.loop import fit


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
    with atomic_path(weights) as path:
        save_file(run.weights, path)
    with atomic_path(history) as path:
        pd.DataFrame(run.history).to_csv(path, index=False)
    write_json(training, {**run.summary, "provenance": record})
