"""The gate of the paper on MM-IMDB: a two-layer perceptron on the concatenated features."""

import torch

from dynmm.models.experts.mlp import Mlp
from dynmm.models.experts.registry import register_gate


@register_gate("mmimdb", "mlp")
class MlpGate(Mlp):
    """Linear, ReLU, linear on all modalities side by side (paper section 4.1: hidden size 128).

    Args:
        input_sizes: feature size of each modality, in the order in which they are concatenated.
        experts: number of experts B to choose from.
        hidden: size of the hidden layer.
    """

    def __init__(self, input_sizes, experts, hidden=128):
        super().__init__(sum(input_sizes.values()), hidden, experts)
        self.modalities = tuple(input_sizes)

    def forward(self, inputs):
        """Gate logits (B, experts) of a dict of features, each (B, size)."""
        return super().forward(torch.cat([inputs[name] for name in self.modalities], dim=1))
