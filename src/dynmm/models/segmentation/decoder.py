"""ESANet's decoder: three modules, each with a side output, and two more upsamplings."""

import torch
from torch import nn
from torch.nn import functional as F

from dynmm.models.segmentation.fusion import ConvBNAct
from dynmm.models.segmentation.resnet import NonBottleneck1D


class LearnedUpsample(nn.Module):
    """Nearest neighbour by 2, then a depthwise 3x3 convolution (zero padding).

    It starts as bilinear interpolation and is learned from there ("learned-3x3-zeropad").
    """

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        tent = torch.tensor([0.25, 0.5, 0.25])
        with torch.no_grad():
            self.conv.weight.copy_(tent[:, None] * tent)
            self.conv.bias.zero_()

    def forward(self, x):
        """(B, C, H, W) -> (B, C, 2 H, 2 W)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class DecoderModule(nn.Module):
    """3x3 convolution, blocks, upsampling, and the sum with the encoder's features.

    Args:
        channels_in, channels: widths before and inside.
        blocks: number of NonBottleneck1D blocks.
        num_classes: channels of the side output.
    """

    def __init__(self, channels_in, channels, blocks, num_classes):
        super().__init__()
        self.conv3x3 = ConvBNAct(channels_in, channels, 3)
        self.decoder_blocks = nn.Sequential(
            *(NonBottleneck1D(channels, channels) for _ in range(blocks))
        )
        self.upsample = LearnedUpsample(channels)
        self.side_output = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x, skip):
        """(B, channels_in, H, W) and (B, channels, 2 H, 2 W) of the encoder -> two tensors.

        Returns (B, channels, 2 H, 2 W) and the side output (B, num_classes, H, W), which is
        None in eval mode.
        """
        x = self.decoder_blocks(self.conv3x3(x))
        side = self.side_output(x) if self.training else None
        return self.upsample(x) + skip, side


class Decoder(nn.Module):
    """From 1/32 of the resolution to class logits at the full one.

    Args:
        channels: widths of the three modules; the context module gives the first of them.
        blocks: NonBottleneck1D blocks of each.
        num_classes: number of classes.
    """

    def __init__(self, channels, blocks, num_classes):
        super().__init__()
        widths = [channels[0], *channels]
        for i in range(3):
            module = DecoderModule(widths[i], widths[i + 1], blocks[i], num_classes)
            self.add_module(f"decoder_module_{i + 1}", module)
        self.conv_out = nn.Conv2d(widths[-1], num_classes, 3, padding=1)
        self.upsample1 = LearnedUpsample(num_classes)
        self.upsample2 = LearnedUpsample(num_classes)

    def forward(self, context, skip16, skip8, skip4):
        """Features at 1/32, 1/16, 1/8, 1/4 -> logits (B, num_classes, H, W).

        In training mode also those at 1/8, 1/16 and 1/32, in this order.
        """
        x, side32 = self.decoder_module_1(context, skip16)
        x, side16 = self.decoder_module_2(x, skip8)
        x, side8 = self.decoder_module_3(x, skip4)
        logits = self.upsample2(self.upsample1(self.conv_out(x)))
        return (logits, side8, side16, side32) if self.training else logits
