"""One training run of the modality level, from prepared arrays to its best weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dynmm.data.manifest import read_manifest
from dynmm.errors import InputError
from dynmm.models.modality_build import dynamic_from, expert_from, load_expert_weights
from dynmm.training.loop import LoopSettings
from dynmm.training.modality import STORED, DynamicTraining, ExpertTraining
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

    return run_to_end(build, directory, _loop(config["training"], seed), SELECT_ON)


def train_dynamic(
    name, task, config, manifest_path, expert_weights, stored, seed, device, directory
):
    """Train one point of the grid with one seed.

    Args:
        name, task, manifest_path, seed, device, directory: as for `train_expert`.
        config: `experts` and `gate` (settings for `dynamic_from`) and `training`.
        expert_weights: weights of the experts, in their order.
        stored: for frozen experts the folders that hold their stored outputs, in their order.

    Returns:
        `TrainedRun`; its weights are those of the gate alone where the experts are frozen.
    """
    training = config["training"]

    def build():
        splits, sizes, outputs = open_data(task, manifest_path)
        torch.manual_seed(seed)
        model = dynamic_from(task.name, config, sizes, outputs)
        madds = [task.count_madds(e, sizes)["complete"] for e in model.experts.values()]
        load_expert_weights(model, expert_weights)
        if training["freeze"]:
            model.freeze_experts()
            splits = [
                with_stored(split, stored, part)
                for split, part in zip(splits, task.splits, strict=False)
            ]
        data = {"train": splits[0], "validation": splits[1], "seed": seed, "device": device}
        return DynamicTraining(name, task, model, training, madds, **data)

    return run_to_end(build, directory, _loop(training, seed), SELECT_ON)


def open_data(task, manifest_path):
    """Training and validation split, feature size of each modality, number of outputs."""
    folder = Path(manifest_path).parent
    manifest = read_manifest(folder, task.name)
    splits = [task.open(folder, part) for part in task.splits[:2]]
    return splits, manifest["input_sizes"], task.outputs(manifest)


def stored_file(folder, part):
    """Where an expert's stored outputs of one split lie."""
    return Path(folder) / f"outputs_{part}.npy"


def with_stored(split, folders, part):
    """The split with the stored outputs of its experts, (N, K, C).

    Raises:
        InputError: outputs of another number of samples.
    """
    arrays = []
    for folder in folders:
        path = stored_file(folder, part)
        array = np.load(path, allow_pickle=False)
        if len(array) != len(split):
            raise InputError(
                "stored outputs of other data", file=path, found=len(array), expected=len(split)
            )
        arrays.append(torch.from_numpy(array))
    return replace(split, stored={STORED: torch.stack(arrays, dim=1)})


def _loop(training, seed):
    return LoopSettings(
        epochs=training["epochs"],
        seed=seed,
        patience=training["patience"],
        clip_norm=training["clip_norm"],
    )
