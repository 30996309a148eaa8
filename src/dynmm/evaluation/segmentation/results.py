"""The metrics and decisions that an evaluated segmentation network leaves as files."""

import numpy as np
import pandas as pd

from dynmm.inference.segmentation import PATHS
from dynmm.metrics.segmentation import segmentation_scores


def segmentation_metrics(result, madds, class_names):
    """Scores, computation and path shares of one evaluated network.

    Args:
        result: `SplitResult` of the test split.
        madds: measured counts, `{convention: {"total": [...], "depth_encoder": [...]}}`; one entry
            a path for a dynamic network, a single entry otherwise.
        class_names: names of the classes, in order.

    Returns:
        The part of `metrics.json` that depends on the network: `metrics` (fractions), `madds` (mean
        multiply-adds a sample), `path_shares` (empty without a gate), `seconds_per_sample`.
    """
    scores = segmentation_scores(result.confusion)
    scores["class_iou"] = dict(zip(class_names, scores["class_iou"], strict=True))
    shares = _path_shares(result.path)
    weights = np.array(shares) if shares else np.ones(1)
    return {
        "metrics": scores,
        "madds": {
            convention: {part: float(weights @ np.array(counts)) for part, counts in parts.items()}
            for convention, parts in madds.items()
        },
        "path_shares": shares,
        "samples": len(result.index),
        "seconds_per_sample": result.seconds / len(result.index),
    }


def segmentation_decisions(result, frames):
    """One row a test image: its 1-based frame number, fused cells, pixel accuracy and mean IoU.

    Args:
        result: `SplitResult` with one confusion matrix a sample.
        frames: frame number in the raw file of each position of the split, 1-based.
    """
    scores = [segmentation_scores(confusion) for confusion in result.sample_confusion]
    return pd.DataFrame(
        {
            "frame": np.asarray(frames)[result.index],
            "fused_cells": [int(path) if path >= 0 else "" for path in result.path],
            "pixel_accuracy": [score["pixel_accuracy"] for score in scores],
            "miou_present": [score["miou_present"] for score in scores],
        }
    )


def _path_shares(paths):
    if (paths < 0).any():
        return []
    return (np.bincount(paths, minlength=PATHS) / len(paths)).tolist()
