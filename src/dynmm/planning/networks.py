"""Bytes of the networks that a plan will train, counted on networks without memory."""

import torch

from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import dynamic_from, freeze, trained_part
from dynmm.models.segmentation.build import build_segmentation
from dynmm.tasks import load_gating, load_task
from dynmm.vocabulary import NYUV2


def weights_bytes(task, config, sizes, outputs):
    """Bytes of the tensors that a training leaves as its weights.

    Args:
        task: name of the task.
        config: the slice of the configuration that the training is given.
        sizes, outputs: feature size of each modality and number of outputs of the data; not read
            for NYU Depth V2.
    """
    with torch.device("meta"):
        network = _network(task, config, sizes, outputs)
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def _network(task, config, sizes, outputs):
    if task == NYUV2:
        network = {**config["network"], "pretrained": "none"}  # the tensors are the same
        return build_segmentation(config["training"]["model"], network)
    load_task(task)  # registers its experts
    if "expert" in config:
        return expert_from(task, config["expert"], sizes, outputs)
    load_gating(task)  # registers its gates
    model = dynamic_from(task, config, sizes, outputs)
    freeze(model, config["training"]["freeze"])
    return trained_part(model)
