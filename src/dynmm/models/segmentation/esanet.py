"""ESANet (Seichter et al. 2021): the paper's static baseline, and its one-modality form."""

from torch import nn

from dynmm.errors import InputError
from dynmm.models.segmentation.context import PyramidPooling
from dynmm.models.segmentation.decoder import Decoder
from dynmm.models.segmentation.fusion import FUSIONS, ConvBNAct, SqueezeAndExcitation
from dynmm.models.segmentation.resnet import ResNetEncoder, pool

STAGES = (1, 2, 3, 4)
SIZE_STEP = 32


class SegmentationNetwork(nn.Module):
    """What the networks share: skip connections, context module and decoder.

    Args:
        encoder: resnet10, resnet18, resnet34 or resnet50.
        block: BasicBlock or NonBottleneck1D (ResNet-50 always has Bottleneck).
        channels_decoder: widths of the three decoder modules, coarse to fine.
        nr_decoder_blocks: blocks of each.
        fusion: "SE-add" or "add".
        height, width: size in pixels at which the network's cost is counted.
        num_classes: number of classes, 40 for NYU Depth V2.

    Raises:
        InputError: if height or width is no multiple of 32.
    """

    def __init__(
        self,
        *,
        encoder,
        block,
        channels_decoder,
        nr_decoder_blocks,
        fusion,
        height,
        width,
        num_classes,
    ):
        super().__init__()
        _check_size(height, width)
        self.arguments = {
            "encoder": encoder,
            "block": block,
            "channels_decoder": list(channels_decoder),
            "nr_decoder_blocks": list(nr_decoder_blocks),
            "fusion": fusion,
            "height": height,
            "width": width,
            "num_classes": num_classes,
        }
        self._add_encoders(encoder, block, fusion)
        channels = self.encoder_channels()
        for stage, decoder_width in zip((1, 2, 3), reversed(channels_decoder), strict=True):
            skip = nn.Sequential()
            if channels[stage] != decoder_width:
                skip.append(ConvBNAct(channels[stage], decoder_width, 1))
            self.add_module(f"skip_layer{stage}", skip)
        self.context_module = PyramidPooling(channels[4], channels_decoder[0])
        self.decoder = Decoder(channels_decoder, nr_decoder_blocks, num_classes)

    def decode(self, features):
        """Logits from the outputs of stages 1 to 4; in training mode also the side outputs."""
        skips = [self.get_submodule(f"skip_layer{i}")(features[i - 1]) for i in (3, 2, 1)]
        return self.decoder(self.context_module(features[3]), *skips)


class ESANet(SegmentationNetwork):
    """RGB and depth, fused after the stem and after each of the four stages."""

    def _add_encoders(self, encoder, block, fusion):
        self.encoder_rgb = ResNetEncoder(encoder, block, 3)
        self.encoder_depth = ResNetEncoder(encoder, block, 1)
        for stage, channels in enumerate(self.encoder_rgb.channels):
            self.add_module(f"se_layer{stage}", FUSIONS[fusion](channels))

    def encoder_channels(self):
        """Channels after the stem and after each stage."""
        return self.encoder_rgb.channels

    def fuse(self, stage, rgb, depth):
        """Operation 2 of the fusion cell after a stage (0: after the stem)."""
        return self.get_submodule(f"se_layer{stage}")(rgb, depth)

    def first_stage(self, rgb, depth):
        """Stems, first fusion and pooling; always run, they feed the gate too.

        (B, 3, H, W), (B, 1, H, W) -> two (B, 64, H / 4, W / 4), fused and depth
        """
        rgb, depth = self.encoder_rgb.stem(rgb), self.encoder_depth.stem(depth)
        return pool(self.fuse(0, rgb, depth)), pool(depth)

    def forward(self, rgb, depth):
        """Class logits of both modalities.

        Args:
            rgb: (B, 3, H, W) float32, normalised.
            depth: (B, 1, H, W) float32, normalised.

        Returns:
            (B, C, H, W) logits; in training mode a tuple of those and the side outputs at 1/8,
            1/16 and 1/32.
        """
        rgb, depth = self.first_stage(rgb, depth)
        features = []
        for stage in STAGES:
            depth = self.encoder_depth.stage(stage, depth)
            rgb = self.fuse(stage, self.encoder_rgb.stage(stage, rgb), depth)
            features.append(rgb)
        return self.decode(features)


class ESANetOneModality(SegmentationNetwork):
    """The same with one encoder; with "SE-add" each stage squeezes and excites its output.

    Args:
        modality: "rgb" (3 channels) or "depth" (1 channel).
        arguments: as of `SegmentationNetwork`.
    """

    def __init__(self, modality, **arguments):
        self.modality = modality
        super().__init__(**arguments)
        self.arguments["modality"] = modality

    def _add_encoders(self, encoder, block, fusion):
        self.encoder = ResNetEncoder(encoder, block, {"rgb": 3, "depth": 1}[self.modality])
        for stage, channels in enumerate(self.encoder.channels):
            weighting = SqueezeAndExcitation(channels) if fusion == "SE-add" else nn.Identity()
            self.add_module(f"se_layer{stage}", weighting)

    def encoder_channels(self):
        """Channels after the stem and after each stage."""
        return self.encoder.channels

    def forward(self, image):
        """As `ESANet.forward`, of one (B, 3 or 1, H, W) image."""
        x = pool(self.se_layer0(self.encoder.stem(image)))
        features = []
        for stage in STAGES:
            x = self.get_submodule(f"se_layer{stage}")(self.encoder.stage(stage, x))
            features.append(x)
        return self.decode(features)


def _check_size(height, width):
    for key, value in (("height", height), ("width", width)):
        if value <= 0 or value % SIZE_STEP:
            raise InputError(
                "the segmentation networks halve their input five times",
                key=f"network.{key}",
                found=value,
                expected=f"a multiple of {SIZE_STEP}",
            )
