"""One training run of a dynamic model, from prepared arrays and experts to its best weights."""

import torch

from dynmm.models.dynamic_build import dynamic_from, load_expert_weights
from dynmm.training.dynamic import DynamicTraining
from dynmm.training.expert_run import SELECT_ON, loop_settings, open_data
from dynmm.training.stored_outputs import with_stored
from dynmm.training.trained_run import run_to_end


def train_dynamic(
    name, task, config, manifest_path, expert_weights, stored, seed, device, directory
):
    """Train one point of the grid with one seed.

    Args:
        name, task, manifest_path, seed, device, directory: as for `train_expert`.
        config: `experts` and `gate` (settings for `dynamic_from`) and `training`.
        expert_weights: weights of the experts, in their order.
        stored: for frozen experts their stored outputs: files of the training split and files of
            the validation split, each in the order of the experts.

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
            splits = [with_stored(s, paths) for s, paths in zip(splits, stored, strict=True)]
        data = {"train": splits[0], "validation": splits[1], "seed": seed, "device": device}
        return DynamicTraining(name, task, model, training, madds, **data)

    return run_to_end(build, directory, loop_settings(training, seed), SELECT_ON)
