"""Parity of the noise rule with the authors' evaluation, run by run and batch by batch."""

import numpy as np
import torch

import fixture_rules as rules
from dynmm.evaluation.noise import SETTINGS, NoiseRule
from dynmm.evaluation.segmentation_scores import confusion_matrix, segmentation_scores

TOLERANCE = 1e-4
CLEAN = "-1"
CLASSES = 4  # of the stand-in network: the signs of red and depth


def check_noise(record, folder):
    samples = {
        modality: torch.stack(
            [
                torch.from_numpy(
                    rules.input_for(f"noise:{modality}{i}", record[f"{modality}_shape"])
                )
                for i in range(record["n_samples"])
            ]
        )
        for modality in ("image", "depth")
    }
    batches = [samples[name].split(record["batch_size"]) for name in ("image", "depth")]
    labels = [
        rules.rng(f"noise:label{i}").integers(0, CLASSES + 1, size=record["image_shape"][1:])
        for i in range(record["n_samples"])
    ]
    cases = []
    for mode, runs in record["runs"].items():
        for run in runs:
            seen = list(zip(*batches, strict=True))
            if mode != CLEAN:
                rule = NoiseRule(SETTINGS[int(mode)], record["noise"], run["seed"])
                seen = [rule.apply(image, depth)[:2] for image, depth in seen]
            for name, got in _statistics(seen, labels).items():
                stored = np.array(run[name])
                deviation = np.abs(np.array(got) - stored).max() / np.abs(stored).max()
                cases.append((f"mode{mode}:seed{run['seed']}:{name}", float(deviation), TOLERANCE))
    return cases


def _statistics(batches, labels):
    image, depth = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
    predictions = (image[:, 0] > 0).long() + 2 * (depth[:, 0] > 0).long()
    confusion = sum(
        confusion_matrix(label, prediction.numpy(), CLASSES)
        for label, prediction in zip(labels, predictions, strict=True)
    )
    return {
        "miou_percent": 100 * segmentation_scores(confusion)["miou"],
        "image_mean": [image.mean().item() for image, _ in batches],
        "depth_mean": [depth.mean().item() for _, depth in batches],
        "image_std": [image.std().item() for image, _ in batches],
        "depth_std": [depth.std().item() for _, depth in batches],
        "image_0_all_0_0": [image[0, :, 0, 0].tolist() for image, _ in batches],
        "depth_0_0_0_first3": [depth[0, 0, 0, :3].tolist() for _, depth in batches],
    }


HANDLERS = {"noise_rule": check_noise}
