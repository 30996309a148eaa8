"""What an expert or a gate sees of a batch."""

import torch

FIRST = "first_outputs"  # the cheapest expert's outputs (B, C), among the inputs of some gates


def rows_for(expert, inputs, rows=None):
    """The inputs that an expert reads, of some rows of the batch (None: of all)."""
    names = [*expert.modalities, *(["lengths"] if "lengths" in inputs else [])]
    if rows is None:
        return {name: inputs[name] for name in names}
    return {name: inputs[name].index_select(0, rows.to(inputs[name].device)) for name in names}


def first_of_one(network):
    """Made-up outputs of the first expert for one sample, for counting what such a gate computes.

    Returns:
        {`FIRST`: (1, C)} for a gate that reads it, else nothing.
    """
    reads = getattr(network, "reads_first", False)
    return {FIRST: torch.zeros(1, network.outputs)} if reads else {}


def joint_size(input_sizes, modalities):
    """Feature size of modalities side by side."""
    return sum(input_sizes[modality] for modality in modalities)


def side_by_side(inputs, modalities):
    """Modalities side by side, (..., joint size)."""
    return torch.cat([inputs[modality] for modality in modalities], dim=-1)
