"""DynMM at the fusion level: one gate decides in how many stages depth is fused (paper, Fig. 3).

The gate has five paths, 0 to 4 fused cells. Once depth is dropped its encoder is not needed any
more: `infer` does not run it. The authors' `SkipGateESANet` runs everything always.
"""

import torch
from torch import nn
from torch.nn import functional as F

from dynmm.errors import InputError
from dynmm.models.gate_relaxation import MODES as RELAXED_MODES
from dynmm.models.gate_relaxation import random_paths, relax_gate
from dynmm.models.segmentation.esanet import STAGES, ESANet
from dynmm.models.segmentation.resnet import STEM_CHANNELS

PATHS = len(STAGES) + 1
MODES = (*RELAXED_MODES, "random", "static")
HIDDEN_CHANNELS = 8
SMALLEST_SIDE = 64  # two unpadded 5x5 convolutions of stride 2 at a quarter of the resolution


class GlobalGate(nn.Module):
    """Two 5x5 convolutions on the first-stage features of both encoders, mean, one logit a path."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2 * STEM_CHANNELS, HIDDEN_CHANNELS, 5, stride=2),
            nn.BatchNorm2d(HIDDEN_CHANNELS),
            nn.Tanh(),
            nn.Conv2d(HIDDEN_CHANNELS, HIDDEN_CHANNELS, 5, stride=2),
            nn.BatchNorm2d(HIDDEN_CHANNELS),
            nn.Tanh(),
        )
        self.fc = nn.Conv2d(HIDDEN_CHANNELS, PATHS, 1, bias=False)

    def forward(self, rgb, depth):
        """Two (B, 64, H / 4, W / 4) -> (B, 5) logits."""
        x = self.conv(torch.cat([rgb, depth], dim=1))
        return self.fc(F.adaptive_avg_pool2d(x, 1)).flatten(1)


class DynamicESANet(ESANet):
    """ESANet with a global gate; arguments as of `SegmentationNetwork`.

    Raises:
        InputError: if height or width is below 64 or no multiple of 32.
    """

    def __init__(self, **arguments):
        super().__init__(**arguments)
        for key in ("height", "width"):
            if arguments[key] < SMALLEST_SIDE:
                raise InputError(
                    "the gate's convolutions need a larger image",
                    key=f"network.{key}",
                    found=arguments[key],
                    expected=f"at least {SMALLEST_SIDE}",
                )
        self.gate_layer = GlobalGate()

    def forward(
        self, rgb, depth, *, mode=None, temperature=1.0, gumbel=False, generator=None, weights=None
    ):
        """Every path's work, mixed by the gate's weights: what training needs.

        A fusion cell gives (1 - s) rgb + s fused, s being the summed weight of the paths that
        fuse there.

        Args:
            rgb: (B, 3, H, W) float32, normalised.
            depth: (B, 1, H, W) float32, normalised.
            mode: "soft", "straight_through" or "hard" (the gate's, see `relax_gate`), "random"
                (uniformly random one-hot, Stage I) or "static" (all four cells fused).
            temperature, gumbel, generator: of the relaxation and of the random draws.
            weights: (B, 5), used instead of a mode.

        Returns:
            Logits as `ESANet.forward` gives them, and the weights (B, 5).

        Raises:
            ValueError: unless exactly one of mode and weights is given, or if mode is unknown.
        """
        if (mode is None) == (weights is None):
            raise ValueError("give either a gate mode or gate weights")
        rgb, depth = self.first_stage(rgb, depth)
        if weights is None:
            weights = self._weights(rgb, depth, mode, temperature, gumbel, generator)
        features = []
        for stage in STAGES:
            rgb = self.encoder_rgb.stage(stage, rgb)
            depth = self.encoder_depth.stage(stage, depth)
            share = weights[:, stage:].sum(1)[:, None, None, None].to(rgb.dtype)
            rgb = (1 - share) * rgb + share * self.fuse(stage, rgb, depth)
            features.append(rgb)
        return self.decode(features), weights

    def infer(self, rgb, depth, *, paths=None, penalty=None):
        """Each sample on its own path, and only the work that path needs.

        The batch is ordered once by falling number of fused cells, so that the samples that need
        depth stage i are always a prefix of it; the order is restored at the end.

        Args:
            rgb: (B, 3, H, W) float32, normalised.
            depth: (B, 1, H, W) float32, normalised.
            paths: (B,) integers 0..4 that replace the gate's choice; the gate runs all the same,
                so that forced paths take the time and count of chosen ones.
            penalty: (5,) float64 on the CPU, taken from the gate's logits before it chooses.

        Returns:
            logits (B, C, H, W) and paths (B,) int64.

        Raises:
            RuntimeError: in training mode, where batch norm would see the samples it skips.
            ValueError: if a forced path is none of 0..4.
        """
        if self.training:
            raise RuntimeError("infer() skips work and is for eval mode; use forward() to train")
        rgb, depth = self.first_stage(rgb, depth)
        logits = self.gate_layer(rgb, depth)
        if penalty is not None:
            logits = logits.cpu().double() - penalty
        chosen = (logits.argmax(1) if paths is None else paths).tolist()
        if len(chosen) != len(rgb) or not set(chosen) <= set(range(PATHS)):
            raise ValueError(f"paths {chosen}: expected {len(rgb)} integers from 0 to {PATHS - 1}")
        order = sorted(range(len(chosen)), key=lambda sample: -chosen[sample])
        is_ordered = order == sorted(order)
        if not is_ordered:
            index = torch.tensor(order, device=rgb.device)
            rgb, depth = rgb[index], depth[index]
        features = []
        for stage in STAGES:
            rgb = self.encoder_rgb.stage(stage, rgb)
            fused = sum(path >= stage for path in chosen)
            if fused:
                depth = self.encoder_depth.stage(stage, depth[:fused])
                rest = rgb[fused:]
                rgb = self.fuse(stage, rgb[:fused], depth)
                if len(rest):
                    rgb = torch.cat([rgb, rest])
            features.append(rgb)
        logits = self.decode(features)
        if not is_ordered:
            logits = torch.empty_like(logits).index_copy_(0, index, logits)
        return logits, torch.tensor(chosen, device=rgb.device)

    def gate_logits(self, rgb, depth):
        """Logits (B, 5) of the gate for normalised images."""
        return self.gate_layer(*self.first_stage(rgb, depth))

    def _weights(self, rgb, depth, mode, temperature, gumbel, generator):
        if mode not in MODES:
            raise ValueError(f"gate mode {mode!r}; expected one of {', '.join(MODES)}")
        if mode == "static":
            all_cells = torch.full((len(rgb),), PATHS - 1, device=rgb.device)
            return F.one_hot(all_cells, PATHS).to(torch.float32)
        if mode == "random":
            return random_paths(len(rgb), PATHS, generator, rgb.device)
        logits = self.gate_layer(rgb, depth).float()
        return relax_gate(logits, temperature, mode, gumbel=gumbel, generator=generator)
