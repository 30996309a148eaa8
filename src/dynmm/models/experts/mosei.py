"""The experts on CMU-MOSEI: transformers and GRUs over vision, audio and text.

Architectures and parameter names are those of the authors' scripts (affect_uni.py, affect_mm.py,
affect_dyn.py over MultiBench). An expert is called with a dict of `vision`, `audio`, `text`
(B, L, size) float, padded at the end, and `lengths` (B,) int64; of the first it reads what it
declares. It returns (B, outputs). The options heads, layers, feedforward, dropout and readout are
those of `SequenceTransformer`.
"""

import torch
from torch import nn

from dynmm.models.experts.inputs import joint_size, side_by_side
from dynmm.models.experts.mlp import Mlp
from dynmm.models.experts.registry import register_expert
from dynmm.models.experts.sequence_gru import SequenceGru
from dynmm.models.experts.sequence_transformer import SequenceTransformer
from dynmm.options import Depth, Readout, Share, Size, ThreeSizes, shared_by, three_shared_by
from dynmm.vocabulary import MOSEI, MOSEI_MODALITIES

# see `dynmm.models.experts.width`
TRANSFORMER_WIDTHS = {"width": "heads", "hidden": None, "feedforward": None}


class UnimodalTransformer(nn.Sequential):
    """A transformer on one modality and a perceptron (affect_uni.py)."""

    modalities: tuple
    width_options = TRANSFORMER_WIDTHS

    def __init__(
        self,
        input_sizes,
        outputs,
        width: shared_by("heads") = 120,
        hidden: Size = 64,
        heads: Depth = 5,
        layers: Depth = 5,
        feedforward: Size = 2048,
        dropout: Share = 0.1,
        readout: Readout = "last_valid",
    ):
        encoder = SequenceTransformer(
            input_sizes[self.modalities[0]],
            width,
            heads=heads,
            layers=layers,
            feedforward=feedforward,
            dropout=dropout,
            readout=readout,
        )
        super().__init__(encoder, Mlp(width, hidden, outputs))

    def forward(self, inputs):
        """Scores (B, outputs)."""
        encoder, head = self
        return head(encoder(inputs[self.modalities[0]], inputs["lengths"]))


@register_expert(MOSEI, "video")
class VideoTransformer(UnimodalTransformer):
    """The video network of table 2."""

    modalities = ("vision",)


@register_expert(MOSEI, "audio")
class AudioTransformer(UnimodalTransformer):
    """The audio network of table 2."""

    modalities = ("audio",)


@register_expert(MOSEI, "text")
class TextTransformer(UnimodalTransformer):
    """The text network of table 2, expert E1."""

    modalities = ("text",)


@register_expert(MOSEI, "early_fusion")
class EarlyFusionTransformer(nn.Module):
    """One transformer on the modalities side by side (affect_mm.py, `ef_tran`)."""

    modalities = MOSEI_MODALITIES
    width_options = TRANSFORMER_WIDTHS

    def __init__(
        self,
        input_sizes,
        outputs,
        width: shared_by("heads") = 300,
        hidden: Size = 128,
        heads: Depth = 5,
        layers: Depth = 5,
        feedforward: Size = 2048,
        dropout: Share = 0.1,
        readout: Readout = "last_valid",
    ):
        super().__init__()
        encoder = SequenceTransformer(
            joint_size(input_sizes, MOSEI_MODALITIES),
            width,
            heads=heads,
            layers=layers,
            feedforward=feedforward,
            dropout=dropout,
            readout=readout,
        )
        self.head = nn.Sequential(encoder, Mlp(width, hidden, outputs))

    def forward(self, inputs):
        """Scores (B, outputs)."""
        encoder, head = self.head
        return head(encoder(side_by_side(inputs, MOSEI_MODALITIES), inputs["lengths"]))


@register_expert(MOSEI, "late_fusion")
class LateFusionTransformer(nn.Module):
    """A transformer on each modality, their vectors concatenated (`lf_tran`), expert E2."""

    modalities = MOSEI_MODALITIES
    width_options = {"widths": "heads", "hidden": None, "feedforward": None}  # noqa: RUF012

    def __init__(
        self,
        input_sizes,
        outputs,
        widths: three_shared_by("heads") = (60, 120, 120),
        hidden: Size = 128,
        heads: Depth = 5,
        layers: Depth = 5,
        feedforward: Size = 2048,
        dropout: Share = 0.1,
        readout: Readout = "last_valid",
    ):
        super().__init__()
        self.encoders = nn.ModuleList(
            SequenceTransformer(
                input_sizes[modality],
                width,
                heads=heads,
                layers=layers,
                feedforward=feedforward,
                dropout=dropout,
                readout=readout,
            )
            for modality, width in zip(self.modalities, widths, strict=True)
        )
        self.head = Mlp(sum(widths), hidden, outputs)

    def forward(self, inputs):
        """Scores (B, outputs)."""
        return self.head(_read_each(self.encoders, inputs))


@register_expert(MOSEI, "early_fusion_gru")
class EarlyFusionGru(nn.Module):
    """One GRU on the modalities side by side (`ef_gru`)."""

    modalities = MOSEI_MODALITIES
    width_options = dict.fromkeys(("width", "hidden"))

    def __init__(
        self, input_sizes, outputs, width: Size = 512, hidden: Size = 256, dropout: Share = 0.1
    ):
        super().__init__()
        encoder = SequenceGru(joint_size(input_sizes, MOSEI_MODALITIES), width, dropout)
        self.head = nn.Sequential(encoder, Mlp(width, hidden, outputs))

    def forward(self, inputs):
        """Scores (B, outputs)."""
        encoder, head = self.head
        return head(encoder(side_by_side(inputs, MOSEI_MODALITIES), inputs["lengths"]))


@register_expert(MOSEI, "late_fusion_gru")
class LateFusionGru(nn.Module):
    """A GRU on each modality, their last states concatenated (`lf_gru`)."""

    modalities = MOSEI_MODALITIES
    width_options = dict.fromkeys(("widths", "hidden"))

    def __init__(
        self,
        input_sizes,
        outputs,
        widths: ThreeSizes = (64, 128, 512),
        hidden: Size = 512,
        dropout: Share = 0.1,
    ):
        super().__init__()
        self.encoders = nn.ModuleList(
            SequenceGru(input_sizes[modality], width, dropout)
            for modality, width in zip(self.modalities, widths, strict=True)
        )
        self.head = Mlp(sum(widths), hidden, outputs)

    def forward(self, inputs):
        """Scores (B, outputs)."""
        return self.head(_read_each(self.encoders, inputs))


def _read_each(encoders, inputs):
    vectors = [
        encoder(inputs[modality], inputs["lengths"])
        for encoder, modality in zip(encoders, MOSEI_MODALITIES, strict=True)
    ]
    return torch.cat(vectors, dim=1)
