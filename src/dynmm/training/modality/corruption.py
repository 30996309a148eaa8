"""Noise and missing modalities in training, drawn for every sample of every epoch by itself."""

import numpy as np
import torch

from dynmm.data.noise import with_noise
from dynmm.vocabulary import AVAILABLE


def corrupted(batches, augmentation, modalities, names, seed, epoch):
    """Training batches in which some samples have a noisy modality, and some lack one.

    The noise is that of the robustness study, `with_noise`, over the sample's own values: padding
    has no part in it. All draws of a sample follow from the seed, the epoch and its place in the
    split, whatever else is in its batch. The batches given are not changed.

    Args:
        batches: of the task, with `inputs` and `index`.
        augmentation: `noise`, None or a dict of `share` (of the samples that get it) and `level`
            (the largest: a sample's own is uniform in [0, level]); `missing`, the share of samples
            that lose a modality.
        modalities: those that can be hit, each with equal odds; of a single one none gets lost.
        names: all modalities of the data, in the order of the mask.
        seed: of the run.
        epoch: from 0.

    Yields:
        Batches; where `missing` is above 0 the inputs have `available` (B, M) bool, see
        `models.experts.availability`.
    """
    for batch in batches:
        if augmentation["noise"] is None and not augmentation["missing"]:
            yield batch
            continue
        inputs = {n: x.clone() if n in modalities else x for n, x in batch["inputs"].items()}
        places = batch["index"].tolist()
        streams = [np.random.default_rng((seed, epoch, place)) for place in places]
        # always the same draws: one kind of corruption leaves those of the other as they are
        draws = np.array([stream.random(5) for stream in streams])
        if augmentation["noise"] is not None:
            _add_noise(inputs, augmentation["noise"], modalities, streams, draws[:, :3])
        if augmentation["missing"] and len(modalities) > 1:
            _take_away(inputs, augmentation["missing"], modalities, names, draws[:, 3:])
        yield batch | {"inputs": inputs}


def _add_noise(inputs, noise, modalities, streams, draws):
    for row, (hit, which, level) in enumerate(draws):
        if hit >= noise["share"]:
            continue
        steps = slice(int(inputs["lengths"][row])) if "lengths" in inputs else slice(None)
        x = inputs[modalities[int(which * len(modalities))]][row, steps]
        normal = streams[row].standard_normal(tuple(x.shape), np.float32)
        normal = torch.from_numpy(normal).to(x.device)
        x.copy_(with_noise(x, float(level) * noise["level"], normal))


def _take_away(inputs, share, modalities, names, draws):
    hit, which = draws[:, 0] < share, (draws[:, 1] * len(modalities)).astype(int)
    available = torch.ones(len(draws), len(names), dtype=torch.bool)
    for place, modality in enumerate(modalities):
        rows = torch.from_numpy(np.flatnonzero(hit & (which == place)))
        inputs[modality][rows.to(inputs[modality].device)] = 0
        available[rows, names.index(modality)] = False
    inputs[AVAILABLE] = available.to(inputs[modalities[0]].device)
