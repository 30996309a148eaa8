"""ResNet encoders as ESANet uses them; parameters are named as in the authors' state dicts.

ResNet-10, one block a stage, is none of ESANet's: Simon et al. 2016 (arXiv 1612.01452) have it.
"""

from torch import nn
from torch.nn import functional as F

BLOCKS_PER_STAGE = {
    "resnet10": (1, 1, 1, 1),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
}
STEM_CHANNELS = 64
STAGE_CHANNELS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual connection (He et al. 2016)."""

    expansion = 1

    def __init__(self, channels_in, channels, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample

    def forward(self, x):
        """(B, channels_in, H, W) -> (B, channels, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return _add_residual(self.bn2(self.conv2(y)), x, self.downsample)


class NonBottleneck1D(nn.Module):
    """ERFNet's block: 3x3 convolutions split into 3x1 and 1x3 (Romera et al. 2018)."""

    expansion = 1

    def __init__(self, channels_in, channels, stride=1, downsample=None):
        super().__init__()
        self.conv3x1_1 = nn.Conv2d(channels_in, channels, (3, 1), (stride, 1), (1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), (1, stride), (0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn2 = nn.BatchNorm2d(channels, eps=1e-3)
        self.downsample = downsample

    def forward(self, x):
        """(B, channels_in, H, W) -> (B, channels, H / stride, W / stride)."""
        y = F.relu(self.conv3x1_1(x), inplace=True)
        y = F.relu(self.bn1(self.conv1x3_1(y)), inplace=True)
        y = F.relu(self.conv3x1_2(y), inplace=True)
        return _add_residual(self.bn2(self.conv1x3_2(y)), x, self.downsample)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, four times as wide outside; the stride is on the 3x3."""

    expansion = 4

    def __init__(self, channels_in, channels, stride=1, downsample=None):
        super().__init__()
        wide = channels * self.expansion
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = downsample

    def forward(self, x):
        """(B, channels_in, H, W) -> (B, 4 * channels, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return _add_residual(self.bn3(self.conv3(y)), x, self.downsample)


BLOCKS = {block.__name__: block for block in (BasicBlock, NonBottleneck1D)}


def block_of(encoder, block):
    """Class of an encoder's blocks; ResNet-50 has Bottleneck whatever the name (as in ESANet)."""
    return Bottleneck if encoder == "resnet50" else BLOCKS[block]


class ResNetEncoder(nn.Module):
    """Stem and four stages, run one by one because fusion comes in between.

    Args:
        encoder: resnet10, resnet18, resnet34 or resnet50.
        block: BasicBlock or NonBottleneck1D; ResNet-50 always has Bottleneck.
        input_channels: 3 for RGB, 1 for depth.
    """

    def __init__(self, encoder, block, input_channels):
        super().__init__()
        kind = block_of(encoder, block)
        self.channels = (STEM_CHANNELS, *(n * kind.expansion for n in STAGE_CHANNELS))
        self.conv1 = nn.Conv2d(input_channels, STEM_CHANNELS, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        sizes = zip(self.channels, STAGE_CHANNELS, BLOCKS_PER_STAGE[encoder], strict=False)
        for number, (channels_in, channels, blocks) in enumerate(sizes, start=1):
            stride = 1 if number == 1 else 2
            stage = _stage(kind, channels_in, channels, blocks, stride)
            self.add_module(f"layer{number}", stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, x):
        """First convolution at half resolution, before pooling.

        (B, input_channels, H, W) -> (B, 64, H / 2, W / 2)
        """
        return F.relu(self.bn1(self.conv1(x)), inplace=True)

    def stage(self, number, x):
        """Residual stage 1..4; its output has 1/4, 1/8, 1/16, 1/32 of the input's resolution."""
        return self.get_submodule(f"layer{number}")(x)


def pool(x):
    """The max pooling between stem and stage 1: (B, C, H, W) -> (B, C, H / 2, W / 2)."""
    return F.max_pool2d(x, 3, stride=2, padding=1)


def _stage(block, channels_in, channels, blocks, stride):
    wide = channels * block.expansion
    downsample = None
    if stride != 1 or channels_in != wide:
        downsample = nn.Sequential(
            nn.Conv2d(channels_in, wide, 1, stride, bias=False), nn.BatchNorm2d(wide)
        )
    first = block(channels_in, channels, stride, downsample)
    return nn.Sequential(first, *(block(wide, channels) for _ in range(blocks - 1)))


def _add_residual(y, x, downsample):
    return F.relu(y + (x if downsample is None else downsample(x)), inplace=True)
