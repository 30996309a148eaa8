"""Batches of RGB-D frames; what a sample looks like never depends on the workers."""

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from dynmm.data.nyuv2.transforms import (
    DepthScale,
    EvaluationTransform,
    TrainingNoise,
    TrainingTransform,
)
from dynmm.errors import InputError

MODALITIES = ("rgb", "depth")


class SegmentationDataset(Dataset):
    """Transformed frames; each has a random generator of its own, from (seed, epoch, frame number).

    Args:
        frames: SegmentationFrames.
        transform: EvaluationTransform or TrainingTransform.
        seed, epoch: whole numbers from 0.
    """

    def __init__(self, frames, transform, seed=0, epoch=0):
        self.frames, self.transform, self.seed, self.epoch = frames, transform, seed, epoch

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        rng = np.random.RandomState([self.seed, self.epoch, self.frames.frame_numbers[index]])
        frame = self.frames.frame(index, self.transform.depth_scale.depth_mode)
        return {**self.transform(frame, rng), "index": index}


def training_batches(
    frames,
    size,
    depth,
    augmentation,
    *,
    seed,
    epoch,
    batch_size,
    modalities=MODALITIES,
    start=0,
    workers=0,
    pin_memory=False,
):
    """The shuffled, augmented batches of one epoch; as in the authors' code a last batch that is
    not full is dropped.

    Order and augmentation follow from `seed`, `epoch` and the frames alone, so a resumed run sees
    what an uninterrupted one would, with any number of workers.

    Args:
        frames: SegmentationFrames.
        size: (H, W) of the crops.
        depth: dict of `depth_mode`, `mean`, `std`; see DepthScale.
        augmentation: dict of `rescale` [lowest, highest] and `hsv`, see TrainingTransform, and
            `noise`, None or a dict of `share` and `level`, see TrainingNoise.
        modalities: those that the noise may fall on.
        seed, epoch: whole numbers from 0.
        start: the first batch that is wanted.
        batch_size, workers, pin_memory: as in torch's DataLoader.

    Returns:
        DataLoader of dicts of `rgb` (B, 3, H, W) and `depth` (B, 1, H, W) float32, `labels`, a list
        of uint8 (B, H/s, W/s) for s of 1, 8, 16, 32 (0: void), and `index` (B,), positions in
        `frames`.

    Raises:
        InputError: fewer frames than one batch, or bad augmentation settings.
    """
    if len(frames) < batch_size:
        raise InputError(
            "fewer training frames than one batch",
            file=frames.prepared_dir,
            key="batch_size",
            found=f"{len(frames)} frames, batches of {batch_size}",
            expected="a full batch, since a last one that is not full is dropped",
            fix="Lower nyuv2.training.batch_size.",
        )
    noise = augmentation["noise"]
    transform = TrainingTransform(
        DepthScale(**depth),
        *size,
        tuple(augmentation["rescale"]),
        augmentation["hsv"],
        TrainingNoise(**noise, modalities=tuple(modalities)) if noise else None,
    )
    order = np.random.RandomState([seed, epoch]).permutation(len(frames))
    return _loader(
        SegmentationDataset(frames, transform, seed, epoch),
        batch_size=batch_size,
        sampler=order[start * batch_size :].tolist(),
        drop_last=True,
        num_workers=workers,
        pin_memory=pin_memory,
    )


def evaluation_batches(frames, size, depth, *, batch_size, workers=0, pin_memory=False):
    """All frames in order, rescaled to `size` and normalised; nothing is drawn.

    Arguments and batches are as those of `training_batches`; `labels` has the first scale alone.
    The labels at the frames' own size are `frames.labels(index)`.
    """
    return _loader(
        SegmentationDataset(frames, EvaluationTransform(DepthScale(**depth), *size)),
        batch_size=batch_size,
        num_workers=workers,
        pin_memory=pin_memory,
    )


def _loader(dataset, **options):
    # a generator of its own: the loader's draw for its workers leaves torch's global state alone
    generator = torch.Generator().manual_seed(0)
    return DataLoader(dataset, worker_init_fn=_start_worker, generator=generator, **options)


def _start_worker(_):
    cv2.setNumThreads(1)  # the workers are the parallelism
