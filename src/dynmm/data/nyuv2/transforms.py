"""From a prepared RGB-D frame to the tensors a network takes (ESANet, `src/preprocessing.py`)."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from dynmm.data.noise import with_noise
from dynmm.data.nyuv2.hsv import VERSIONS, random_hsv
from dynmm.errors import InputError

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])
DOWNSAMPLING_RATES = (8, 16, 32)


@dataclass(frozen=True)
class DepthScale:
    """How depth is normalised: by `mean` and `std`, both in mm.

    `depth_mode`: refined or raw; in raw mode pixels without a reading (0 mm) stay 0.
    """

    depth_mode: str
    mean: float
    std: float


@dataclass(frozen=True)
class EvaluationTransform:
    """Rescale to (height, width) and normalise.

    Called with a frame (`SegmentationFrames.frame`) it returns a dict of `rgb` (3, H, W) float32,
    `depth` (1, H, W) float32 and `labels`, a list of one (H, W) uint8 label in 0..40 (0: void).
    Colours are in ImageNet's deviations, depth in those of the training split. The image is
    rescaled bilinearly, depth and label by the nearest pixel.
    """

    depth_scale: DepthScale
    height: int
    width: int

    def __call__(self, frame, rng=None):
        """Transform one frame; nothing is drawn from `rng`."""
        return _tensors(_rescale(frame, self.height, self.width), self.depth_scale)


@dataclass(frozen=True)
class TrainingNoise:
    """Gaussian noise on one modality of some training samples, by the robustness study's rule.

    With probability `share` a sample gets noise on one of `modalities` (rgb, depth), drawn with
    equal odds; its level is uniform in [0, `level`], and the mean magnitude is that of the sample.
    """

    share: float
    level: float
    modalities: tuple

    def __call__(self, sample, rng):
        """Add it to a normalised sample, in place; a clean sample takes one number from `rng`."""
        if rng.rand() >= self.share:
            return
        name = self.modalities[rng.randint(len(self.modalities))]
        level = rng.uniform(0, self.level)
        normal = torch.from_numpy(rng.standard_normal(sample[name].shape).astype(np.float32))
        sample[name] = with_noise(sample[name], level, normal)


@dataclass(frozen=True)
class TrainingTransform:
    """Random rescale, random crop to (height, width), HSV jitter, flip, then normalise, then noise.

    Called with a frame and a random generator it returns a dict as EvaluationTransform does, with
    four `labels`: at full size, 1/8, 1/16 and 1/32 (nearest pixel), for multi-scale supervision.
    Numbers are drawn in the authors' order, so that a generator in the same state gives the
    authors' sample. Noise, which they have not, is drawn after everything else.

    Args:
        depth_scale: of the training split.
        height, width: size of the crop; a rescaled frame that is not larger is resized to it.
        rescale: lowest and highest factor of the random rescale.
        hsv: version of the colour jitter, authors or corrected.
        noise: TrainingNoise, or None.

    Raises:
        InputError: an unknown version of the colour jitter, or factors out of order.
    """

    depth_scale: DepthScale
    height: int
    width: int
    rescale: tuple
    hsv: str
    noise: TrainingNoise | None = None

    def __post_init__(self):
        if self.hsv not in VERSIONS:
            raise InputError(
                "unknown colour jitter",
                key="augmentation.hsv",
                found=self.hsv,
                expected=" or ".join(VERSIONS),
            )
        if len(self.rescale) != 2 or not 0 < self.rescale[0] <= self.rescale[1]:
            raise InputError(
                "bad range of the random rescale",
                key="augmentation.rescale",
                found=list(self.rescale),
                expected="[lowest, highest], above 0",
            )

    def __call__(self, frame, rng):
        """Transform one frame.

        Args:
            frame: as from `SegmentationFrames.frame`.
            rng: has `uniform`, `randint` and `rand` as numpy's RandomState, and
                `standard_normal` where there is noise.
        """
        height, width = frame["label"].shape
        scale = rng.uniform(*self.rescale)
        frame = _rescale(frame, round(scale * height), round(scale * width))
        frame = self._crop(frame, rng)
        frame["rgb"] = random_hsv(frame["rgb"], rng, self.hsv)
        if rng.rand() > 0.5:
            frame = {name: array[:, ::-1] for name, array in frame.items()}
        sample = _tensors(frame, self.depth_scale)
        label = sample["labels"][0].numpy()
        for rate in DOWNSAMPLING_RATES:
            size = (self.width // rate, self.height // rate)
            down = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
            sample["labels"].append(torch.from_numpy(down))
        if self.noise:
            self.noise(sample, rng)
        return sample

    def _crop(self, frame, rng):
        height, width = frame["label"].shape
        if height <= self.height or width <= self.width:
            return _rescale(frame, self.height, self.width)
        top = rng.randint(0, height - self.height)
        left = rng.randint(0, width - self.width)
        rows, columns = slice(top, top + self.height), slice(left, left + self.width)
        return {name: array[rows, columns] for name, array in frame.items()}


def _rescale(frame, height, width):
    if frame["label"].shape == (height, width):
        return dict(frame)
    how = {"rgb": cv2.INTER_LINEAR, "depth": cv2.INTER_NEAREST, "label": cv2.INTER_NEAREST}
    return {
        name: cv2.resize(array, (width, height), interpolation=how[name])
        for name, array in frame.items()
    }


def _tensors(frame, depth_scale):
    scale = (1 / (255 * IMAGENET_STD)).astype(np.float32)[:, None, None]
    shift = (IMAGENET_MEAN / IMAGENET_STD).astype(np.float32)[:, None, None]
    rgb = np.multiply(frame["rgb"].transpose(2, 0, 1), scale, dtype=np.float32, order="C")
    rgb -= shift
    millimetres = frame["depth"]
    depth = np.subtract(millimetres, np.float32(depth_scale.mean), dtype=np.float32, order="C")
    depth /= np.float32(depth_scale.std)
    if depth_scale.depth_mode == "raw":
        depth[millimetres == 0] = 0
    return {
        "rgb": torch.from_numpy(rgb),
        "depth": torch.from_numpy(depth)[None],
        "labels": [torch.from_numpy(frame["label"].copy())],
    }
