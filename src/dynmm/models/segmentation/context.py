"""Pyramid pooling: the context module between encoder and decoder (Zhao et al. 2017)."""

import torch
from torch import nn
from torch.nn import functional as F

from dynmm.models.segmentation.fusion import ConvBNAct

BINS = (1, 5)


class BinMeans(nn.AdaptiveAvgPool2d):
    """Adaptive average pooling, whose gradient a GPU has in a fixed order of summation too.

    torch has none for more than one bin, and stops where `use_deterministic_algorithms` asks for
    it.
    """

    def forward(self, x):
        """(B, C, H, W) -> (B, C, bins, bins)."""
        if x.is_cuda and torch.are_deterministic_algorithms_enabled():
            return means_by_products(x, self.output_size)
        return super().forward(x)


def means_by_products(x, bins):
    """The means of `bins` x `bins` bins of (B, C, H, W) as two matrix products."""
    rows, columns = (_bin_weights(size, bins).to(x) for size in x.shape[-2:])
    return rows @ x @ columns.T


def _bin_weights(size, bins):
    """(bins, size): what each place counts in the mean of each bin, by torch's borders of bins."""
    weights = torch.zeros(bins, size)
    for place in range(bins):
        start, end = place * size // bins, -(-(place + 1) * size // bins)
        weights[place, start:end] = 1 / (end - start)
    return weights


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
            nn.Sequential(BinMeans(bins), ConvBNAct(channels_in, reduced, 1)) for bins in BINS
        )
        self.final_conv = ConvBNAct(channels_in + reduced * len(BINS), channels_out, 1)

    def forward(self, x):
        """(B, channels_in, H, W) -> (B, channels_out, H, W)."""
        size = x.shape[-2:]
        pooled = [F.interpolate(branch(x), size, mode="nearest") for branch in self.features]
        return self.final_conv(torch.cat([x, *pooled], dim=1))
