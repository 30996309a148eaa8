"""Predictions of two networks for single frames, clean and noisy (paper, Fig. 7)."""

import numpy as np
import torch

from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.data.nyuv2.transforms import IMAGENET_MEAN, IMAGENET_STD
from dynmm.evaluation.noise import GaussianNoise
from dynmm.inference.segmentation import at_size, run_network

CLEAN = "clean"


class FramePredictions:
    """Predicts frames in rows: clean, then with noise on one modality each.

    Args:
        models: (static, dynamic) networks in eval mode on `device`.
        kinds: what they are, see `run_network`.
        frames: SegmentationFrames of a split.
        noisy: modalities, one row each after the clean one.
        level: of the noise on a frame (see `GaussianNoise`); every noisy row has it.
        size, depth, batch_size: see `evaluation_batches`.
        device: torch device.
    """

    def __init__(self, models, kinds, frames, *, noisy, level, size, depth, batch_size, device):
        self.models, self.kinds, self.frames = models, kinds, frames
        self.rows = [CLEAN, *noisy]
        self.level, self.size, self.depth = level, size, depth
        self.batch_size, self.device = batch_size, device

    def accuracies(self):
        """Pixel accuracy of both networks in every row: (N, rows, 2) over all frames."""
        found = np.zeros((len(self.frames), len(self.rows), len(self.models)))
        for index, row, images in self._predicted(self.frames):
            found[index, row] = images["accuracy"]
        return found

    def pictures(self, positions):
        """Everything that the figure shows of some frames.

        Args:
            positions: in the frames, F of them.

        Returns:
            dict of arrays: `frame` (F,) official numbers, `row` (R,) names, `rgb` (F, R, H, W, 3)
            uint8 and `depth` (F, R, H, W) float32 in deviations, as the networks saw them, `label`
            (F, H0, W0) uint8 (0 void), `prediction` (F, R, 2, H0, W0) uint8 classes from 1,
            `accuracy` (F, R, 2), `path` (F, R) fused cells of the dynamic network.
        """
        chosen = SegmentationFrames(
            self.frames.prepared_dir, self.frames.split, self.frames.indices[positions]
        )
        parts = [[{} for _ in self.rows] for _ in positions]
        for index, row, images in self._predicted(chosen):
            parts[index][row] = images
        names = ("rgb", "depth", "prediction", "accuracy", "path")
        stacked = {
            name: np.stack([np.stack([images[name] for images in rows]) for rows in parts])
            for name in names
        }
        return {
            "frame": np.array(chosen.frame_numbers),
            "row": np.array(self.rows),
            "label": np.stack([chosen.labels(place) for place in range(len(chosen))]),
            **stacked,
        }

    def _predicted(self, frames):
        batches = evaluation_batches(frames, self.size, self.depth, batch_size=self.batch_size)
        for batch in batches:
            indices = batch["index"].tolist()
            for row, name in enumerate(self.rows):
                inputs = {key: batch[key].clone() for key in ("rgb", "depth")}
                if name != CLEAN:
                    for place, index in enumerate(indices):
                        # a frame's noise is its own, whatever other frames are shown
                        noise = GaussianNoise(frames.frame_numbers[index])
                        inputs[name][place] = noise.add(inputs[name][place], self.level)
                yield from self._one_row(frames, inputs, indices, row)

    def _one_row(self, frames, inputs, indices, row):
        rgb, depth = (inputs[key].to(self.device) for key in ("rgb", "depth"))
        results = [
            run_network(model, kind, rgb, depth)
            for model, kind in zip(self.models, self.kinds, strict=True)
        ]
        paths = results[-1][1]
        for place, index in enumerate(indices):
            label = frames.labels(index)
            predicted = np.stack([at_size(logits[place], label.shape) + 1 for logits, _ in results])
            known = label > 0
            yield (
                index,
                row,
                {
                    "rgb": _displayed(inputs["rgb"][place]),
                    "depth": inputs["depth"][place, 0].numpy(),
                    "prediction": predicted.astype(np.uint8),
                    "accuracy": (predicted[:, known] == label[known]).mean(1),
                    "path": int(paths[place]),
                },
            )


def most_different(accuracies, count):
    """Positions of the frames on which the two networks differ most under noise.

    Args:
        accuracies: (N, rows, 2), see `FramePredictions.accuracies`; the first row is clean.
        count: how many.

    Returns:
        Ascending positions; the difference is that of the pixel accuracies, either way, summed over
        the noisy rows.
    """
    noisy = np.nan_to_num(accuracies[:, 1:])
    difference = np.abs(noisy[..., 1] - noisy[..., 0]).sum(1)
    return np.sort(np.argsort(-difference, kind="stable")[:count])


def _displayed(rgb):
    """(3, H, W) normalised -> (H, W, 3) uint8; noise beyond the range of colours is cut off."""
    shown = rgb.permute(1, 2, 0) * torch.tensor(IMAGENET_STD) + torch.tensor(IMAGENET_MEAN)
    return (shown.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
