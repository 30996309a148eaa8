"""One training run of a segmentation network, from prepared arrays to its best weights."""

from pathlib import Path

import torch

from dynmm.data.nyuv2.batches import MODALITIES, evaluation_batches, training_batches
from dynmm.data.nyuv2.frames import SegmentationFrames, training_parts
from dynmm.files import read_json
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.models.weights import load_released, load_weights
from dynmm.training.loop import LoopSettings
from dynmm.training.run_directory import run_to_end
from dynmm.training.segmentation.task import SegmentationTask
from dynmm.vocabulary import TEST

GIGA = 1e9


def train_run(name, config, manifest_path, init_path, seed, device, directory, **loading):
    """Train one network with one seed, or publish it again if it is finished already.

    Args:
        name: shown with the progress.
        config: `network`, `augmentation`, `training` (merged with the run's keys), `prepare`.
        manifest_path: `manifest.json` of the prepared arrays.
        init_path: weights to start from, or None.
        seed: of initialisation, order, augmentation and random paths.
        device: torch device.
        directory: the `RunDirectory` that holds the state.
        loading: `workers` and `pin_memory`, as of `training_batches`: no result follows from them.

    Returns:
        `TrainedRun`.
    """
    training = config["training"]
    return run_to_end(
        lambda: _task(name, config, Path(manifest_path), init_path, seed, device, loading),
        directory,
        LoopSettings(
            epochs=training["epochs"],
            seed=seed,
            to_beat=training["to_beat"],
            validate_every=training["validate_every"],
            loss_scaling=training["precision"] == "float16",
        ),
        training["select_on"],
    )


def _task(name, config, manifest_path, init_path, seed, device, loading):
    manifest, training = read_json(manifest_path), config["training"]
    torch.manual_seed(seed)
    network = {**config["network"], **({"pretrained": "none"} if init_path else {})}
    kind = training["model"]
    model = build_segmentation(kind, network, len(manifest["class_names"]))
    if init_path:
        _start_from(model, Path(init_path))
    train, validation = _samples(manifest_path, manifest, training)
    size = (config["network"]["height"], config["network"]["width"])
    loading = {"batch_size": training["batch_size"], **loading}
    statistics = manifest["depth_statistics"][config["prepare"]["depth"]]
    depth = {"depth_mode": config["prepare"]["depth"], **statistics}
    modalities = (kind,) if kind in MODALITIES else MODALITIES

    def train_batches(epoch, start=0):
        return training_batches(
            train,
            size,
            depth,
            config["augmentation"],
            seed=seed,
            epoch=epoch,
            start=start,
            modalities=modalities,
            **loading,
        )

    def validation_batches():
        return evaluation_batches(validation, size, depth, **loading)

    depth_encoder = None
    if kind == "dynamic":
        # the authors' constants are counted by hooks on modules
        authors = training.get("cost_convention") == "authors"
        counts = path_madds(model)["per_module" if authors else "complete"]
        depth_encoder = torch.tensor(counts["depth_encoder"]) / GIGA
    return SegmentationTask(
        name,
        model,
        kind,
        training,
        class_weights=torch.tensor(manifest["class_weights"], dtype=torch.float32),
        path_madds=depth_encoder,
        train_batches=train_batches,
        validation_batches=validation_batches,
        validation_labels=validation.labels,
        device=device,
    )


def _start_from(model, path):
    """Weights of an earlier run or released ones; a static network has none for the gate."""
    if path.suffix == ".pth":
        load_released(model, path)
    else:
        load_weights(model, path, optional=("gate_layer.",))


def _samples(manifest_path, manifest, training):
    """Frames to train on and frames to choose the best epoch on."""
    prepared = manifest_path.parent
    if training["select_on"] == TEST:
        return SegmentationFrames(prepared, "train"), SegmentationFrames(prepared, "test")
    return training_parts(prepared, manifest, training["validation_share"])
