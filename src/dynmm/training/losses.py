"""The task terms of the loss (the resource term: `resource_term`)."""

import torch
import torch.nn.functional as F


def cross_entropy_2d(logits, labels, class_weights):
    """Weighted cross-entropy over the labelled pixels (ESANet, `CrossEntropyLoss2d`).

    sum_pixels w[y] CE / sum_pixels w[y]. Void pixels count in neither sum; a batch of void alone
    gives 0, where the authors' code gives NaN.

    Args:
        logits: (B, C, H, W) float.
        labels: (B, H, W) integers, 0 void, 1..C the classes.
        class_weights: (C,) float32.
    """
    target = labels.long() - 1
    loss = F.cross_entropy(
        logits.float(), target, weight=class_weights, ignore_index=-1, reduction="sum"
    )
    weight = class_weights[target.clamp(min=0)].where(target >= 0, class_weights.new_zeros(()))
    total = weight.double().sum().to(loss.dtype)
    return loss / total.clamp(min=torch.finfo(loss.dtype).tiny)


def multi_scale_cross_entropy(outputs, labels, class_weights):
    """Plain sum of `cross_entropy_2d` over the scales (1, 1/8, 1/16, 1/32).

    Args:
        outputs: one (B, C, H/s, W/s) tensor per scale.
        labels: one (B, H/s, W/s) tensor per scale.
        class_weights: (C,) float32.
    """
    return sum(
        cross_entropy_2d(output, label, class_weights)
        for output, label in zip(outputs, labels, strict=True)
    )
