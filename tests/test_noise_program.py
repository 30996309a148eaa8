"""The real program that sweeps noise over a segmentation network, stopped and gone on with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from dynmm.data.nyuv2.prepare import prepare
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.models.weights import save_weights
from dynmm.stored_records import sealed
from nyu_files import write_raw

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
CONFIG = {
    "network": {
        "encoder": "resnet18",
        "block": "BasicBlock",
        "channels_decoder": [16, 16, 16],
        "nr_decoder_blocks": [1, 1, 1],
        "fusion": "SE-add",
        "height": 64,
        "width": 64,
    },
    "prepare": {"depth": "refined"},
    "model": "dynamic",
    "noise": {
        "settings": ["both"],
        "levels": [0, 0.5],
        "runs": 2,
        "per": "batch",
        "batch_size": 1,
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    prepare(write_raw(folder / "raw"), folder / "prepared", CONFIG["prepare"])
    torch.manual_seed(0)
    model = build_segmentation("dynamic", {**CONFIG["network"], "pretrained": "none"})
    save_weights(model, folder / "weights.safetensors")
    (folder / "madds.json").write_text(json.dumps(sealed({"madds": path_madds(model.eval())})))
    return folder


def sweep(folder, **noise):
    config = {**CONFIG, "noise": {**CONFIG["noise"], **noise}}
    command = [
        *(sys.executable, ROOT / "workflow/scripts/evaluate_noise.py", "--run", "dynmm_b"),
        *("--seed", "3", "--prepared", folder / "prepared/manifest.json"),
        *("--weights", folder / "weights.safetensors", "--madds", folder / "madds.json"),
        *("--resume-dir", folder / "resume", "--out", folder / "out.csv"),
        *("--config", json.dumps(config)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / "out.csv"), done.stderr


def test_a_row_a_level_and_run_and_a_level_more_computes_itself_alone(folder):
    first, _ = sweep(folder)
    assert first[["model", "seed", "setting", "level", "run"]].values.tolist() == [
        ["dynmm_b", 3, "both", level, run] for level in (0.0, 0.5) for run in (0, 1)
    ]
    shares = first[[f"path{path}" for path in range(5)]].sum(axis=1)
    assert shares.tolist() == pytest.approx([1.0] * 4)
    second, log = sweep(folder, levels=[0, 0.25, 0.5])
    assert "level 0.25, 2 of 2 runs computed" in log
    assert "level 0, 0 of 2 runs computed" in log and "level 0.5, 0 of 2 runs computed" in log
    kept = second[second["level"] != 0.25].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first)
    third, log = sweep(folder, settings=["both", "depth_all"])  # what is there stays as it is
    assert "both: level 0.5, 0 of 2 runs computed" in log
    assert "depth_all: level 0.5, 2 of 2 runs computed" in log
    assert third["setting"].tolist() == ["both"] * 4 + ["depth_all"] * 4
    pd.testing.assert_frame_equal(third[third["setting"] == "both"], first)
    _, log = sweep(folder, per="sample")  # another rule shares nothing
    assert "level 0.5, 2 of 2 runs computed" in log
