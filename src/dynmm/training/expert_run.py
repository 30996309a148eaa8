"""One training run of an expert, from prepared arrays to its best weights."""

from pathlib import Path

import torch

from dynmm.data.manifest import read_manifest
from dynmm.models.expert_build import expert_from
from dynmm.training.experts import ExpertTraining
from dynmm.training.loop import LoopSettings
from dynmm.training.trained_run import run_to_end

SELECT_ON = "validation"


def train_expert(name, task, config, manifest_path, seed, device, directory):
    """Train one expert with one seed.

    Args:
        name: shown with the progress.
        task: see `dynmm.tasks`.
        config: `expert` (settings for `expert_from`) and `training`.
        manifest_path: `manifest.json` of the prepared arrays.
        seed: of initialisation, order and dropout.
        device: torch device.
        directory: the `RunDirectory` that holds the state.

    Returns:
        `TrainedRun`.
    """

    def build():
        splits, sizes, outputs = open_data(task, manifest_path)
        torch.manual_seed(seed)
        expert = expert_from(task.name, config["expert"], sizes, outputs)
        data = {"train": splits[0], "validation": splits[1], "seed": seed, "device": device}
        return ExpertTraining(name, task, expert, config["training"], **data)

    return run_to_end(build, directory, loop_settings(config["training"], seed), SELECT_ON)


def open_data(task, manifest_path):
    """Training and validation split, feature size of each modality, number of outputs."""
    folder = Path(manifest_path).parent
    manifest = read_manifest(folder, task.name)
    splits = [task.open(folder, part) for part in task.splits[:2]]
    return splits, manifest["input_sizes"], task.outputs(manifest)


def loop_settings(training, seed):
    """What the loop needs of the `training` block of a run."""
    return LoopSettings(
        epochs=training["epochs"],
        seed=seed,
        patience=training["patience"],
        clip_norm=training["clip_norm"],
    )
