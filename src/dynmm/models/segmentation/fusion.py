"""Fusion of RGB and depth features, and the small convolution that everything around uses."""

from torch import nn
from torch.nn import functional as F

REDUCTION = 16


class ConvBNAct(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; the resolution stays."""

    def __init__(self, channels_in, channels_out, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel_size, padding=kernel_size // 2, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out)
        self.act = nn.ReLU(inplace=True)


class SqueezeAndExcitation(nn.Module):
    """Weight each channel by a function of all channel means (Hu et al. 2018)."""

    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Conv2d(channels, channels // REDUCTION, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // REDUCTION, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        """(B, C, H, W) -> the same shape."""
        return x * self.fc(F.adaptive_avg_pool2d(x, 1))


class SqueezeAndExciteFusionAdd(nn.Module):
    """Squeeze and excite both, then add: operation 2 of the paper's fusion cell."""

    def __init__(self, channels):
        super().__init__()
        self.se_rgb = SqueezeAndExcitation(channels)
        self.se_depth = SqueezeAndExcitation(channels)

    def forward(self, rgb, depth):
        """Two (B, C, H, W) -> (B, C, H, W)."""
        return self.se_rgb(rgb) + self.se_depth(depth)


class FusionAdd(nn.Module):
    """Plain sum."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, rgb, depth):
        """Two (B, C, H, W) -> (B, C, H, W)."""
        return rgb + depth


FUSIONS = {"SE-add": SqueezeAndExciteFusionAdd, "add": FusionAdd}
