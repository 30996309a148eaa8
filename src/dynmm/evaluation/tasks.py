"""What the evaluation of a task of the modality level adds to `dynmm.tasks`.

A module `dynmm.evaluation.<task>` each, with two functions:

scores(outputs, targets, manifest)       the task's metrics, fractions, for `metrics.json`
sample_madds(model, sizes, split)        multiply-adds of every sample, {convention: (N,) array},
                                         where they differ between samples; otherwise None

Apart from `dynmm.tasks`, so that a change of the metrics trains nothing again.
"""

import importlib


def load_evaluation(name):
    """The module of the task `name`, one of `dynmm.tasks.TASKS`."""
    return importlib.import_module(f"dynmm.evaluation.{name}")
