"""A budget for a trained network: calibrated on held-out frames, then kept on others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames, training_parts
from dynmm.data.nyuv2.prepare import prepare
from dynmm.errors import InputError
from dynmm.evaluation.segmentation import budget as budgets
from dynmm.evaluation.segmentation.budget import gate_logits, set_budget
from dynmm.evaluation.segmentation.routing import routing_groups
from dynmm.files import read_json
from dynmm.inference.segmentation import run_split
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.models.weights import save_weights
from dynmm.stored_records import sealed
from nyu_files import write_raw
from test_forced_paths import found  # noqa: F401 (fixture)
from test_noise_sweep import BATCH, CPU, DEPTH, NETWORK, network, prepared  # noqa: F401 (fixtures)

ROOT = Path(__file__).resolve().parents[1]
DEPTH_MADDS = [0.2e6, 1e6, 2e6, 3e6, 4e6]


@pytest.fixture
def batches(prepared):  # noqa: F811
    frames = SegmentationFrames(prepared, "test")
    return evaluation_batches(frames, (64, 64), DEPTH, batch_size=BATCH)


def run(network, prepared, batches, penalty):  # noqa: F811
    labels = SegmentationFrames(prepared, "test").labels
    return run_split(network, "dynamic", batches, labels, CPU, penalty=penalty)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_network_takes_the_paths_that_meet_the_budget(
    network,  # noqa: F811
    prepared,  # noqa: F811
    batches,
    share,
):
    budget = set_budget(network, {"depth_share": share}, DEPTH_MADDS, batches, CPU)
    assert budget.path_costs[-1] == 1.0
    result = run(network, prepared, batches, budget.penalty())
    record = budget.record(result.path)
    # on the frames that it was set on, the network reaches what the calibration says
    assert record["on_test"] == pytest.approx(record["on_validation"])
    assert abs(record["on_validation"] - share) < 0.2
    assert (record["unit"], record["asked"]) == ("depth_share", share)
    free = run(network, prepared, batches, None)
    assert free.path.tolist() == gate_logits(network, batches, CPU).argmax(1).tolist()
    kept = run(network, prepared, batches, 0 * budget.penalty())
    assert kept.path.tolist() == free.path.tolist()


def test_units_are_those_of_the_counts_and_of_the_clock(
    network,  # noqa: F811
    batches,
    monkeypatch,
):
    asked = float(np.mean(DEPTH_MADDS)) / 1e6
    budget = set_budget(network, {"depth_madds_m": asked}, DEPTH_MADDS, batches, CPU)
    assert budget.path_costs == pytest.approx([count / 1e6 for count in DEPTH_MADDS])
    costs = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    measured = budgets.path_milliseconds(network, batches, CPU)
    assert measured.shape == (5,) and (measured > 0).all()
    monkeypatch.setattr(budgets, "path_milliseconds", lambda *arguments: costs)
    budget = set_budget(network, {"ms": 2.5}, DEPTH_MADDS, batches, CPU)
    assert budget.path_costs == (1.0, 2.0, 3.0, 4.0, 5.0)
    with pytest.raises(InputError, match=r"budget; found: 9; expected: 1 .* to 5 "):
        set_budget(network, {"ms": 9}, DEPTH_MADDS, batches, CPU)


def test_the_study_has_budgets_beside_the_gate_that_they_are_set_on(found):  # noqa: F811
    costs = {}
    path_costs = [0.0, 0.2, 0.5, 0.8, 1.0]

    def record(run, source, seed, offset):
        budget = {"weights_of": source, "offset": offset, "path_costs": path_costs}
        return {"run": run, "seed": seed, "budget": budget}

    stored = {("a", 0): found, ("a", 1): found, ("b", 0): found}
    kept = [record("cheap", "a", seed, 1e6) for seed in (1, 0)]
    groups = routing_groups(stored, costs, [*kept, record("dear", "a", 0, -1e6)])
    assert [[point.run for point in group.points] for group in groups] == [
        ["a", "cheap", "dear"],
        ["b"],
    ]
    cheap, dear = groups[0].points[1:]
    assert list(cheap.seeds) == [0, 1] and cheap.family == "cheap"
    paths, gate = cheap.seeds[0]
    assert paths is groups[0].paths[0]
    assert set(gate.chosen.tolist()) == {0}
    assert gate.logits == pytest.approx(found["gate_logits"] - 1e6 * np.array(path_costs))
    assert set(dear.seeds[0][1].chosen.tolist()) == {4}


@pytest.mark.slow
def test_the_program_sets_the_budget_on_the_held_out_frames(network, tmp_path):  # noqa: F811
    prepared = tmp_path / "prepared"  # noqa: F811
    prepare(write_raw(tmp_path / "raw"), prepared, {"depth": "refined"})
    manifest, counts = prepared / "manifest.json", path_madds(network)
    save_weights(network, tmp_path / "weights.safetensors")
    (tmp_path / "madds.json").write_text(json.dumps(sealed({"madds": counts})))
    wanted = {"weights_of": "dynmm_b", "budget": {"depth_share": 0.5}, "validation_share": 0.4}
    config = {
        "preset": "sample",
        "content": "rooms",
        "paper_data": False,
        "network": {key: value for key, value in NETWORK.items() if key != "pretrained"},
        "prepare": {"depth": "refined"},
        "evaluation": {"batch_size": BATCH},
        "run": {"model": "dynamic", "select_on": "validation", "epochs_total": 25, **wanted},
    }
    command = [
        *(sys.executable, ROOT / "workflow/scripts/evaluate_segmentation.py", "--run", "b_50"),
        *("--seed", "3", "--prepared", manifest, "--weights", tmp_path / "weights.safetensors"),
        *("--madds", tmp_path / "madds.json", "--metrics", tmp_path / "metrics.json"),
        *("--decisions", tmp_path / "decisions.csv", "--config", json.dumps(config)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "metrics.json").read_text())
    depth = DEPTH | {
        k: read_json(manifest)["depth_statistics"]["refined"][k] for k in ("mean", "std")
    }
    _, held_out = training_parts(prepared, read_json(manifest), 0.4)
    batches = evaluation_batches(held_out, (64, 64), depth, batch_size=BATCH)
    budget = set_budget(
        network, {"depth_share": 0.5}, counts["complete"]["depth_encoder"], batches, CPU
    )
    assert made["budget"]["offset"] == pytest.approx(budget.offset)
    assert made["budget"]["on_validation"] == pytest.approx(budget.on_validation)
    shares = np.array(made["path_shares"])
    assert made["budget"]["on_test"] == pytest.approx(float(shares @ budget.path_costs))
    assert made["budget"]["weights_of"] == "dynmm_b" and made["epochs_total"] == 25


def test_a_penalty_changes_the_choice_alone(network):  # noqa: F811
    rgb, depth = torch.randn(3, 3, 64, 64), torch.randn(3, 1, 64, 64)
    with torch.inference_mode():
        forced, _ = network.infer(rgb, depth, paths=torch.zeros(3, dtype=torch.int64))
        penalty = torch.tensor([0.0, 1e6, 1e6, 1e6, 1e6], dtype=torch.float64)
        chosen, paths = network.infer(rgb, depth, penalty=penalty)
    assert paths.tolist() == [0, 0, 0]
    torch.testing.assert_close(chosen, forced)
