"""Fusing one feature vector per modality: low-rank tensors and multiplicative interactions."""

import torch
from torch import nn

from dynmm.errors import InputError
from dynmm.options import FUSION_PARTS


class LowRankTensorFusion(nn.Module):
    """Low-rank tensor fusion (Liu et al. 2018), as in MultiBench but for its factors.

    There the factors lie in a plain list, so they are neither trained nor saved, and on a GPU
    `.to("cuda")` makes plain tensors of the fusion's weights and bias, so that these are not
    trained either. Here all are parameters like any other.

    Args:
        input_sizes: feature size of each modality.
        outputs: size of the fused vector.
        rank: number of factors a modality.
        untrained: parts that keep their initial values, of "factors", "fusion_weights" and
            "fusion_bias": the first for the authors' training on a CPU, all three for theirs on a
            GPU. They are saved all the same.

    Raises:
        InputError: an unknown part.
    """

    def __init__(self, input_sizes, outputs, rank, untrained=()):
        super().__init__()
        self.factors = nn.ParameterList(
            nn.Parameter(torch.empty(rank, size + 1, outputs)) for size in input_sizes
        )
        self.fusion_weights = nn.Parameter(torch.empty(1, rank))
        self.fusion_bias = nn.Parameter(torch.zeros(1, outputs))
        for parameter in (*self.factors, self.fusion_weights):
            nn.init.xavier_normal_(parameter)
        for part in untrained:
            if part not in FUSION_PARTS:
                raise InputError(
                    "unknown part of low-rank fusion",
                    key="untrained",
                    found=part,
                    expected=", ".join(FUSION_PARTS),
                )
            getattr(self, part).requires_grad_(False)

    def forward(self, features):
        """List of (B, size) to (B, outputs)."""
        product = None
        for x, factor in zip(features, self.factors, strict=True):
            # row 0 of a factor multiplies the constant 1 put before the features
            projected = torch.matmul(x, factor[:, 1:]) + factor[:, :1]
            product = projected if product is None else product * projected
        return torch.einsum("r,rbo->bo", self.fusion_weights[0], product) + self.fusion_bias


class MatrixInteraction(nn.Module):
    """Multiplicative interactions of two modalities, matrix form (Jayakumar et al. 2020).

    y = x1 W x2 + x1 U + x2 V + b, with W of shape (size1, size2, outputs): at the paper's sizes
    268 million weights.

    Args:
        input_sizes: feature sizes of the two modalities.
        outputs: size of the fused vector.
    """

    def __init__(self, input_sizes, outputs):
        super().__init__()
        first, second = input_sizes
        self.W = nn.Parameter(torch.empty(first, second, outputs))
        self.U = nn.Parameter(torch.empty(first, outputs))
        self.V = nn.Parameter(torch.empty(second, outputs))
        self.b = nn.Parameter(torch.empty(outputs))
        for parameter in (self.W, self.U, self.V):
            nn.init.xavier_normal_(parameter)
        nn.init.normal_(self.b)

    def forward(self, features):
        """Two tensors (B, size1) and (B, size2) to (B, outputs)."""
        first, second = features
        # the outer product is `outputs / size1` times smaller than x1 W would be
        outer = (first.unsqueeze(2) * second.unsqueeze(1)).flatten(1)
        return outer @ self.W.flatten(0, 1) + first @ self.U + second @ self.V + self.b
