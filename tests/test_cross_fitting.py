"""Outputs from experts that did not see the sample, and the gate that learns from them."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import modality_runs as runs
from dynmm.data.ordering import fold
from dynmm.errors import InputError
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic import DynamicExperts
from dynmm.training.modality.dynamic import DynamicTraining, regret_loss
from dynmm.training.modality.experts import open_data, train_expert
from dynmm.training.modality.stored_outputs import STORED, save_fold, with_stored
from dynmm.training.resource_term import expert_costs
from dynmm.vocabulary import MODALITY_TASKS

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
FOLDS = 3


@pytest.fixture(scope="module", params=MODALITY_TASKS)
def data(request, tmp_path_factory):
    manifest = runs.prepared(request.param, tmp_path_factory.mktemp(request.param))
    task = runs.task_of(request.param)
    return task, manifest, *open_data(task, manifest)


def test_folds_part_the_samples_and_differ_by_one_at_most():
    parts = [fold(11, FOLDS, place, seed=4) for place in range(FOLDS)]
    for kept, held_out in parts:
        assert sorted([*kept.tolist(), *held_out.tolist()]) == list(range(11))
    together = sorted(index for _, held_out in parts for index in held_out.tolist())
    assert together == list(range(11))
    assert {len(held_out) for _, held_out in parts} == {3, 4}
    assert not torch.equal(parts[0][1], fold(11, FOLDS, 0, seed=5)[1])


def test_a_part_of_a_split_holds_its_samples_in_the_order_asked_for(data):
    _, _, (split, _), *_ = data
    index = torch.tensor([4, 0, 7])
    part = split.part(index)
    assert len(part) == 3
    whole, own = split.rows(index), part.rows(torch.arange(3))
    assert torch.equal(whole["targets"], own["targets"])
    for name, tensor in whole["inputs"].items():
        assert torch.equal(tensor, own["inputs"][name]), name
    assert part.ids.tolist() == [split.ids[i] for i in index.tolist()]


@pytest.mark.slow
def test_the_program_stores_what_an_expert_says_of_samples_it_was_not_trained_on(data, tmp_path):
    task, manifest, (split, _), sizes, outputs = data
    settings = runs.EXPERTS[task.name][0]
    config = {
        "expert": settings,
        "training": runs.TRAINING,
        "folds": FOLDS,
        "evaluation": {"batch_size": 4, "by_length": True},
    }
    command = [
        *(sys.executable, ROOT / "workflow/scripts/cross_fit_expert.py", "--task", task.name),
        *("--name", "text", "--prepared", manifest, "--fold", "1", "--seed", "3"),
        *("--resume-dir", tmp_path / "resume", "--out", tmp_path / "1.npz"),
        *("--config", json.dumps(config)),
    ]
    subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True)
    kept, held_out = fold(len(split), FOLDS, 1, seed=3)
    directory = runs.directory(tmp_path / "own")
    run = train_expert("x", task, config, manifest, 3, runs.CPU, directory, kept)
    expert = expert_from(task.name, settings, sizes, outputs)
    expert.load_state_dict(run.weights)
    expected = run_expert(expert.eval(), task, split, config["evaluation"], runs.CPU).outputs
    with np.load(tmp_path / "1.npz") as stored:
        assert stored["index"].tolist() == held_out.tolist()
        assert int(stored["count"]) == len(split)
        assert int(stored["epochs"]) == run.summary["epochs"]
        np.testing.assert_allclose(
            stored["outputs"], expected[held_out].numpy(), rtol=1e-4, atol=1e-5
        )


def test_an_expert_of_a_fold_is_trained_on_the_kept_samples_alone(data, tmp_path, monkeypatch):
    task, manifest, (split, _), *_ = data
    config = {"expert": runs.EXPERTS[task.name][0], "training": runs.TRAINING}
    kept, _ = fold(len(split), FOLDS, 0, seed=3)
    seen, batches = [], type(task).training_batches

    def keep(self, split, settings, seed, epoch):
        for batch in batches(self, split, settings, seed, epoch):
            seen.append(batch["targets"])
            yield batch

    monkeypatch.setattr(type(task), "training_batches", keep)
    directory = runs.directory(tmp_path)
    train_expert("x", task, config, manifest, 3, runs.CPU, directory, kept)
    found, epochs = torch.cat(seen), runs.TRAINING["epochs"]
    assert len(found) == epochs * len(kept)
    assert torch.equal(found.sort(0).values, split.targets[kept].repeat(epochs, 1).sort(0).values)


def test_folds_are_put_together_by_sample_and_expert(data, tmp_path):
    _, _, (split, _), *_ = data
    count, paths = len(split), []
    outputs = torch.randn(2, count, 3)
    for expert in range(2):
        for place in range(FOLDS):
            _, held_out = fold(count, FOLDS, place, seed=0)
            paths.append(tmp_path / f"{expert}-{place}.npz")
            save_fold(outputs[expert][held_out], held_out, count, 7, {}, paths[-1])
    found = with_stored(split, paths, experts=2).stored[STORED]
    assert torch.equal(found, outputs.transpose(0, 1))
    with pytest.raises(InputError, match="folds that leave"):
        with_stored(split, paths[:2] + paths[:2], experts=2)


OUTPUTS = torch.tensor([[[1.0], [3.0]], [[0.0], [-1.0]]])  # two samples, two experts
TARGETS = torch.tensor([[2.0], [0.5]])


class Fixed(nn.Module):
    """A gate that says the same whatever it sees."""

    modalities = ("text",)

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, inputs):
        return self.logits


def losses_of(mode, logits, weight=0.0):
    """The losses of a step on made-up outputs, and the gradient that the gate's logits get."""
    task = runs.task_of("mosei")
    experts = {name: nn.Linear(1, 1) for name in ("cheap", "dear")}
    model = DynamicExperts(experts, Fixed(logits)).freeze_experts()
    settings = runs.POINT | {"mode": mode, "resource_weight": weight, "select_by": "score"}
    training = DynamicTraining.__new__(DynamicTraining)
    training.dynamic, training.task, training.settings = model, task, settings
    training.weight, training.costs = weight, expert_costs([1e6, 4e6])
    batch = {"inputs": {}, "targets": TARGETS, STORED: OUTPUTS}
    losses = training.losses(batch, epoch=0)
    losses["total"].backward()
    return losses, model.gate.logits.grad


def test_expected_loss_weighs_each_expert_s_own_loss():
    losses, _ = losses_of("expected_loss", [[0.0, math.log(3)], [20.0, -20.0]])
    # sample 1: 0.25 * 1 + 0.75 * 1; sample 2: 0.5
    assert losses["total"].item() == pytest.approx((1.0 + 0.5) / 2)
    mixture, _ = losses_of("soft", [[0.0, math.log(3)], [20.0, -20.0]])
    assert mixture["total"].item() == pytest.approx((0.5 + 0.5) / 2)


def test_regret_over_two_experts_is_a_logistic_regression_weighed_by_the_difference():
    """Sample 1: both lose 1; sample 2: the cheap expert loses 0.5, the dear one 1.5 (root: 1)."""
    logits = [[0.3, 0.9], [-0.4, 0.8]]
    losses, gradient = losses_of("regret", logits)
    assert losses["total"].item() == pytest.approx(math.log1p(math.exp(1.2)) * 1.0 / 2)
    assert gradient[0].abs().max() < 1e-6, "no expert is the better one there"
    right = 1 / (1 + math.exp(-1.2))
    torch.testing.assert_close(gradient[1], torch.tensor([-right, right]) / 2)


def test_regret_counts_what_the_experts_cost():
    """With lambda 0.4 the dear expert costs 0.4, the cheap one 0.1: sample 1 has a better one."""
    logits = [[0.0, 0.0], [0.0, 0.0]]
    losses, _ = losses_of("regret", logits, weight=0.4)
    weights = math.sqrt(0.3) + math.sqrt(1.3)
    assert losses["total"].item() == pytest.approx(math.log(2) * weights / 2)
    assert losses["task"].item() == pytest.approx((1.0 + 1.0) / 2)
    assert losses["resource"].item() == pytest.approx(0.4 * (1 / 4 + 1) / 2)


def test_regret_over_three_experts():
    weights = torch.tensor([[0.2, 0.3, 0.5]])
    losses = torch.tensor([[1.0, 4.0, 2.0]])
    expected = math.sqrt(3) * -math.log(0.2) + math.sqrt(2) * -math.log(0.5)
    assert regret_loss(weights, losses).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", MODALITY_TASKS)
def test_sample_losses_average_to_the_loss(name):
    task = runs.task_of(name)
    outputs, targets = torch.randn(5, 4), (torch.rand(5, 4) > 0.5).float()
    losses = task.sample_losses(outputs, targets)
    assert losses.shape == (5,)
    assert losses.mean().item() == pytest.approx(task.loss(outputs, targets).item(), rel=1e-5)
