"""Parity of losses and scores with the authors' code."""

import numpy as np
import torch

import fixture_rules as rules
from dynmm.metrics.segmentation import confusion_matrix, segmentation_scores
from dynmm.training.segmentation.task import multi_scale_cross_entropy

TOLERANCE = 1e-4


def check_cross_entropy(record, folder):
    weights = torch.tensor(record["weights"])
    outputs = [
        torch.from_numpy(rules.input_for(name, shape)).requires_grad_()
        for name, shape in zip(record["pred_rng"], record["pred_shapes"], strict=True)
    ]
    targets = [torch.tensor(target) for target in record["targets"]]
    losses = [
        multi_scale_cross_entropy([output], [target], weights)
        for output, target in zip(outputs, targets, strict=True)
    ]
    total = multi_scale_cross_entropy(outputs, targets, weights)
    total.backward()
    cases = [
        (f"loss{i}", _relative(loss.item(), expected), TOLERANCE)
        for i, (loss, expected) in enumerate(zip(losses, record["losses"], strict=True))
    ]
    cases.append(("total", _relative(total.item(), record["total"]), TOLERANCE))
    for i, (output, expected) in enumerate(zip(outputs, record["grad"], strict=True)):
        deviation = rules.compare(expected, f"grad{i}", output.grad.numpy())
        cases.append((f"grad{i}", deviation, TOLERANCE))
    return cases


def check_miou(record, folder):
    cases = []
    for name, case in record["cases"].items():
        confusion = confusion_matrix(
            np.array(case["label"]) + 1, np.array(case["pred"]), record["n_classes"]
        )
        scores = segmentation_scores(confusion)
        difference = np.abs(confusion - np.array(case["confusion_matrix"])).max()
        cases += [
            (f"{name}:confusion", float(difference), 0.0),
            (
                f"{name}:iou",
                float(np.abs(np.array(scores["class_iou"]) - case["iou_pytorch"]).max()),
                1e-12,
            ),
            (f"{name}:miou", abs(scores["miou"] - case["miou_pytorch"]), 1e-12),
        ]
    return cases


def _relative(value, expected):
    return abs(value - expected) / abs(expected)


HANDLERS = {"cross_entropy_2d": check_cross_entropy, "miou": check_miou}
