"""Pyramid pooling: the context module between encoder and decoder (Zhao et al. 2017)."""

import torch
from torch import nn
from torch.nn import functional as F

from dynmm.models.segmentation.fusion import ConvBNAct

BINS = (1, 5)


class PyramidPooling(nn.Module):
    """Means over 1x1 and 5x5 bins, spread back by nearest neighbours and put beside the input.

    Args:
        channels_in: C of the encoder's last stage.
        channels_out: width of the first decoder module.
    """

    def __init__(self, channels_in, channels_out):
        super().__init__()
        reduced = channels_in // len(BINS)
        self.features = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), ConvBNAct(channels_in, reduced, 1))
            for bins in BINS
        )
        self.final_conv = ConvBNAct(channels_in + reduced * len(BINS), channels_out, 1)

    def forward(self, x):
        """(B, channels_in, H, W) -> (B, channels_out, H, W)."""
        size = x.shape[-2:]
        pooled = [F.interpolate(branch(x), size, mode="nearest") for branch in self.features]
        return self.final_conv(torch.cat([x, *pooled], dim=1))
