"""Outputs of the experts of a dynamic model that trained them itself, for the routing study."""

import torch

from dynmm.inference.modality import run_expert

TEST_OUTPUTS, VALIDATION_OUTPUTS = "expert_outputs", "validation_expert_outputs"


def own_expert_outputs(model, task, splits, settings, device):
    """What every expert under the gate says of every sample.

    Frozen experts have said it already, in the files of their own evaluation. Those that trained
    with the gate are in no other file.

    Args:
        model: `DynamicExperts` in evaluation mode, on `device`.
        task, settings, device: as for `run_expert`.
        splits: name of an array -> a split of the prepared data.

    Returns:
        Name of an array -> (N, K, C) float32.
    """
    return {
        name: torch.stack(
            [
                run_expert(expert, task, split, settings, device).outputs
                for expert in model.experts.values()
            ],
            dim=1,
        ).numpy()
        for name, split in splits.items()
    }
