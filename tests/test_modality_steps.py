"""Training of experts and gates against the same steps written out in plain torch."""

import copy

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

import modality_runs as runs
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import dynamic_from, load_expert_weights
from dynmm.models.weights import save_weights
from dynmm.tasks import load_gating
from dynmm.training.loop import epoch_seed
from dynmm.training.modality.dynamic import train_dynamic
from dynmm.training.modality.experts import loop_settings, open_data, train_expert
from dynmm.training.modality.stored_outputs import save_stored

SEED, EPOCHS, CLIP = 3, 3, 0.05  # most norms of these runs lie above
RECIPE = {**runs.TRAINING, "epochs": EPOCHS, "weight_decay": 0.5, "clip_norm": CLIP}
SPLITS = {"mmimdb": ("train", "dev"), "mosei": ("train", "valid")}


class Case:
    """The prepared data of a task, two experts with fresh weights, their stored outputs."""

    def __init__(self, name, folder):
        self.name, self.task = name, runs.task_of(name)
        self.manifest = runs.prepared(name, folder)
        self.train, self.validation = (
            self.task.open(self.manifest.parent, split) for split in SPLITS[name]
        )
        _, self.sizes, self.outputs = open_data(self.task, self.manifest)
        self.networks = {"experts": runs.EXPERTS[name], "gate": runs.GATES[name]}
        self.weights, self.stored = [], [[], []]
        for place, settings in enumerate(self.networks["experts"]):
            expert = self.expert(place, seed=10 + place).eval()
            self.weights.append(folder / f"{settings['name']}.safetensors")
            save_weights(expert.state_dict(), self.weights[-1])
            for split, paths in zip((self.train, self.validation), self.stored, strict=True):
                paths.append(folder / f"{settings['name']}{len(split)}.npy")
                result = run_expert(expert, self.task, split, runs.TRAINING, runs.CPU)
                save_stored(result.outputs, paths[-1])

    def expert(self, place, seed):
        torch.manual_seed(seed)
        settings = self.networks["experts"][place]
        return expert_from(self.name, settings, self.sizes, self.outputs)

    def dynamic(self, seed):
        torch.manual_seed(seed)
        model = dynamic_from(self.name, self.networks, self.sizes, self.outputs)
        return load_expert_weights(model, self.weights)

    def batches(self, seed, epoch, kept=None):
        split = self.train if kept is None else self.train.part(kept)
        if self.name == "mmimdb":
            return split.shuffled_batches(RECIPE["batch_size"], seed, epoch)
        return split.training_batches(RECIPE["batch_size"], seed, epoch, by_length=True)

    def loss(self, outputs, targets):
        if self.name == "mosei":
            return (outputs - targets).abs().mean()
        chances = outputs.sigmoid()
        return -(targets * chances.log() + (1 - targets) * (1 - chances).log()).mean()

    def everything(self):
        """The validation split as one batch."""
        return self.validation.rows(torch.arange(len(self.validation)))

    def score(self, outputs):
        targets = self.validation.targets
        if self.name == "mosei":
            return (outputs - targets).abs().mean().item()
        return f1_score(targets.bool(), outputs > 0, average="macro", zero_division=0)


@pytest.fixture(scope="module", params=list(SPLITS))
def case(request, tmp_path_factory):
    return Case(request.param, tmp_path_factory.mktemp(request.param))


def plain_epoch(batches, optimizer, epoch, loss_of):
    """The mean loss of one epoch of clipped AdamW steps."""
    torch.manual_seed(epoch_seed(SEED, epoch))
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        parameters = [p for p in optimizer.param_groups[0]["params"] if p.grad is not None]
        norm = torch.cat([p.grad.ravel() for p in parameters]).norm()
        for p in parameters:
            p.grad *= min(1.0, CLIP / norm.item())
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def adamw(parameters):
    return torch.optim.AdamW(
        list(parameters), lr=RECIPE["learning_rate"], weight_decay=RECIPE["weight_decay"]
    )


# two whole batches: in a small one batch norm leaves gradients of rounding, which Adam enlarges
@pytest.mark.parametrize("kept", [None, torch.tensor([0, 1, 2, 3, 6, 7, 8, 9])])
def test_an_expert_s_training_is_that_of_plain_torch(case, tmp_path, kept):
    """On all samples, or on those of a fold."""
    model, history, states = case.expert(1, SEED), [], []
    optimizer = adamw(model.parameters())
    for epoch in range(EPOCHS):
        model.train()
        mean = plain_epoch(
            case.batches(SEED, epoch, kept),
            optimizer,
            epoch,
            lambda batch: case.loss(model(batch["inputs"]), batch["targets"]),
        )
        model.eval()
        with torch.no_grad():
            history.append((mean, case.score(model(case.everything()["inputs"]))))
        states.append(copy.deepcopy(model.state_dict()))
    config = {"expert": case.networks["experts"][1], "training": RECIPE}
    directory = runs.directory(tmp_path)
    places = (case.manifest, SEED, runs.CPU, directory, kept)
    run = train_expert("x", case.task, config, *places)
    found = [(row["total_loss"], row["score"]) for row in run.history]
    for row, expected in zip(found, history, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    scores = [score for _, score in history]
    best = scores.index(max(scores) if case.name == "mmimdb" else min(scores))
    assert run.summary["best_epoch"] == best + 1
    assert run.summary["select_on"] == "validation"
    expert = case.expert(1, 0).eval()
    expert.load_state_dict(run.weights)
    plain = case.expert(1, 0).eval()
    plain.load_state_dict(states[best])
    inputs = case.everything()["inputs"]
    torch.testing.assert_close(expert(inputs), plain(inputs), rtol=1e-3, atol=1e-4)


def test_seeds_train_different_experts(case, tmp_path):
    config = {"expert": case.networks["experts"][0], "training": {**RECIPE, "epochs": 1}}
    losses = {
        train_expert(
            "x", case.task, config, case.manifest, seed, runs.CPU, runs.directory(tmp_path / name)
        ).history[0]["total_loss"]
        for name, seed in (("1", 1), ("again", 1), ("2", 2))
    }
    assert len(losses) == 2


POINTS = {
    "frozen, straight-through": {},
    "frozen, with noise": {"gumbel": True, "select_by": "objective", "cost_convention": "authors"},
    "frozen, soft": {"mode": "soft", "inference": "soft", "select_by": "objective"},
    "joint, soft": {"freeze": False, "mode": "soft", "inference": "soft"},
    "joint, straight-through": {"freeze": False, "select_by": "objective"},
    "frozen in training mode": {"freeze": "authors", "select_by": "objective"},
    "frozen, by the expected loss": {"mode": "expected_loss", "select_by": "objective"},
    "frozen, soft, judged hard": {"mode": "soft", "select_by": "objective"},
    "frozen, soft, judged as it trains": {
        "mode": "soft",
        "select_by": "objective",
        "validation_gate": "training",
    },
}


class PlainGate:
    """A gate's training by equation 1, written out."""

    def __init__(self, case, settings):
        self.case, self.settings, self.model = case, settings, case.dynamic(SEED)
        # the share of the costliest, counted with every multiply-add; the authors: E2 alone
        gating = load_gating(case.task.name)
        counts = [gating.count_madds(e, case.sizes) for e in self.model.experts.values()]
        first, second = (count["complete"] for count in counts)
        authors = settings["cost_convention"] == "authors"
        self.costs = torch.tensor([0.0, 1.0] if authors else [first / max(first, second), 1.0])
        trained = self.model.gate if settings["freeze"] else self.model
        self.optimizer = adamw(trained.parameters())

    def temperature(self, epoch):
        first, last = self.settings["temperature"]
        return first * (last / first) ** (epoch / EPOCHS)

    def train(self):
        for part in (*self.model.experts.values(), self.model.gate):
            part.train()
        if self.settings["freeze"] is True:
            for expert in self.model.experts.values():
                expert.eval()

    def experts(self, inputs):
        return torch.stack([e(inputs) for e in self.model.experts.values()], dim=1)

    def losses(self, batch, epoch):
        outputs = self.experts(batch["inputs"])
        logits = self.model.gate(batch["inputs"])
        if self.settings["gumbel"]:
            logits = logits - torch.empty(logits.shape).exponential_().log()
        weights = torch.softmax(logits / self.temperature(epoch), dim=1)
        if self.settings["mode"] == "straight_through":
            weights = F.one_hot(logits.argmax(1), 2) + weights - weights.detach()
        mixed = sum(weights[:, k, None] * outputs[:, k] for k in range(2))
        task = self.case.loss(mixed, batch["targets"])
        if self.settings["mode"] == "expected_loss":
            rows = range(len(mixed))
            losses = [
                [self.case.loss(outputs[row, k], batch["targets"][row]) for k in range(2)]
                for row in rows
            ]
            task = sum(weights[row, k] * losses[row][k] for row in rows for k in range(2))
            task = task / len(mixed)
        return task, self.settings["resource_weight"] * (weights @ self.costs).mean()

    @torch.no_grad()
    def score(self, epoch):
        self.model.eval()
        for part in (*self.model.experts.values(), self.model.gate):
            part.eval()
        inputs = self.case.everything()["inputs"]
        logits = self.model.gate(inputs)
        weights = F.one_hot(logits.argmax(1), 2).float()
        as_it_trains = self.settings["validation_gate"] == "training"
        if self.settings["mode" if as_it_trains else "inference"] == "soft":
            weights = torch.softmax(logits / self.temperature(epoch), dim=1)
        outputs = (weights[:, :, None] * self.experts(inputs)).sum(1)
        if self.settings["select_by"] == "score":
            return self.case.score(outputs)
        cost = self.settings["resource_weight"] * (weights @ self.costs).mean()
        return (self.case.loss(outputs, self.case.validation.targets) + cost).item()


@pytest.mark.parametrize("point", POINTS)
def test_a_gate_s_training_is_that_of_plain_torch(case, tmp_path, point):
    settings = {
        **runs.POINT,
        **RECIPE,
        "resource_weight": 0.7,
        "temperature": [1.0, 0.1],
        **POINTS[point],
    }
    plain, history = PlainGate(case, settings), []
    for epoch in range(EPOCHS):
        plain.train()
        parts = []

        def total(batch, epoch=epoch, parts=parts):
            parts.append(plain.losses(batch, epoch))
            return sum(parts[-1])

        mean = plain_epoch(case.batches(SEED, epoch), plain.optimizer, epoch, total)
        history.append(
            {
                "total_loss": mean,
                "task_loss": sum(task.item() for task, _ in parts) / len(parts),
                "resource_loss": sum(resource.item() for _, resource in parts) / len(parts),
                "temperature": plain.temperature(epoch),
                "score": plain.score(epoch),
            }
        )
    stored = case.stored if settings["freeze"] is True else [[], []]
    run = train_dynamic(
        "x",
        case.task,
        load_gating(case.task.name),
        {**case.networks, "training": settings},
        case.manifest,
        case.weights,
        stored,
        SEED,
        runs.CPU,
        runs.directory(tmp_path),
    )
    for row, expected in zip(run.history, history, strict=True):
        assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-4, abs=1e-5)
    scores = [row["score"] for row in history]
    by_f1 = case.name == "mmimdb" and settings["select_by"] == "score"
    best = scores.index(max(scores) if by_f1 else min(scores))
    assert run.summary["best_epoch"] == best + 1
    joint = {name.split(".")[0] for name in run.weights} == {"gate", "experts"}
    assert joint == (settings["freeze"] is not True)


def test_seeds_train_different_gates(case, tmp_path):
    config = {**case.networks, "training": {**runs.POINT, **RECIPE, "epochs": 1}}
    losses = set()
    for name, seed in (("1", 1), ("again", 1), ("2", 2)):
        directory = runs.directory(tmp_path / name)
        places = (case.manifest, case.weights, case.stored)
        gating = load_gating(case.task.name)
        run = train_dynamic("x", case.task, gating, config, *places, seed, runs.CPU, directory)
        losses.add(run.history[0]["total_loss"])
    assert len(losses) == 2


def test_patience_does_not_stop_a_gate_whose_temperature_still_falls(case, tmp_path):
    epochs = []
    for name, temperature in (("falls", [1.0, 0.1]), ("constant", [1.0, 1.0])):
        # without steps no epoch is better than the first
        settings = {**runs.POINT, **RECIPE, "temperature": temperature, "learning_rate": 0.0}
        config = {**case.networks, "training": {**settings, "patience": 0}}
        directory = runs.directory(tmp_path / name)
        places = (case.manifest, case.weights, case.stored)
        gating = load_gating(case.task.name)
        run = train_dynamic("x", case.task, gating, config, *places, SEED, runs.CPU, directory)
        epochs.append(len(run.history))
    assert epochs == [EPOCHS, 2]


def test_validation_in_training_mode_changes_scores_alone(case, tmp_path):
    losses, scores = [], []
    for mode in ("eval", "train"):
        settings = {**RECIPE, "validation_mode": mode}
        config = {"expert": case.networks["experts"][1], "training": settings}
        directory = runs.directory(tmp_path / mode)
        run = train_expert("x", case.task, config, case.manifest, SEED, runs.CPU, directory)
        losses.append(run.history[0]["total_loss"])
        scores.append([row["score"] for row in run.history])
    assert losses[0] == losses[1]
    assert scores[0] != scores[1]


def test_what_the_configuration_says_reaches_the_loop():
    changes = {"epochs": 9, "patience": 7, "clip_norm": 8.0, "to_beat": 0.5}
    found = loop_settings({**runs.TRAINING, **changes}, seed=4)
    assert {key: getattr(found, key) for key in changes} == changes
    assert found.seed == 4
