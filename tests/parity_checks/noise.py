"""Parity of the noise rule with the authors' evaluation, run by run and batch by batch."""

import numpy as np
import torch

import fixture_rules as rules
from dynmm.evaluation.noise import GaussianNoise, noisy_modalities
from dynmm.metrics.segmentation import confusion_matrix, segmentation_scores

TOLERANCE = 1e-4
MODES = {"-1": (), "0": ("image",), "1": ("depth",), "2": ("image", "depth")}
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
    labels = [
        rules.rng(f"noise:label{i}").integers(0, CLASSES + 1, size=record["image_shape"][1:])
        for i in range(record["n_samples"])
    ]
    cases = []
    for mode, runs in record["runs"].items():
        for run in runs:
            batches = {name: list(x.split(record["batch_size"])) for name, x in samples.items()}
            _add_noise(batches, MODES[mode], record["noise"], run["seed"])
            for name, got in _statistics(batches, labels).items():
                stored = np.array(run[name])
                deviation = np.abs(np.array(got) - stored).max() / np.abs(stored).max()
                cases.append((f"mode{mode}:seed{run['seed']}:{name}", float(deviation), TOLERANCE))
    return cases


def _add_noise(batches, modalities, level, seed):
    noise = GaussianNoise(seed)
    for place, modality in enumerate(noisy_modalities(modalities, seed, len(batches["image"]))):
        if modality:
            batches[modality][place] = noise.add(batches[modality][place], level)


def _statistics(batches, labels):
    images, depths = batches["image"], batches["depth"]
    image, depth = torch.cat(images), torch.cat(depths)
    predictions = (image[:, 0] > 0).long() + 2 * (depth[:, 0] > 0).long()
    confusion = sum(
        confusion_matrix(label, prediction.numpy(), CLASSES)
        for label, prediction in zip(labels, predictions, strict=True)
    )
    return {
        "miou_percent": 100 * segmentation_scores(confusion)["miou"],
        "image_mean": [x.mean().item() for x in images],
        "depth_mean": [x.mean().item() for x in depths],
        "image_std": [x.std().item() for x in images],
        "depth_std": [x.std().item() for x in depths],
        "image_0_all_0_0": [x[0, :, 0, 0].tolist() for x in images],
        "depth_0_0_0_first3": [x[0, 0, 0, :3].tolist() for x in depths],
    }


HANDLERS = {"noise_rule": check_noise}
