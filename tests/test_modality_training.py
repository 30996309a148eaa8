"""Training experts and gates of both tasks, for real and small."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import modality_runs as runs
from dynmm.errors import InputError
from dynmm.inference.modality import run_dynamic, run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import (
    dynamic_from,
    load_dynamic_weights,
    load_expert_weights,
)
from dynmm.models.weights import load_weights, save_weights
from dynmm.tasks import load_gating
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.modality.dynamic import OBJECTIVE, DynamicTraining, train_dynamic
from dynmm.training.modality.experts import open_data, train_expert
from dynmm.training.modality.stored_outputs import save_stored, with_stored
from dynmm.training.resource_term import expert_costs

TASKS = ("mmimdb", "mosei")
PARTS = ("train", "validation")
SEED = 3


class Trained:
    """Two trained experts of a task, their stored outputs, and what trains a gate over them."""

    def __init__(self, name, folder):
        self.task, self.manifest = runs.task_of(name), runs.prepared(name, folder)
        self.folder, self.experts = folder, runs.EXPERTS[name]
        self.networks = {"experts": self.experts, "gate": runs.GATES[name]}
        self.splits, self.sizes, self.outputs = open_data(self.task, self.manifest)
        self.weights, self.stored = [], [[], []]
        for settings in self.experts:
            config = {"expert": settings, "training": runs.TRAINING}
            directory = runs.directory(folder / "resume" / settings["name"])
            run = train_expert("x", self.task, config, self.manifest, SEED, runs.CPU, directory)
            self.weights.append(folder / f"{settings['name']}.safetensors")
            save_weights(run.weights, self.weights[-1])
            expert = self.expert(len(self.weights) - 1)
            for split, part, paths in zip(self.splits, PARTS, self.stored, strict=True):
                paths.append(folder / f"{settings['name']}_{part}.npy")
                result = run_expert(expert, self.task, split, runs.TRAINING, runs.CPU)
                save_stored(result.outputs, paths[-1])

    def expert(self, place):
        model = expert_from(self.task.name, self.experts[place], self.sizes, self.outputs)
        return load_weights(model, self.weights[place]).eval()

    def model(self, freeze=True):
        torch.manual_seed(SEED)
        model = dynamic_from(self.task.name, self.networks, self.sizes, self.outputs)
        load_expert_weights(model, self.weights)
        return model.freeze_experts() if freeze else model

    def point(self, folder, **changes):
        training = {**runs.POINT, **changes}
        stored = self.stored if training["freeze"] else [[], []]
        config = {**self.networks, "training": training}
        return train_dynamic(
            "x",
            self.task,
            load_gating(self.task.name),
            config,
            self.manifest,
            self.weights,
            stored,
            SEED,
            runs.CPU,
            runs.directory(folder),
        )

    def training(self, model, splits, **changes):
        settings = {**runs.POINT, **changes}
        madds = [
            load_gating(self.task.name).count_madds(e, self.sizes)["complete"]
            for e in model.experts.values()
        ]
        data = {"train": splits[0], "validation": splits[1], "seed": SEED, "device": runs.CPU}
        return DynamicTraining("x", self.task, model, settings, madds, **data)

    def test_split(self):
        return self.task.open(self.manifest.parent, self.task.splits[2])


@pytest.fixture(scope="module", params=TASKS)
def trained(request, tmp_path_factory):
    return Trained(request.param, tmp_path_factory.mktemp(request.param))


def test_an_expert_keeps_the_weights_of_its_best_epoch(trained, tmp_path):
    config = {"expert": trained.experts[0], "training": {**runs.TRAINING, "epochs": 8}}
    directory = runs.directory(tmp_path)
    run = train_expert("x", trained.task, config, trained.manifest, SEED, runs.CPU, directory)
    scores = [row["score"] for row in run.history]
    best = max(scores) if trained.task.name == "mmimdb" else min(scores)
    assert run.summary["best_score"] == best
    assert run.summary["score_name"] == {"mmimdb": "macro_f1", "mosei": "loss"}[trained.task.name]
    expert = expert_from(trained.task.name, config["expert"], trained.sizes, trained.outputs)
    expert.load_state_dict(run.weights)
    validation = trained.splits[1]
    outputs = run_expert(expert.eval(), trained.task, validation, runs.TRAINING, runs.CPU).outputs
    assert trained.task.score(outputs, validation.targets) == pytest.approx(best, abs=1e-6)


def test_the_loss_falls(trained, tmp_path):
    config = {"expert": trained.experts[1], "training": {**runs.TRAINING, "epochs": 30}}
    directory = runs.directory(tmp_path)
    run = train_expert("x", trained.task, config, trained.manifest, SEED, runs.CPU, directory)
    assert run.history[-1]["total_loss"] < 0.7 * run.history[0]["total_loss"]


@pytest.mark.parametrize("mode", ["soft", "straight_through"])
@pytest.mark.parametrize("gumbel", [False, True])
def test_a_gate_on_stored_outputs_equals_one_with_experts_run_in_every_step(
    trained, tmp_path, mode, gumbel
):
    stored = [with_stored(s, p, 2) for s, p in zip(trained.splits, trained.stored, strict=True)]
    found = []
    for place, splits in enumerate((stored, trained.splits)):
        task = trained.training(trained.model(), splits, mode=mode, gumbel=gumbel)
        directory = runs.directory(tmp_path / str(place))
        limits = LoopSettings(epochs=3, seed=SEED, clip_norm=8.0)
        progress, best = fit(task, directory.checkpoints, limits)
        kept = load_file(directory.path / best["best"])
        found.append((runs.without_time(progress.history), kept))
    (history, weights), (other_history, other_weights) = found
    for row, other in zip(history, other_history, strict=True):
        assert row.keys() == other.keys()
        for key, value in row.items():
            same = value if isinstance(value, str) else pytest.approx(value, rel=1e-5, abs=1e-6)
            assert other[key] == same, key
    assert weights.keys() == other_weights.keys()
    logits = []
    for gate in (weights, other_weights):
        model = trained.model().eval()
        model.load_state_dict(gate, strict=False)
        split = trained.splits[0]
        logits.append(run_dynamic(model, trained.task, split, runs.POINT, runs.CPU).gate_logits)
    # not the weights themselves: Adam makes steps out of rounding where a gradient is truly zero
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-5)


def test_frozen_training_leaves_the_gate_alone_and_joint_training_everything(trained, tmp_path):
    frozen = trained.point(tmp_path / "frozen")
    assert frozen.weights and all(name.startswith("gate.") for name in frozen.weights)
    joint = trained.point(tmp_path / "joint", freeze=False)
    before = trained.model(freeze=False).state_dict()
    assert joint.weights.keys() == before.keys()
    changed = {name.split(".")[0] for name, v in joint.weights.items() if (v != before[name]).any()}
    assert changed == {"gate", "experts"}


@pytest.mark.parametrize("freeze", [True, False])
def test_each_sample_gets_the_output_of_the_expert_it_chose(trained, tmp_path, freeze):
    run = trained.point(tmp_path / "point", freeze=freeze)
    path = tmp_path / "point.safetensors"
    save_weights(run.weights, path)
    model = dynamic_from(trained.task.name, trained.networks, trained.sizes, trained.outputs)
    if freeze:
        model.freeze_experts()
    load_dynamic_weights(model, path, trained.weights).eval()
    split = trained.test_split()
    for bias in (0.0, 0.3, -0.3):  # whatever the gate learned, every mixture of choices
        last = list(model.gate.parameters())[-1]
        with torch.no_grad():
            last[0] += bias
        found = run_dynamic(model, trained.task, split, runs.TRAINING, runs.CPU)
        every = [
            run_expert(expert, trained.task, split, runs.TRAINING, runs.CPU).outputs
            for expert in model.experts.values()
        ]
        chosen = torch.stack(every)[found.chosen, torch.arange(len(split))]
        torch.testing.assert_close(found.outputs, chosen, rtol=1e-5, atol=1e-6)
        assert torch.equal(found.chosen, found.gate_logits.argmax(1))


def test_weights_of_other_experts_do_not_load(trained, tmp_path):
    path = tmp_path / "point.safetensors"
    save_weights(trained.point(tmp_path / "point").weights, path)
    model = dynamic_from(trained.task.name, trained.networks, trained.sizes, trained.outputs)
    with pytest.raises(InputError, match="missing"):
        load_dynamic_weights(model, path, trained.weights)  # not frozen: the file lacks experts


def test_objective_counts_the_cost_and_the_score_does_not(trained):
    model, targets = trained.model().eval(), trained.splits[1].targets
    result = run_dynamic(model, trained.task, trained.splits[1], runs.TRAINING, runs.CPU)
    madds = [
        load_gating(trained.task.name).count_madds(e, trained.sizes)["complete"]
        for e in model.experts.values()
    ]
    cost = expert_costs(madds)[result.chosen].mean().item()
    score = trained.training(model, trained.splits, resource_weight=5.0)
    assert score.score(0) == pytest.approx(trained.task.score(result.outputs, targets), abs=1e-6)
    objective = trained.training(model, trained.splits, resource_weight=5.0, select_by=OBJECTIVE)
    loss = trained.task.loss(result.outputs, targets).item()
    assert objective.score(0) == pytest.approx(loss + 5.0 * cost, rel=1e-5)
    assert (objective.score_name, objective.higher_is_better) == (OBJECTIVE, False)


def test_lambda_draws_the_gate_to_the_cheap_expert(trained, tmp_path):
    costs = {}
    for weight in (0.0, 100.0):
        run = trained.point(tmp_path / str(weight), resource_weight=weight, epochs=20)
        path = tmp_path / f"{weight}.safetensors"
        save_weights(run.weights, path)
        last = run.history[-1]
        costs[weight] = last["resource_loss"]
        assert last["total_loss"] == pytest.approx(last["task_loss"] + costs[weight], rel=1e-5)
    madds = [
        load_gating(trained.task.name).count_madds(trained.expert(place), trained.sizes)["complete"]
        for place in range(2)
    ]
    cheapest = 100.0 * expert_costs(madds)[0].item()
    assert costs[0.0] == 0 and costs[100.0] == pytest.approx(cheapest, rel=0.05)


def test_temperature_is_annealed_and_recorded(trained, tmp_path):
    run = trained.point(tmp_path, temperature=[1.0, 0.01], epochs=2)
    assert [row["temperature"] for row in run.history] == [1.0, pytest.approx(0.1)]


def test_a_finished_run_is_recalled_and_not_trained_again(trained, tmp_path):
    first = trained.point(tmp_path)
    weights = first.weights
    second = trained.point(tmp_path)
    assert second.history == first.history
    assert all(torch.equal(value, second.weights[name]) for name, value in weights.items())


def test_stored_outputs_of_other_data_are_refused(trained, tmp_path):
    np.save(tmp_path / "other.npy", np.zeros((1, trained.outputs), np.float32))
    with pytest.raises(InputError, match="stored outputs of other data"):
        with_stored(trained.splits[0], [tmp_path / "other.npy"], 1)
