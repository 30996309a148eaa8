"""The gate of the paper on MM-IMDB: a two-layer perceptron on the concatenated features."""

import torch

from dynmm.models.experts.mlp import Mlp
from dynmm.models.experts.registry import register_gate

JOINED = "joined"


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
        return super().forward(self.join(inputs)[JOINED])

    def join(self, inputs):
        """The inputs as this gate reads them, one tensor of all modalities side by side.

        Training on stored expert outputs joins a whole split once; joined inputs come back as
        they are.
        """
        if JOINED in inputs:
            return inputs
        return {JOINED: torch.cat([inputs[name] for name in self.modalities], dim=1)}
