"""The gate on CMU-MOSEI: a transformer over vision, audio and text (affect_dyn.py)."""

import torch
from torch import nn

from dynmm.models.experts.availability import availability_mask
from dynmm.models.experts.inputs import joint_size, side_by_side
from dynmm.models.experts.registry import register_gate
from dynmm.models.experts.sequence_transformer import SequenceTransformer
from dynmm.options import Depth, Flag, Readout, Share, Size, shared_by
from dynmm.vocabulary import MOSEI, MOSEI_MODALITIES


@register_gate(MOSEI, "transformer")
class TransformerGate(nn.Sequential):
    """A transformer on all modalities side by side and a linear layer.

    The defaults are the gate of the authors' code (affect_dyn.py). The paper's text has one of
    hidden size 512 with 2 heads (section 4.2) and says neither its layers nor its feedforward size.
    With `availability` the linear layer also reads which modalities are there.
    """

    modalities = MOSEI_MODALITIES

    def __init__(
        self,
        input_sizes,
        experts,
        width: shared_by("heads") = 10,
        heads: Depth = 5,
        layers: Depth = 5,
        feedforward: Size = 2048,
        dropout: Share = 0.1,
        readout: Readout = "last_valid",
        availability: Flag = False,
    ):
        encoder = SequenceTransformer(
            joint_size(input_sizes, MOSEI_MODALITIES),
            width,
            heads=heads,
            layers=layers,
            feedforward=feedforward,
            dropout=dropout,
            readout=readout,
        )
        super().__init__(encoder, nn.Linear(width + availability * len(self.modalities), experts))
        self.availability = availability

    def forward(self, inputs):
        """Gate logits (B, experts)."""
        encoder, linear = self
        read = encoder(side_by_side(inputs, MOSEI_MODALITIES), inputs["lengths"])
        if self.availability:
            read = torch.cat([read, availability_mask(inputs, self.modalities)], dim=1)
        return linear(read)
