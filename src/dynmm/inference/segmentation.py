"""Running a trained segmentation network over a split, skipping what a sample does not need."""

import contextlib
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from dynmm.metrics.segmentation import confusion_matrix
from dynmm.models.segmentation.dynamic_esanet import PATHS


@dataclass
class SplitResult:
    """What a pass over a split leaves.

    Args:
        confusion: (C, C) int64 summed over the split.
        index: (N,) position of each sample in the split.
        path: (N,) number of fused cells of each sample, -1 for a network without a gate.
        sample_confusion: (N, C, C) int32, or None if it was not asked for.
        seconds: time spent in the network alone, None where it was not taken.
    """

    confusion: np.ndarray
    index: np.ndarray
    path: np.ndarray
    sample_confusion: np.ndarray | None
    seconds: float | None


def run_split(
    model,
    kind,
    batches,
    original_labels,
    device,
    *,
    random_seed=None,
    per_sample=False,
    penalty=None,
    timed=None,
):
    """Predict a split in order and count pixels at the labels' own resolution.

    Args:
        model: a segmentation network in eval mode.
        kind: `rgb`, `depth`, `static` or `dynamic`.
        batches: yields dicts with `rgb` (B, 3, H, W), `depth` (B, 1, H, W) and `index` (B,).
        original_labels: function of an index that returns its (H0, W0) labels, 0 void.
        device: torch device of the network.
        random_seed: a dynamic network takes uniformly random paths (paper, Stage I) instead of
            those of its gate.
        per_sample: keep one confusion matrix a sample.
        penalty: (5,) taken from the gate's logits, for a budget; see `dynmm.inference.budget`.
        timed: a `Stopwatch` that takes the time of the network.
    """
    generator = None
    if random_seed is not None:
        generator = torch.Generator().manual_seed(random_seed)
    total, indices, paths, singles = None, [], [], []
    for batch in batches:
        rgb, depth = batch["rgb"].to(device), batch["depth"].to(device)
        drawn = None
        if generator is not None:
            drawn = torch.randint(PATHS, (len(rgb),), generator=generator).to(device)
        with timed or contextlib.nullcontext():
            logits, path = run_network(model, kind, rgb, depth, drawn, penalty)
        for position, index in enumerate(batch["index"].tolist()):
            labels = original_labels(index)
            prediction = at_size(logits[position], labels.shape)
            confusion = confusion_matrix(labels, prediction, logits.shape[1])
            total = confusion if total is None else total + confusion
            if per_sample:
                singles.append(confusion.astype(np.int32))
        indices.extend(batch["index"].tolist())
        paths.extend(path.tolist() if path is not None else [-1] * len(rgb))
    return SplitResult(
        total,
        np.array(indices),
        np.array(paths),
        np.stack(singles) if per_sample else None,
        timed.seconds if timed else None,
    )


@torch.inference_mode()
def run_network(model, kind, rgb, depth, paths=None, penalty=None):
    """Logits (B, C, H, W) and the path of each sample (B,), None for networks without a gate."""
    if kind == "dynamic":
        return model.infer(rgb, depth, paths=paths, penalty=penalty)
    if kind == "static":
        return model(rgb, depth), None
    return model(rgb if kind == "rgb" else depth), None


def at_size(logits, size):
    """Predicted class of each pixel of one sample at `size`, (H0, W0) int64 on the CPU."""
    if tuple(logits.shape[-2:]) != tuple(size):
        logits = F.interpolate(logits[None], size=tuple(size), mode="bilinear", align_corners=False)
        logits = logits[0]
    return logits.argmax(0).cpu().numpy()
