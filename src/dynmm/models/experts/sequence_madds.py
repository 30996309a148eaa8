"""Multiply-adds of networks on sequences, at one length and at the lengths that data have."""

import torch

from dynmm.models.experts.inputs import first_of_one
from dynmm.models.experts.sequence_transformer import published_computation
from dynmm.models.madds import count_madds

REFERENCE_LENGTH = 50  # of the paper's table 2: every sequence padded to 50 steps


def madds_at_length(network, input_sizes, length=REFERENCE_LENGTH):
    """Multiply-adds of a published network for one sample of `length` steps.

    Args:
        network: an expert or a gate of CMU-MOSEI.
        input_sizes: feature size of each modality.
        length: number of time steps.

    Returns:
        dict of int by convention, as `count_madds` has it.
    """
    device = next(network.parameters()).device
    inputs = {name: torch.zeros(1, length, size) for name, size in input_sizes.items()}
    inputs |= {"lengths": torch.tensor([length]), **first_of_one(network)}
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    with published_computation(network):
        return count_madds(network, inputs)


def madds_of_samples(network, input_sizes, lengths):
    """Multiply-adds for samples of the given lengths, each length counted once.

    Args:
        network, input_sizes: as in `madds_at_length`.
        lengths: (N,) int64.

    Returns:
        convention -> (N,) int64.
    """
    different, place = lengths.unique(return_inverse=True)
    counts = [madds_at_length(network, input_sizes, length) for length in different.tolist()]
    return {name: torch.tensor([count[name] for count in counts])[place] for name in counts[0]}
