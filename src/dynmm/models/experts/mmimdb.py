"""The experts of MM-IMDB: text, image and four ways of fusing them (paper table 1).

Sources: the authors' imdb_uni.py (text, image) and imdb_mm.py (the rest), over MultiBench's
modules. Inputs are a dict of features `text` (B, 300) and `image` (B, 4096); the sizes of the data
decide, the other sizes are options of the configuration with the authors' values as defaults.
"""

import torch
from torch import nn

from dynmm.models.experts.feature_fusion import LowRankTensorFusion, MatrixInteraction
from dynmm.models.experts.maxout import MaxoutMlp
from dynmm.models.experts.mlp import Mlp
from dynmm.models.experts.registry import register_expert
from dynmm.options import FusionParts, Share, Size


class Head(nn.Module):
    """One linear layer, named as in MultiBench."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x):
        """(B, inputs) to (B, outputs)."""
        return self.fc(x)


class UnimodalExpert(nn.Sequential):
    """Two perceptrons, an encoder and a head, on the features of one modality."""

    modalities: tuple
    width_options = dict.fromkeys(("hidden", "features", "head_hidden"))

    def __init__(self, input_sizes, outputs, hidden, features, head_hidden):
        encoder = Mlp(input_sizes[self.modalities[0]], hidden, features)
        super().__init__(encoder, Mlp(features, head_hidden, outputs))

    def forward(self, inputs):
        """Genre logits (B, outputs)."""
        return super().forward(inputs[self.modalities[0]])


@register_expert("mmimdb", "text")
class TextExpert(UnimodalExpert):
    """The text network, E1 of the paper."""

    modalities = ("text",)

    def __init__(
        self,
        input_sizes,
        outputs,
        hidden: Size = 512,
        features: Size = 512,
        head_hidden: Size = 512,
    ):
        super().__init__(input_sizes, outputs, hidden, features, head_hidden)


@register_expert("mmimdb", "image")
class ImageExpert(UnimodalExpert):
    """The image network."""

    modalities = ("image",)

    def __init__(
        self,
        input_sizes,
        outputs,
        hidden: Size = 1024,
        features: Size = 512,
        head_hidden: Size = 512,
    ):
        super().__init__(input_sizes, outputs, hidden, features, head_hidden)


@register_expert("mmimdb", "early_fusion")
class EarlyFusionExpert(nn.Module):
    """One maxout perceptron on the concatenated features."""

    modalities = ("text", "image")
    width_options = dict.fromkeys(("hidden", "second_hidden"))

    def __init__(
        self,
        input_sizes,
        outputs,
        hidden: Size = 512,
        second_hidden: Size = 512,
        dropout: Share = 0.3,
    ):
        super().__init__()
        inputs = sum(input_sizes[name] for name in self.modalities)
        self.head = MaxoutMlp(inputs, hidden, second_hidden, outputs, dropout)

    def fuse(self, inputs):
        """The concatenated features (B, sizes together)."""
        return torch.cat([inputs[name] for name in self.modalities], dim=1)

    def forward(self, inputs):
        """Genre logits (B, outputs)."""
        return self.head(self.fuse(inputs))


class EncoderFusionExpert(nn.Module):
    """A maxout encoder for each modality, a fusion of their outputs, a linear head."""

    modalities = ("text", "image")
    width_options = dict.fromkeys(("text_hidden", "image_hidden", "features"))

    def __init__(self, input_sizes, text_hidden, image_hidden, features, dropout):
        super().__init__()
        hidden = {"text": text_hidden, "image": image_hidden}
        self.encoders = nn.ModuleList(
            MaxoutMlp(input_sizes[name], hidden[name], features, dropout=dropout)
            for name in self.modalities
        )

    def encode(self, inputs):
        """Encoded modalities, a list of (B, features)."""
        encoded = zip(self.encoders, self.modalities, strict=True)
        return [encoder(inputs[name]) for encoder, name in encoded]

    def forward(self, inputs):
        """Genre logits (B, outputs)."""
        return self.head(self.fuse(self.encode(inputs)))


@register_expert("mmimdb", "late_fusion")
class LateFusionExpert(EncoderFusionExpert):
    """Maxout encoders, their outputs concatenated; E2 of the paper."""

    def __init__(
        self,
        input_sizes,
        outputs,
        text_hidden: Size = 512,
        image_hidden: Size = 1024,
        features: Size = 512,
        dropout: Share = 0.3,
    ):
        super().__init__(input_sizes, text_hidden, image_hidden, features, dropout)
        self.head = Head(len(self.modalities) * features, outputs)

    def fuse(self, encoded):
        """List of (B, features) to (B, features together)."""
        return torch.cat(encoded, dim=1)


@register_expert("mmimdb", "lrtf")
class LowRankTensorFusionExpert(EncoderFusionExpert):
    """Maxout encoders fused by low-rank tensors; `untrained` as of `LowRankTensorFusion`."""

    width_options = dict.fromkeys(("text_hidden", "image_hidden", "features", "fused"))

    def __init__(
        self,
        input_sizes,
        outputs,
        text_hidden: Size = 512,
        image_hidden: Size = 1024,
        features: Size = 512,
        fused: Size = 512,
        rank: Size = 128,
        dropout: Share = 0.3,
        untrained: FusionParts = (),
    ):
        super().__init__(input_sizes, text_hidden, image_hidden, features, dropout)
        sizes = [features] * len(self.modalities)
        self.fuse = LowRankTensorFusion(sizes, fused, rank, untrained)
        self.head = Head(fused, outputs)


@register_expert("mmimdb", "mi_matrix")
class MatrixInteractionExpert(EncoderFusionExpert):
    """Maxout encoders fused by multiplicative interactions in matrix form."""

    width_options = dict.fromkeys(("text_hidden", "image_hidden", "features", "fused"))

    def __init__(
        self,
        input_sizes,
        outputs,
        text_hidden: Size = 512,
        image_hidden: Size = 1024,
        features: Size = 512,
        fused: Size = 1024,
        dropout: Share = 0.3,
    ):
        super().__init__(input_sizes, text_hidden, image_hidden, features, dropout)
        self.fuse = MatrixInteraction([features] * len(self.modalities), fused)
        self.head = Head(fused, outputs)
