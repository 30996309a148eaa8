"""What the loop computes, step by step, against the same training written out in plain torch."""

import copy
import functools
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from dynmm.device import numerics
from dynmm.files import read_json, sha256
from dynmm.training.loop import LoopSettings, epoch_seed, fit
from dynmm.training.run_directory import RunDirectory, publish, run_to_end

SEED, EPOCHS, SAMPLES = 5, 4, 12
LEARNING_RATE, MOMENTUM, DECAY_OF_RATE = 0.02, 0.9, 0.5
CLIP = 0.4  # below every norm of this run's gradients
X = torch.randn(SAMPLES, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True).square()


class Regression:
    """A `TrainingTask` whose network behaves differently in training and in evaluation."""

    name, score_name, higher_is_better = "regression", "loss", False
    validates_in_training_mode = False
    device = torch.device("cpu")

    def __init__(self, factor=1.0):
        torch.manual_seed(1)
        self.model = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM
        )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda epoch: DECAY_OF_RATE**epoch
        )
        self.factor = factor

    def train_batches(self, epoch, start=0):
        generator = torch.Generator().manual_seed(epoch)
        return torch.randperm(SAMPLES, generator=generator).split(4)[start:]

    def losses(self, batch, epoch):
        loss = self.factor * F.mse_loss(self.model(X[batch]), Y[batch])
        return {"total": loss, "half": loss.detach() / 2}

    def score(self, epoch):
        with torch.no_grad():
            return F.mse_loss(self.model(X), Y).item()

    def epoch_values(self, epoch):
        return {"temperature": 10.0 - epoch}


def settings(epochs=EPOCHS, **more):
    return LoopSettings(epochs=epochs, seed=SEED, **more)


def directory(folder):
    return RunDirectory(folder, "0" * 64, {}, checkpoint_seconds=0)


def plain(epochs=EPOCHS, clip=None):
    """(history, weights after every epoch) of the same run."""
    task = Regression()
    model, history, weights = task.model, [], []
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    for epoch in range(epochs):
        torch.manual_seed(epoch_seed(SEED, epoch))
        rate, losses = LEARNING_RATE * DECAY_OF_RATE**epoch, []
        model.train()
        for rows in task.train_batches(epoch):
            model.zero_grad()
            loss = F.mse_loss(model(X[rows]), Y[rows])
            loss.backward()
            gradients = [p.grad for p in model.parameters()]
            norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
            assert norm > CLIP
            scale = 1.0 if clip is None else clip / norm
            with torch.no_grad():
                for p, g, v in zip(model.parameters(), gradients, velocity, strict=True):
                    v.mul_(MOMENTUM).add_(scale * g)
                    p.sub_(rate * v)
            losses.append(loss.item())
        model.eval()
        history.append(
            {
                "epoch": epoch + 1,
                "learning_rate": rate,
                "temperature": 10.0 - epoch,
                "total_loss": sum(losses) / 3,
                "half_loss": sum(losses) / 6,
                "score": task.score(epoch),
            }
        )
        weights.append(copy.deepcopy(model.state_dict()))
    return history, weights


def assert_same(progress, weights, expected):
    """The history and the weights of the last epoch are those of `plain`."""
    for row, plain_row in zip(progress.history, expected[0], strict=True):
        found = {key: row[key] for key in plain_row}
        assert found == pytest.approx(plain_row, rel=1e-4)
    for name, value in expected[1][-1].items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("clip", [None, CLIP])
def test_a_run_is_that_of_plain_torch(tmp_path, clip):
    task = Regression()
    progress = fit(task, directory(tmp_path).checkpoints, settings(clip_norm=clip))[0]
    assert_same(progress, task.model.state_dict(), plain(clip=clip))


@pytest.fixture
def scaling(monkeypatch):
    """Loss scaling, which a machine without a GPU has for the asking alone."""
    scaler = functools.partial(torch.amp.GradScaler, "cpu")
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)


@pytest.mark.parametrize("clip", [None, CLIP])
def test_a_scaled_loss_changes_nothing_but_the_range_of_the_gradient(tmp_path, scaling, clip):
    task = Regression()
    scaled = settings(clip_norm=clip, loss_scaling=True)
    progress, _ = fit(task, directory(tmp_path).checkpoints, scaled)
    assert_same(progress, task.model.state_dict(), plain(clip=clip))


@pytest.mark.filterwarnings("ignore:Detected call of")  # every step is skipped
def test_the_scale_falls_after_an_overflow_and_goes_on_from_there_after_a_kill(tmp_path, scaling):
    whole, parts = directory(tmp_path / "whole"), tmp_path / "parts"
    scales = []
    for epochs, folder in ((1, parts), (2, parts), (2, tmp_path / "whole")):
        run = whole if folder == tmp_path / "whole" else directory(folder)
        fit(Regression(factor=1e36), run.checkpoints, settings(epochs, loss_scaling=True))
        scales.append(run.checkpoints.load()["scaler"]["scale"])
        run.close()
    # every step of an epoch's three overflows, and each halves the scale
    assert scales == [2**16 / 2**3, 2**16 / 2**6, 2**16 / 2**6]


def test_epochs_and_seeds_have_random_numbers_of_their_own():
    seeds = {epoch_seed(seed, epoch) for seed in range(20) for epoch in range(200)}
    assert len(seeds) == 20 * 200


class Scripted(Regression):
    """Scores that are given."""

    def __init__(self, scores, higher_is_better=False):
        super().__init__()
        self.scores, self.higher_is_better = scores, higher_is_better

    def score(self, epoch):
        return self.scores[epoch]


NAN = math.nan


@pytest.mark.parametrize(
    ("higher", "scores", "patience", "epochs", "best"),
    [
        (False, [5, 4, 4.5, 4.5, 4.5, 1], 2, 5, 2),
        (False, [5, 4, 4.5, 4.5, 3, 3.5, 3.5, 3.5, 3.5], 2, 8, 5),
        (False, [3, 2, 1, 4], None, 4, 3),
        (True, [0.1, 0.3, 0.2, 0.4, 0.35], 1, 5, 4),
        (True, [0.1, 0.3, 0.3, 0.3, 0.9], 1, 4, 2),  # an equal score is not a better one
        (False, [2, 2, 2, 1], 2, 4, 4),
        (True, [NAN, 0.2, NAN, NAN, 0.4], 1, 4, 2),  # what is not a number is never best
        (True, [NAN, NAN, 0.2], None, 3, 3),
    ],
)
def test_patience_and_the_best_epoch(tmp_path, higher, scores, patience, epochs, best):
    limits = settings(len(scores), patience=patience)
    progress, _ = fit(Scripted(scores, higher), directory(tmp_path).checkpoints, limits)
    assert (progress.epoch, progress.best_epoch) == (epochs, best)
    assert progress.best_score == scores[best - 1]


@pytest.mark.parametrize(("higher", "best"), [(False, 2), (True, 3)])
def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path, higher, best):
    run = directory(tmp_path)
    _, stored = fit(Scripted([2.0, 1.0, 3.0, 2.0], higher), run.checkpoints, settings())
    _, weights = plain()
    kept = load_file(run.path / stored["best"])
    for name, value in weights[best - 1].items():
        torch.testing.assert_close(kept[name], value, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(weights[-1]["0.weight"], kept["0.weight"], rtol=1e-3)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_that_goes_on_after_any_epoch_is_that_of_plain_torch(tmp_path, done):
    for epochs in (done, EPOCHS):
        task, run = Regression(), directory(tmp_path)
        progress, _ = fit(task, run.checkpoints, settings(epochs))
        run.close()
    assert_same(progress, task.model.state_dict(), plain())


def test_the_best_epoch_so_far_is_remembered(tmp_path):
    scores = [1.0, 2.0, 3.0, 4.0]
    for epochs in (2, EPOCHS):
        run = directory(tmp_path)
        progress, best = fit(Scripted(scores), run.checkpoints, settings(epochs))
        run.close()
    assert (progress.best_epoch, progress.best_score) == (1, 1.0)
    _, weights = plain(1)
    torch.testing.assert_close(
        load_file(run.path / best["best"])["0.weight"], weights[0]["0.weight"]
    )


def test_another_fingerprint_starts_anew(tmp_path):
    fit(Regression(), directory(tmp_path).checkpoints, settings(2))
    renamed = RunDirectory(tmp_path, "1" * 64, {}).checkpoints
    other, _ = fit(Regression(), renamed, settings(1))
    assert [row["epoch"] for row in other.history] == [1]


def test_a_run_ends_once_and_is_recalled_from_then_on(tmp_path):
    run, built = directory(tmp_path), []

    def build():
        built.append(Scripted([2.0, 1.0, 3.0, 2.5]))
        return built[-1]

    first = run_to_end(build, run, settings(), "test")
    assert not list(run.path.glob("state-*"))
    again = run_to_end(build, run, settings(), "test")
    assert len(built) == 1
    assert again.history == first.history and again.summary == first.summary
    expected = {"epochs": 4, "best_epoch": 2, "best_score": 1.0, "score_name": "loss"}
    ran_on = numerics(torch.device("cpu"))
    assert first.summary == {**expected, "select_on": "test", "ran_on": ran_on}
    _, weights = plain(2)
    for found in (first, again):
        torch.testing.assert_close(found.weights["0.weight"], weights[1]["0.weight"])
    files = [tmp_path / name for name in ("weights.safetensors", "history.csv", "training.json")]
    publish(first, *files, {"why": "test"})
    digest = {"weights_sha256": sha256(files[0])}
    assert read_json(files[2]) == {**first.summary, **digest, "provenance": {"why": "test"}}
    header, *rows = files[1].read_text().splitlines()
    assert header.startswith("epoch,learning_rate,temperature") and len(rows) == 4
