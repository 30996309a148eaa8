"""The gate of the paper on MM-IMDB: a two-layer perceptron on the concatenated features."""

import torch

from dynmm.models.experts.availability import availability_mask
from dynmm.models.experts.mlp import Mlp
from dynmm.models.experts.registry import register_gate
from dynmm.options import Flag, Size


@register_gate("mmimdb", "mlp")
class MlpGate(Mlp):
    """Linear, ReLU, linear on all modalities side by side (paper section 4.1: hidden size 128).

    Args:
        input_sizes: feature size of each modality, in the order in which they are concatenated.
        experts: number of experts B to choose from.
        hidden: size of the hidden layer.
        availability: whether it reads which modalities are there, beside the features.
    """

    def __init__(self, input_sizes, experts, hidden: Size = 128, availability: Flag = False):
        size = sum(input_sizes.values()) + availability * len(input_sizes)
        super().__init__(size, hidden, experts)
        self.availability = availability
        self.modalities = tuple(input_sizes)

    def forward(self, inputs):
        """Gate logits (B, experts) of a dict of features, each (B, size)."""
        read = [inputs[name] for name in self.modalities]
        if self.availability:
            read.append(availability_mask(inputs, self.modalities))
        return super().forward(torch.cat(read, dim=1))
