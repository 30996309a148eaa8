"""The noise of the paper's robustness study (Fig. 6), draw for draw as the authors' `eval.py`."""

import random

import torch

SETTINGS = ("rgb", "depth", "both")
SHARE = 0.33


class NoiseRule:
    """Decides which batches of one run are noisy, and makes them so.

    One uniform draw u falls on each batch. `rgb`: noise on RGB if u < 0.33; `depth`: the same on
    depth; `both`: on RGB if u < 0.33, on depth if 0.33 <= u < 0.66, never on both. Noise is drawn
    on the CPU, so that every device sees the same.

    Args:
        setting: "rgb", "depth" or "both".
        level: standard deviation of the noise in units of the batch's mean magnitude.
        seed: number of the run; a run's draws depend on it alone.

    Raises:
        ValueError: if the setting is unknown.
    """

    def __init__(self, setting, level, seed):
        if setting not in SETTINGS:
            raise ValueError(f"noise setting {setting!r}; expected one of {', '.join(SETTINGS)}")
        self.setting, self.level = setting, level
        self._uniform = random.Random(seed)
        self._normal = torch.Generator().manual_seed(seed)
        # the authors' data loader takes one number from the same stream before the first noise
        torch.empty((), dtype=torch.int64).random_(generator=self._normal)

    def apply(self, rgb, depth):
        """The next batch with its noise, and which modality has it.

        Args:
            rgb, depth: (B, 3, H, W) and (B, 1, H, W) float32, normalised; not changed.

        Returns:
            rgb, depth, and "rgb", "depth" or None (nothing was changed).
        """
        noisy = self._noisy_modality(self._uniform.random())
        if noisy == "rgb":
            rgb = self._add_noise(rgb)
        elif noisy == "depth":
            depth = self._add_noise(depth)
        return rgb, depth, noisy

    def _noisy_modality(self, draw):
        if self.setting != "both":
            return self.setting if draw < SHARE else None
        if draw < SHARE:
            return "rgb"
        return "depth" if draw < 2 * SHARE else None

    def _add_noise(self, x):
        noise = torch.randn(x.shape, generator=self._normal).to(x.device)
        return x + self.level * x.abs().mean() * noise
