"""The real program that trains a network, on raw files of a few small frames."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from dynmm.data.nyuv2.prepare import prepare
from nyu_files import write_raw

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "workflow/scripts/train_segmentation.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
CONFIG = {
    "network": {
        "encoder": "resnet18",
        "block": "BasicBlock",
        "channels_decoder": [16, 16, 16],
        "nr_decoder_blocks": [1, 1, 1],
        "fusion": "SE-add",
        "height": 64,
        "width": 64,
        "pretrained": "none",
    },
    "prepare": {"depth": "refined"},
    "augmentation": {"rescale": [1.4, 1.6], "hsv": "corrected"},
    "training": {
        "model": "dynamic",
        "gate": "soft",
        "temperature": [1.0, 0.1],
        "gumbel": True,
        "epochs": 3,
        "batch_size": 2,
        "learning_rate": 0.01,
        "weight_decay": 1e-4,
        "momentum": 0.9,
        "select_on": "test",
        "validate_every": 1,
        "to_beat": 0.0,
        "anneal_epochs": None,
        "cost_convention": "paper",
        "resource_weight": 0.5,
        "precision": "float32",
        "channels_last": False,
        "workers": 0,
        "pin_memory": False,
    },
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    prepare(write_raw(folder / "raw"), folder / "prepared", CONFIG["prepare"])
    return folder / "prepared" / "manifest.json"


def command(folder, manifest, config=CONFIG, seed=3):
    outputs = {"weights": "weights.safetensors", "history": "history.csv", "training": "run.json"}
    return [
        *(sys.executable, str(PROGRAM), "--name", "tiny", "--prepared", str(manifest)),
        *("--seed", str(seed), "--resume-dir", str(folder / "resume")),
        *("--config", json.dumps(config), "--log", str(folder / "log")),
        *(part for key, name in outputs.items() for part in (f"--{key}", str(folder / name))),
    ]


def results(folder):
    history = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    seconds = history[0].index("seconds")
    return (
        {
            name: tensor.tolist()
            for name, tensor in load_file(folder / "weights.safetensors").items()
        },
        [row[:seconds] + row[seconds + 1 :] for row in history],
        json.loads((folder / "run.json").read_text()),
    )


def test_killed_within_an_epoch_and_run_again_it_equals_an_uninterrupted_run(tmp_path, manifest):
    subprocess.run(command(tmp_path / "whole", manifest), env=ENVIRONMENT, check=True)
    victim = subprocess.Popen(command(tmp_path / "killed", manifest), env=ENVIRONMENT)
    until = time.monotonic() + 600  # seconds, for a loaded machine
    while not list((tmp_path / "killed").glob("resume/*/state.pt")):
        assert time.monotonic() < until and victim.poll() is None
        time.sleep(0.02)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert not (tmp_path / "killed" / "run.json").exists()
    again = subprocess.run(
        command(tmp_path / "killed", manifest), env=ENVIRONMENT, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert "resuming after epoch" in again.stderr
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


def test_another_seed_gives_another_network(tmp_path, manifest):
    config = {**CONFIG, "training": {**CONFIG["training"], "epochs": 1}}
    for seed in (1, 2):
        subprocess.run(
            command(tmp_path / str(seed), manifest, config, seed), env=ENVIRONMENT, check=True
        )
    assert results(tmp_path / "1")[0] != results(tmp_path / "2")[0]


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_learning_rate(tmp_path, manifest):
    config = {**CONFIG, "training": {**CONFIG["training"], "learning_rate": 1e30}}
    done = subprocess.run(
        command(tmp_path, manifest, config), env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert re.search(r"error: the loss is .*epoch \d, step 1, learning rate", done.stderr)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "weights.safetensors").exists()
