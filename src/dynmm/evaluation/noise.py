"""The noise of the robustness study (paper, Fig. 6), draw for draw as the authors' `eval.py`."""

import random

import torch

from dynmm.data.noise import with_noise

SHARE = 0.33  # of the batches, for each modality that a setting names
PER = ("batch", "sample")


def noisy_modalities(modalities, run, units, share=SHARE):
    """Which modality is noisy in each unit of one run: one uniform draw u a unit.

    The first modality if u < 0.33, the second if 0.33 <= u < 0.66, and so on; never two at once.
    The authors' modes are ("rgb",), ("depth",) and ("rgb", "depth"), their unit is the batch.

    Args:
        modalities: names, three at most.
        run: number of the run; its draws depend on it alone.
        units: how many batches (or samples) the split has.
        share: in place of 0.33; 1 makes every unit noisy, on the first modality.

    Returns:
        List of `units` names, None where nothing is noisy.
    """
    uniform = random.Random(run)
    return [_modality_of(uniform.random(), modalities, share) for _ in range(units)]


class GaussianNoise:
    """The stream of Gaussian noise of one run, see `with_noise`.

    Drawn on the CPU, so that every device sees the same; the authors' code draws on the device.

    Args:
        run: number of the run, the seed of the stream.
    """

    def __init__(self, run):
        self._normal = torch.Generator().manual_seed(run)
        # the authors' data loader takes one number from the same stream before the first noise
        torch.empty((), dtype=torch.int64).random_(generator=self._normal)

    def add(self, x, level, valid=None):
        """The next unit with its noise.

        Args:
            x: (B, ...) float32, normalised; not changed.
            level: standard deviation of the noise in units of the mean magnitude of x.
            valid: (B, T) bool, the time steps of a padded sequence that count.
        """
        normal = torch.randn(x.shape, generator=self._normal).to(x.device)
        return with_noise(x, level, normal, valid)


def split_units(sizes, per):
    """Positions of the units on which the noise falls, in the order of the split.

    Args:
        sizes: rows of each batch.
        per: "batch" (the authors) or "sample".

    Returns:
        List of ranges.

    Raises:
        ValueError: if `per` is neither.
    """
    if per not in PER:
        raise ValueError(f"noise per {per!r}; expected one of {', '.join(PER)}")
    if per == "sample":
        sizes = [1] * sum(sizes)
    units, start = [], 0
    for size in sizes:
        units.append(range(start, start + size))
        start += size
    return units


def _modality_of(draw, modalities, share):
    for place, modality in enumerate(modalities, start=1):
        if draw < place * share:
            return modality
    return None
