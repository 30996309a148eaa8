"""Every test frame on every path of a dynamic network: what the routing study is made of."""

import logging

import numpy as np
import torch

from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.inference.segmentation import PATHS, at_size, run_network
from dynmm.metrics.segmentation import confusion_matrix

log = logging.getLogger("dynmm.evaluation")


def run_forced_paths(load, prepared_dir, size, depth, batch_size, device, directory):
    """Predict the test split five times, each batch loaded once; stored batches are not run again.

    Args:
        load: function without arguments that gives the dynamic network in eval mode on `device`;
            called when a batch has to be predicted.
        prepared_dir: folder of the prepared arrays.
        size: (H, W) at which the network sees the frames.
        depth: dict of `depth_mode`, `mean`, `std`.
        batch_size: frames in a batch.
        device: torch device.
        directory: `SweepDirectory` that keeps finished batches.

    Returns:
        Dict of arrays over the N frames in their order: `frame` (N,) official numbers; `confusion`
        (N, 5, C, C) int32, a matrix for each path; `entropy` (N,) mean entropy of the pixels'
        class probabilities in nats, on path 0 at the network's own size; `gate_logits` (N, 5);
        `chosen` (N,) the gate's own paths.
    """
    count = len(SegmentationFrames(prepared_dir, "test"))
    starts = range(0, count, batch_size)
    stored = {start: directory.kept(_name(start)) for start in starts}
    missing = [start for start, found in stored.items() if found is None]
    if missing:
        model = load()
        # only the last batch of the split may be short, and it stays the last here
        positions = [p for s in missing for p in range(s, min(s + batch_size, count))]
        frames = SegmentationFrames(prepared_dir, "test", positions)
        batches = evaluation_batches(frames, size, depth, batch_size=batch_size)
        for start, batch in zip(missing, batches, strict=True):
            stored[start] = _run(model, batch, frames, device)
            directory.keep(_name(start), stored[start])
    log.info("%d of %d batches computed", len(missing), len(starts))
    parts = list(stored.values())
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@torch.inference_mode()
def _run(model, batch, frames, device):
    rgb, depth = batch["rgb"].to(device), batch["depth"].to(device)
    indices = batch["index"].tolist()
    gate_logits = model.gate_logits(rgb, depth).float().cpu().numpy()
    confusion = []
    for path in range(PATHS):
        forced = torch.full((len(rgb),), path, device=device)
        logits, _ = run_network(model, "dynamic", rgb, depth, forced)
        if path == 0:
            entropy = _mean_entropy(logits)
        confusion.append([_confusion(one, frames.labels(i)) for one, i in _each(logits, indices)])
    return {
        "frame": np.array([frames.frame_numbers[index] for index in indices]),
        "confusion": np.array(confusion, dtype=np.int32).swapaxes(0, 1),
        "entropy": entropy,
        "gate_logits": gate_logits,
        "chosen": gate_logits.argmax(axis=1),
    }


def _mean_entropy(logits):
    """(B, C, H, W) logits to (B,) mean entropy of the pixels in nats."""
    log_probability = torch.log_softmax(logits.float(), dim=1)
    entropy = -(log_probability.exp() * log_probability).sum(dim=1)
    return entropy.mean(dim=(1, 2)).cpu().numpy()


def _each(logits, indices):
    return zip(logits, indices, strict=True)


def _confusion(logits, labels):
    return confusion_matrix(labels, at_size(logits, labels.shape), len(logits))


def _name(start):
    return f"frames~{start}"
