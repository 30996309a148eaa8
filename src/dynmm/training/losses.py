"""The task and resource terms of the loss."""

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


def resource_cost(gate_weights, costs, convention):
    """Mean computation of a batch under its gate weights (paper, equations 1 and 2).

    Args:
        gate_weights: (B, K) float, rows summing to 1.
        costs: (K,) float, the cost of each branch or path.
        convention: `paper`: the expected cost, sum_k g_k C_k, averaged over the batch;
            `authors`: its mean over the K branches, K times less (their fusion-level code).
    """
    expected = (gate_weights * costs.to(gate_weights)).sum(1).mean()
    return expected / costs.numel() if convention == "authors" else expected
