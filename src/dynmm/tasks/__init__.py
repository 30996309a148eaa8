"""What sets the tasks of the modality level apart: a folder each, of four modules.

Training, stored outputs and evaluation are written once. `<task>/task.py` has one object `TASK`:

name                          name of the task, also in the configuration
splits                        names of its training, validation and test split
letters                       modality -> its letter in the tables, in their order
score_name, higher_is_better  what chooses the best epoch
open(folder, split)           a split of the prepared data
outputs(manifest)             number of output values
loss(outputs, targets)        task loss of a batch, a scalar
sample_losses(outputs, targets)  the same of each sample, (B,)
score(outputs, targets)       validation score
training_batches(split, settings, seed, epoch), evaluation_batches(split, settings)

`<task>/gating.py` is what a choice between experts adds, apart so that a new gate trains no expert
again: its gates are registered when it is loaded, and it has

count_madds(model, sizes)     multiply-adds of one sample: {"complete": int, "per_module": int}

`<task>/evaluation.py` is what the evaluation adds, apart so that a new metric trains nothing again:

scores(outputs, targets, manifest)  the task's metrics, fractions, for `metrics.json`
sample_madds(model, sizes, split)   multiply-adds of every sample, {convention: (N,) array}, where
                                    they differ between samples; otherwise None
NOISE_SETTINGS                      setting of the noise study -> modalities that it makes noisy

`<task>/routing.py` is what the routing study adds: a change there evaluates nothing again:

SCORES                          name -> `metrics.additive.AdditiveScore`
counts(outputs, targets)        (N, M) what the scores sum up
losses(outputs, targets)        (N,) loss of each sample, that of the training
uncertainty(outputs)            (N,) how unsure an expert is of its output; UNCERTAINTY: in words
features(folder, split)         (N, D) what the linear router reads of the prepared data
targets(folder, split)          labels of the prepared data, as `predictions.npz` has them
router_madds(sizes, paths)      multiply-adds of the linear router for one sample

Programs load a task by name: nothing of one task depends on the code of the other.
"""

import importlib
import sys


def load_task(name):
    """The task of that name; its experts are registered from here on."""
    return importlib.import_module(f"{__name__}.{name}.task").TASK


def load_gating(name):
    """The module of gates of the task `name`; they are registered from here on."""
    return importlib.import_module(f"{__name__}.{name}.gating")


def load_evaluation(name):
    """The module with which the task `name` is evaluated."""
    return importlib.import_module(f"{__name__}.{name}.evaluation")


def load_routing(name):
    """The module with which the gates of the task `name` are compared with other policies."""
    return importlib.import_module(f"{__name__}.{name}.routing")


def source_files(task, settings):
    """Files whose code a result depends on though no import statement of a program names them.

    Args:
        task: what `load_task` gave.
        settings: settings of experts and gates, which may name a `module` of their own.
    """
    added = [entry["module"] for entry in settings if "module" in entry]
    return [sys.modules[type(task).__module__].__file__, *dict.fromkeys(added)]


def modality_letters(task, modalities):
    """What the tables print for a set of modalities, such as "I+T"."""
    return "+".join(letter for name, letter in task.letters.items() if name in modalities)
