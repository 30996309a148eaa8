"""Segmentation networks on noisy frames (paper, Fig. 6)."""

import itertools
from functools import cached_property

import numpy as np

from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.evaluation.noise import split_units
from dynmm.inference.segmentation import PATHS, run_split
from dynmm.metrics.segmentation import segmentation_scores

SETTINGS = {"rgb": ("rgb",), "depth": ("depth",), "both": ("rgb", "depth")}
EVERY_SAMPLE = {"rgb_all": ("rgb",), "depth_all": ("depth",)}  # noisy in every unit, not in a third


class NoisyFrames:
    """Confusion matrix and path of the test frames under one network, clean and noisy.

    Args:
        load: function without arguments that gives the network in eval mode on its device; called
            when the first frame has to be predicted.
        kind: `static` or `dynamic`, or a one-modality network.
        prepared_dir: folder of the prepared arrays.
        size: (H, W) at which the network sees the frames.
        depth: dict of `depth_mode`, `mean`, `std`.
        batch_size: frames in a batch, also the unit of the authors' noise.
        device: torch device of the network.
    """

    def __init__(self, load, kind, prepared_dir, size, depth, batch_size, device):
        self._load, self.kind, self.prepared_dir = load, kind, prepared_dir
        self.size, self.depth, self.batch_size, self.device = size, depth, batch_size, device

    @cached_property
    def _model(self):
        return self._load()

    def units(self, per):
        """Positions of the units of the noise, see `noise.split_units`."""
        count = len(SegmentationFrames(self.prepared_dir, "test"))
        full, rest = divmod(count, self.batch_size)
        return split_units([self.batch_size] * full + [rest] * bool(rest), per)

    def clean(self):
        """`confusion` (N, C, C) int32 and `path` (N,), -1 without a gate, of all frames."""
        return self._predict(None)

    def noisy(self, inputs):
        """The same for the positions of `NoisyInputs`, with their noise.

        Noisy batches are predicted in the batches of the clean pass. With noise per sample the
        noisy samples of several batches share one.
        """
        return self._predict(inputs)

    def _predict(self, inputs):
        positions = None if inputs is None else inputs.positions
        frames = SegmentationFrames(self.prepared_dir, "test", positions)
        batches = evaluation_batches(frames, self.size, self.depth, batch_size=self.batch_size)
        if inputs is not None:
            batches = map(_with_noise, batches, itertools.repeat(inputs))
        result = run_split(
            self._model, self.kind, batches, frames.labels, self.device, per_sample=True
        )
        return {"confusion": result.sample_confusion, "path": result.path}


def noise_scores(results, depth_madds):
    """The numbers of one run: mean IoU, pixel accuracy, depth encoder, path shares.

    Args:
        results: `confusion` (N, C, C) and `path` (N,).
        depth_madds: multiply-adds of the depth encoder by path, one entry without a gate.

    Returns:
        dict of `miou`, `pixel_accuracy` (fractions), `depth_encoder_madds` (mean multiply-adds a
        frame) and, with a gate, the share of frames on each path in `path0` to `path4`.
    """
    scores = segmentation_scores(results["confusion"].sum(0, dtype=np.int64))
    row = {"miou": scores["miou"], "pixel_accuracy": scores["pixel_accuracy"]}
    if (results["path"] < 0).any():
        return {**row, "depth_encoder_madds": float(depth_madds[0])}
    shares = np.bincount(results["path"], minlength=PATHS) / len(results["path"])
    row["depth_encoder_madds"] = float(shares @ np.array(depth_madds))
    return row | {f"path{path}": float(share) for path, share in enumerate(shares)}


def _with_noise(batch, inputs):
    inputs.corrupt(batch, len(batch["rgb"]))
    return batch
