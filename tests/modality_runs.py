"""Small prepared data of both modality-level tasks, and training runs on them, for the tests."""

import pickle

import torch

import fixture_rules
import mmimdb_files
from dynmm.data.mmimdb import prepare as mmimdb_prepare
from dynmm.data.mosei import prepare as mosei_prepare
from dynmm.data.mosei.raw import FILE
from dynmm.models.weights import save_weights
from dynmm.tasks import load_gating, load_task
from dynmm.training.run_directory import RunDirectory

CPU = torch.device("cpu")
SMALL = {"layers": 1, "feedforward": 8, "width": 10}
EXPERTS = {
    "mmimdb": [
        {"name": "text", "model": "text", "options": {"hidden": 8, "features": 6}},
        {"name": "both", "model": "late_fusion", "options": {"image_hidden": 8, "features": 6}},
    ],
    "mosei": [
        {"name": "text", "model": "text", "options": {**SMALL, "dropout": 0.5}},
        {
            "name": "both",
            "model": "late_fusion",
            "options": {"layers": 1, "feedforward": 8, "widths": [5, 5, 10], "dropout": 0.5},
        },
    ],
}
GATES = {
    "mmimdb": {"model": "mlp", "options": {"hidden": 8}},
    "mosei": {"model": "transformer", "options": {**SMALL, "dropout": 0.5}},
}
TRAINING = {
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "batch_size": 4,
    "epochs": 3,
    "patience": None,
    "clip_norm": 8.0,
    "to_beat": None,
    "augmentation": {"noise": None, "missing": 0.0},
    "validation_mode": "eval",
    "by_length": True,
}
POINT = {
    **TRAINING,
    "cost_convention": "paper",
    "gumbel": False,
    "select_by": "score",
    "validation_gate": "inference",
    "anneal_epochs": None,
    "temperature": [1.0, 1.0],
    "resource_weight": 0.1,
    "mode": "straight_through",
    "inference": "hard",
    "freeze": True,
}


def prepared(name, folder):
    """Prepare a small data set of the task `name` below `folder`; returns its manifest's path."""
    raw, out = folder / "raw", folder / "prepared"
    raw.mkdir(parents=True)
    if name == "mmimdb":
        path = mmimdb_files.write(raw / "multimodal_imdb.hdf5", mmimdb_files.arrays())
        mmimdb_prepare.prepare(path, out, {"splits": mmimdb_files.SPLITS})
    else:
        (raw / FILE).write_bytes(pickle.dumps(fixture_rules.tiny_mosei()))
        mosei_prepare.prepare(raw, out, {})
    return out / "manifest.json"


def task_of(name):
    """The task, its gates registered too."""
    load_gating(name)
    return load_task(name)


_held = {}


def directory(folder):
    """The run in `folder`; what held it before in this process gives it back, as a killed one."""
    if folder in _held:
        _held.pop(folder).close()
    _held[folder] = RunDirectory(folder, "0" * 64, {}, checkpoint_seconds=0)
    return _held[folder]


def without_time(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def save(network, path):
    save_weights(network.state_dict(), path)
