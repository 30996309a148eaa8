"""What an evaluated network leaves in `metrics.json`, by hand."""

import json

import numpy as np
import pytest
import torch

from dynmm.errors import InputError
from dynmm.evaluation.modality.epochs import epochs_behind
from dynmm.evaluation.modality.results import dynamic_record, expert_record
from dynmm.evaluation.segmentation.results import segmentation_decisions, segmentation_metrics
from dynmm.inference.modality import SplitOutputs
from dynmm.inference.segmentation import SplitResult
from dynmm.training.modality.stored_outputs import save_fold

CHOSEN = torch.tensor([0, 1, 1, 0, 1])
MADDS = [  # of two experts and the gate
    {"complete": 10, "per_module": 8},
    {"complete": 100, "per_module": 60},
    {"complete": 1, "per_module": 2},
]
RESULT = SplitOutputs(torch.zeros(5, 1), torch.eye(2)[CHOSEN], torch.zeros(5, 2), CHOSEN, 2.5)


def record(**more):
    return dynamic_record(RESULT, {"mae": 0.5}, ["text", "both"], MADDS, **more)


def test_a_hard_gate_pays_for_itself_and_the_expert_it_chose():
    found = record()
    assert found["expert_shares"] == {"text": 0.4, "both": 0.6}
    assert found["madds"]["complete"] == {
        "total": pytest.approx(1 + 0.4 * 10 + 0.6 * 100),
        "gate": 1,
        "experts": {"text": 10, "both": 100},
    }
    assert found["madds"]["per_module"]["total"] == pytest.approx(2 + 0.4 * 8 + 0.6 * 60)
    assert found["metrics"] == {"mae": 0.5}
    assert (found["samples"], found["seconds_per_sample"]) == (5, 0.5)


def test_a_soft_gate_pays_for_every_expert():
    found = record(soft=True)
    assert found["madds"]["complete"]["total"] == 1 + 10 + 100
    assert found["madds"]["per_module"]["total"] == 2 + 8 + 60


def test_sentences_cost_what_their_lengths_cost():
    lengths = np.array([1, 2, 3, 4, 5])
    counts = [
        {name: value * lengths for name, value in part.items()}
        for part in (*MADDS[:2], {"complete": 0, "per_module": 0})
    ]
    found = record(sample_madds=counts)["madds"]["true_lengths"]
    of_text, of_both = 10 * (1 + 4), 100 * (2 + 3 + 5)
    assert found["complete"]["total"] == pytest.approx((of_text + of_both) / 5)
    soft = record(sample_madds=counts, soft=True)["madds"]["true_lengths"]
    assert soft["per_module"]["total"] == pytest.approx((8 + 60) * 3)
    expert = expert_record(RESULT, {}, MADDS[0], counts[0])["madds"]
    assert expert["complete"]["total"] == 10
    assert expert["true_lengths"]["complete"]["total"] == pytest.approx(10 * 3)


CONFUSION = np.array([[[4, 0], [0, 4]], [[0, 4], [0, 4]], [[8, 0], [0, 0]]], np.int32)
COUNTS = {
    name: {"total": [10 * x for x in (1, 2, 3, 4, 5)], "depth_encoder": [1, 2, 4, 8, 16]}
    for name in ("complete", "per_module")
}


def segmentation(paths):
    return SplitResult(CONFUSION.sum(0), np.arange(3), np.array(paths), CONFUSION, 1.5)


def test_paths_cost_by_their_shares():
    found = segmentation_metrics(segmentation([0, 3, 3]), COUNTS, ["wall", "floor"])
    assert found["path_shares"] == pytest.approx([1 / 3, 0, 0, 2 / 3, 0])
    assert found["madds"]["complete"]["depth_encoder"] == pytest.approx((1 + 8 + 8) / 3)
    assert found["madds"]["per_module"]["total"] == pytest.approx((10 + 40 + 40) / 3)
    # class "wall": 12 hits of 16 true and 12 predicted; "floor": 8 of 8 and 12
    assert found["metrics"]["class_iou"] == pytest.approx({"wall": 12 / 16, "floor": 8 / 12})
    assert found["metrics"]["miou"] == pytest.approx((12 / 16 + 8 / 12) / 2)
    assert (found["samples"], found["seconds_per_sample"]) == (3, 0.5)


def test_a_network_without_a_gate_costs_its_one_count():
    counts = {name: {"total": [7], "depth_encoder": [3]} for name in COUNTS}
    found = segmentation_metrics(segmentation([-1, -1, -1]), counts, ["wall", "floor"])
    assert found["path_shares"] == []
    assert found["madds"]["complete"] == {"total": 7.0, "depth_encoder": 3.0}


def test_a_row_a_frame():
    rows = segmentation_decisions(segmentation([0, 3, -1]), [5, 8, 9])
    assert rows["frame"].tolist() == [5, 8, 9]
    assert rows["fused_cells"].tolist() == [0, 3, ""]
    assert rows["pixel_accuracy"].tolist() == pytest.approx([1.0, 0.5, 1.0])
    assert rows["miou_present"].tolist() == pytest.approx([1.0, 0.25, 1.0])


def written(folder, name, content):
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def test_the_epochs_of_a_model_are_its_own_its_experts_and_their_folds(tmp_path):
    trainings = [written(tmp_path, f"{n}.json", {"epochs": n}) for n in (20, 7, 11)]
    assert epochs_behind(trainings[:1]) == {"own": 20, "in_all": 20}
    assert epochs_behind(trainings) == {"own": 20, "in_all": 38}
    folds = [tmp_path / f"{place}.npz" for place in range(4)]
    for place, path in enumerate(folds):
        save_fold(torch.zeros(1, 2), torch.tensor([place]), 4, 100 + place, {}, path)
    assert epochs_behind(trainings, folds) == {"own": 20, "in_all": 38 + 406}


def test_a_training_without_its_epochs_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.json; found: 'epochs' is a required"):
        epochs_behind([written(tmp_path, "a.json", {})])
    np.savez(tmp_path / "0.npz", outputs=np.zeros(1))
    with pytest.raises(InputError, match=r"0\.npz"):
        epochs_behind([written(tmp_path, "b.json", {"epochs": 1})], [tmp_path / "0.npz"])
