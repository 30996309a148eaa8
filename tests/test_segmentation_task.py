"""What segmentation training computes, against the same steps written out in plain torch."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nyu_files
from dynmm.data.nyuv2.prepare import prepare
from dynmm.files import read_json
from dynmm.models.gate_relaxation import relax_gate
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.models.weights import save_weights
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.run_directory import RunDirectory
from dynmm.training.segmentation import run as segmentation_run
from dynmm.training.segmentation.task import (
    SegmentationTask,
    cross_entropy_2d,
    multi_scale_cross_entropy,
    one_cycle,
)
from segmentation_runs import CONFIG

CPU = torch.device("cpu")
CLASSES, SIZE, BATCH, EPOCHS = 3, 32, 2, 20
CLASS_WEIGHTS = torch.tensor([0.5, 2.0, 1.0])
PATH_MADDS = torch.tensor([0.2, 1.0, 2.0, 4.0, 7.0])
# of `schedule_one_cycle`: the authors' run of 20 epochs, learning rate 0.01, batch 2
RATES = [0.0001, 0.0025, 0.00248100977]
MOMENTA = [0.95, 0.85, 0.850759612]


class Pyramid(nn.Module):
    """A stand-in for the networks: logits at four scales, and a gate where it has one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head, self.gate = nn.Conv2d(4, CLASSES, 1), nn.Linear(4, 5)
        self.asked, self.drawn = [], []

    def logits(self, rgb, depth):
        x = self.head(torch.cat([rgb, depth], dim=1))
        return tuple(F.avg_pool2d(x, r) for r in (1, 8, 16, 32)) if self.training else x

    def forward(self, rgb, depth, *, mode=None, temperature=1.0, gumbel=False):
        outputs = self.logits(rgb, depth)
        if mode is None:
            return outputs
        self.asked.append((mode, temperature, gumbel))
        means = torch.cat([rgb, depth], dim=1).mean((2, 3))
        weights = relax_gate(self.gate(means), temperature, mode if mode != "random" else "hard")
        # fusing more sharpens the prediction, so that the task loss reaches the gate
        sharpness = (weights * torch.arange(1.0, 6.0)).sum(1)[:, None, None, None]
        return tuple(sharpness * output for output in outputs), weights

    def infer(self, rgb, depth, *, paths=None, penalty=None):
        self.drawn.append(paths)
        return self.logits(rgb, depth), torch.zeros(len(rgb), dtype=torch.int64)


def batch_of(number):
    generator = torch.Generator().manual_seed(number)
    label = torch.randint(0, CLASSES + 1, (BATCH, SIZE, SIZE), generator=generator).byte()
    label[:, 0, 0] = 1  # at 1/32 one pixel is left, and it must not be void
    return {
        "rgb": torch.randn(BATCH, 3, SIZE, SIZE, generator=generator),
        "depth": torch.randn(BATCH, 1, SIZE, SIZE, generator=generator),
        "labels": [label[:, ::rate, ::rate] for rate in (1, 8, 16, 32)],
        "index": torch.arange(BATCH) + BATCH * number,
    }


def batches(epoch, start=0):
    return [batch_of(2 * epoch), batch_of(2 * epoch + 1)][start:]


def label_of(index):
    return batch_of(index // BATCH)["labels"][0][index % BATCH].numpy()


def task_of(kind="static", **changes):
    settings = {
        **CONFIG["training"],
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "learning_rate": 0.01,
        "weight_decay": 0.3,
        "gumbel": False,
        **changes,
    }
    return SegmentationTask(
        "stand-in",
        Pyramid(),
        kind,
        settings,
        class_weights=CLASS_WEIGHTS,
        path_madds=PATH_MADDS if kind == "dynamic" else None,
        train_batches=batches,
        validation_batches=lambda: batches(10),
        validation_labels=lambda index: label_of(index),
        device=CPU,
    )


def trained(task, folder, epochs=3):
    """The history of the first epochs of a run of 20."""
    settings = LoopSettings(epochs=epochs, seed=0)
    directory = RunDirectory(folder, "0" * 64, {}, checkpoint_seconds=0)
    return fit(task, directory.checkpoints, settings)[0].history


def plain_task_loss(outputs, labels):
    """Sum over the scales of the weighted mean over the labelled pixels."""
    total = 0.0
    for logits, label in zip(outputs, labels, strict=True):
        known = label > 0
        classes = label[known].long() - 1
        chosen = logits.log_softmax(1).movedim(1, -1)[known].gather(1, classes[:, None])[:, 0]
        weights = CLASS_WEIGHTS[classes]
        total = total - (weights * chosen).sum() / weights.sum()
    return total


def plain(loss_of, epochs=3):
    """(mean loss of every epoch, final weights) under SGD as torch documents it."""
    model, means = Pyramid().train(), []
    parameters = list(model.parameters())
    velocity = [torch.zeros_like(p) for p in parameters]
    for epoch in range(epochs):
        losses = []
        for batch in batches(epoch):
            model.zero_grad()
            loss = loss_of(model, batch, epoch)
            loss.backward()
            with torch.no_grad():
                for p, v in zip(parameters, velocity, strict=True):
                    if p.grad is None:
                        continue
                    gradient = p.grad + 0.3 * p
                    v.mul_(MOMENTA[epoch]).add_(gradient)
                    p.sub_(RATES[epoch] * (gradient + MOMENTA[epoch] * v))  # Nesterov
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    return means, model.state_dict()


def assert_same(task, history, expected):
    means, weights = expected
    assert [row["total_loss"] for row in history] == pytest.approx(means, rel=1e-5)
    for name, value in weights.items():
        torch.testing.assert_close(task.model.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_a_static_run_is_that_of_plain_torch(tmp_path):
    task = task_of()
    history = trained(task, tmp_path)
    expected = plain(
        lambda model, batch, epoch: plain_task_loss(
            model(batch["rgb"], batch["depth"]), batch["labels"]
        )
    )
    assert_same(task, history, expected)
    assert [row["learning_rate"] for row in history] == pytest.approx(RATES)
    assert "resource_loss" not in history[0]


@pytest.mark.parametrize("convention", ["paper", "authors"])
@pytest.mark.parametrize("mode", ["soft", "straight_through"])
def test_a_gated_run_is_that_of_plain_torch(tmp_path, mode, convention):
    task = task_of(
        "dynamic",
        gate=mode,
        cost_convention=convention,
        resource_weight=0.4,
        temperature=[1.0, 0.001],
    )
    history = trained(task, tmp_path)
    temperatures = [1.0, 0.707945784, 0.501187234]  # of `schedule_temperature`, 20 epochs

    def loss_of(model, batch, epoch):
        means = torch.cat([batch["rgb"], batch["depth"]], dim=1).mean((2, 3))
        soft = torch.softmax(model.gate(means) / temperatures[epoch], dim=1)
        weights = soft
        if mode == "straight_through":
            weights = F.one_hot(soft.argmax(1), 5) + soft - soft.detach()
        sharpness = (weights * torch.arange(1.0, 6.0)).sum(1)[:, None, None, None]
        outputs = [sharpness * x for x in model.logits(batch["rgb"], batch["depth"])]
        cost = (weights * PATH_MADDS).sum(1).mean() / (5 if convention == "authors" else 1)
        return plain_task_loss(outputs, batch["labels"]) + 0.4 * cost

    assert_same(task, history, plain(loss_of))
    assert [row["temperature"] for row in history] == pytest.approx(temperatures)
    for row in history:
        assert row["total_loss"] == pytest.approx(row["task_loss"] + row["resource_loss"])


def test_random_paths_cost_nothing_and_are_validated_on_drawn_paths(tmp_path):
    task = task_of("dynamic", gate="random", resource_weight=0.4)
    history = trained(task, tmp_path, epochs=1)
    assert not {"resource_loss", "temperature"} & set(history[0])
    assert {mode for mode, _, _ in task.model.asked} == {"random"}
    drawn = torch.cat(task.model.drawn)
    assert len(drawn) == 4 and set(drawn.tolist()) <= set(range(5))
    task.score(1)
    assert torch.equal(torch.cat(task.model.drawn[2:]), drawn)  # the same paths in every epoch


def test_a_learned_gate_is_validated_on_its_own_paths_and_its_noise_is_configured(tmp_path):
    task = task_of("dynamic", gate="soft", gumbel=True, temperature=[0.5, 0.5])
    trained(task, tmp_path, epochs=1)
    assert task.model.asked == [("soft", 0.5, True)] * 2
    assert task.model.drawn == [None, None]


def test_kinds_of_gate_follow_one_another_within_a_run(tmp_path):
    stages = [["random", 1], ["soft", 1], ["straight_through", 1]]
    task = task_of("dynamic", gate=stages, temperature=[1.0, 0.001])
    history = trained(task, tmp_path)
    kinds = [mode for mode, _, _ in task.model.asked]
    assert kinds == [kind for kind, _ in stages for _ in range(2)]  # two batches an epoch
    assert "temperature" not in history[0]
    assert history[1]["temperature"] == pytest.approx(0.707945784)
    assert [paths is None for paths in task.model.drawn] == [False] * 2 + [True] * 4


def test_a_network_of_one_modality_sees_it_alone():
    class OneModality(nn.Conv2d):
        def forward(self, image):
            return (super().forward(image),)

    batch = batches(0)[0]
    for kind, channels in (("rgb", 3), ("depth", 1)):
        task = task_of(kind)
        task.model = OneModality(channels, CLASSES, 1)
        labels = batch["labels"][:1]
        expected = plain_task_loss(task.model(batch[kind]), labels)
        assert task.losses({**batch, "labels": labels}, 0)["total"].item() == pytest.approx(
            expected.item(), rel=1e-6
        )


def test_the_score_is_the_mean_iou_over_every_frame(monkeypatch):
    task = task_of("dynamic", gate="soft")
    task.model.eval()
    intersections, unions = np.zeros(CLASSES), np.zeros(CLASSES)
    for batch in batches(10):
        predicted = task.model.logits(batch["rgb"], batch["depth"]).argmax(1).numpy() + 1
        label = batch["labels"][0].numpy()
        predicted[label == 0] = 0
        for number in range(CLASSES):
            is_label, is_predicted = label == number + 1, predicted == number + 1
            intersections[number] += (is_label & is_predicted).sum()
            unions[number] += (is_label | is_predicted).sum()
    assert task.score(0) == pytest.approx((intersections / unions).mean(), rel=1e-9)


# losses by hand


def test_the_loss_is_the_weighted_mean_over_labelled_pixels():
    logits = torch.tensor([[[[2.0, 0.0, 1.0]], [[0.0, 1.0, 1.0]]]])  # two classes, three pixels
    labels = torch.tensor([[[1, 2, 0]]])
    weights = torch.tensor([1.0, 3.0])
    first, second = math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1))
    loss = cross_entropy_2d(logits, labels, weights)
    assert loss.item() == pytest.approx((1 * first + 3 * second) / 4)
    double = multi_scale_cross_entropy([logits, 2 * logits], [labels, labels], weights)
    other = math.log(1 + math.exp(-4)) + 3 * math.log(1 + math.exp(-2))
    assert double.item() == pytest.approx(loss.item() + other / 4)


def test_void_pixels_neither_cost_nor_count():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    void = torch.zeros(2, 4, 4, dtype=torch.uint8)
    weights = torch.tensor([1.0, 2.0, 0.5])
    loss = cross_entropy_2d(logits, void, weights)
    loss.backward()
    assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))
    labels = void.clone()
    labels[0, 0, 0] = 2
    single = F.cross_entropy(logits[0, :, 0, 0][None], torch.tensor([1]))
    assert cross_entropy_2d(logits, labels, weights).item() == pytest.approx(single.item(), 1e-5)


# the schedule; the numbers of 500, 20 and 5 epochs are the authors' (`schedule_one_cycle`)


def scheduled(epochs, learning_rate=0.01):
    """Learning rate and momentum of every epoch."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=learning_rate, momentum=0.9)
    scheduler = one_cycle(optimizer, epochs)
    values = []
    for _ in range(epochs):
        group = optimizer.param_groups[0]
        values.append((group["lr"], group["momentum"]))
        optimizer.step()
        scheduler.step()
    return tuple(zip(*values, strict=True))


def test_one_cycle_of_500_epochs():
    rates, momenta = scheduled(500)
    known = {0: 0.0004, 1: 0.000409862115, 25: 0.00535384757, 49: 0.01, 50: 0.00999987815}
    known |= {274: 0.00500002, 498: 1.61845986e-07, 499: 4e-08}
    assert {epoch: rates[epoch] for epoch in known} == pytest.approx(known, rel=1e-6)
    turns = {0: 0.95, 1: 0.94989727, 49: 0.85, 274: 0.9, 498: 0.949998782, 499: 0.95}
    assert {epoch: momenta[epoch] for epoch in turns} == pytest.approx(turns, rel=1e-8)


def test_one_cycle_of_20_epochs():
    rates, momenta = scheduled(20)
    known = [0.0004, 0.01, 0.00992403907, 0.00969846431, 0.0093301297, 0.00883022689]
    assert rates[:6] == pytest.approx(known)
    assert rates[-3:] == pytest.approx([0.00030157569, 7.60009311e-05, 4e-08])
    assert momenta[:3] == pytest.approx([0.95, 0.85, 0.850759612])


def test_one_cycle_of_few_epochs():
    rates, _ = scheduled(5)
    assert rates == pytest.approx([0.00969846431, 0.00750001, 0.00413178258, 0.00116981311, 4e-08])
    # the authors' ends with a division by zero at 10 epochs: its peak is the first one
    fall = [0.01 * (1 + math.cos(math.pi * step / 9)) / 2 for step in range(1, 10)]
    assert scheduled(10)[0] == pytest.approx([0.0004, *fall], rel=1e-3, abs=1e-7)
    assert scheduled(1)[0] == pytest.approx([0.005868257])


# a run: what the program gives to the task


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    splits = {"train": [1, 3, 4, 6], "test": [2, 5]}
    prepare(nyu_files.write_raw(folder / "raw", splits=splits), folder / "prepared", RAW)
    return folder / "prepared" / "manifest.json"


RAW = {"depth": "raw"}


@pytest.fixture
def given(manifest, monkeypatch):
    """Function of changes to the configuration: what the task of such a run is built of."""
    monkeypatch.setattr(segmentation_run, "run_to_end", lambda build, *rest: (build(), *rest))

    def task(name, model, kind, settings, **more):
        return SimpleNamespace(name=name, model=model, kind=kind, settings=settings, **more)

    monkeypatch.setattr(segmentation_run, "SegmentationTask", task)

    def build(init=None, seed=3, **changes):
        training = {**CONFIG["training"], "validation_share": 0.25, **changes}
        config = {**CONFIG, "prepare": RAW, "training": training}
        task, _, settings, select_on = segmentation_run.train_run(
            "x", config, manifest, init, seed, CPU, directory=None
        )
        assert select_on == training["select_on"]
        task.loop = settings
        return task

    return build


def frames_of(loader):
    return loader.dataset.frames.frame_numbers


def test_epochs_are_chosen_on_held_out_frames_or_on_the_test_split(given):
    task = given(select_on="validation", model="static")
    train, held_out = frames_of(task.train_batches(0)), frames_of(task.validation_batches())
    assert (len(train), len(held_out)) == (3, 1)
    assert sorted(train + held_out) == [1, 3, 4, 6]
    [batch] = task.validation_batches()
    assert batch["rgb"].shape == (1, 3, 64, 64)
    assert task.validation_labels(0).shape == (48, 64)
    task = given(select_on="test", model="static")
    assert frames_of(task.train_batches(0)) == [1, 3, 4, 6]
    assert frames_of(task.validation_batches()) == [2, 5]


def test_weights_of_classes_and_statistics_of_depth_are_those_of_the_data(given, manifest):
    task, stored = given(model="static"), read_json(manifest)
    assert task.class_weights.tolist() == pytest.approx(stored["class_weights"], rel=1e-6)
    assert len(set(stored["class_weights"])) > 5
    scale = task.train_batches(0).dataset.transform.depth_scale
    assert (scale.depth_mode, scale.mean) == ("raw", stored["depth_statistics"]["raw"]["mean"])
    assert task.validation_batches().dataset.transform.depth_scale == scale
    assert task.path_madds is None


def test_paths_cost_the_measured_billions_of_the_depth_encoder(given):
    for convention, counter in (("paper", "complete"), ("authors", "per_module")):
        task = given(model="dynamic", cost_convention=convention)
        measured = path_madds(task.model)[counter]["depth_encoder"]
        assert task.path_madds.tolist() == pytest.approx([count / 1e9 for count in measured])
        assert 0 < task.path_madds[0] < task.path_madds[4] < 0.2


def test_seeds_decide_weights_order_and_crops_and_epochs_the_last_two(given):
    def first_crop(task, epoch):
        return next(iter(task.train_batches(epoch)))["rgb"]

    one, same, other = (given(model="static", seed=seed) for seed in (1, 1, 2))
    key = "encoder_rgb.conv1.weight"
    assert torch.equal(one.model.state_dict()[key], same.model.state_dict()[key])
    assert not torch.equal(one.model.state_dict()[key], other.model.state_dict()[key])
    assert torch.equal(first_crop(one, 0), first_crop(same, 0))
    assert not torch.equal(first_crop(one, 0), first_crop(other, 0))
    assert not torch.equal(first_crop(one, 0), first_crop(one, 1))


def test_a_run_starts_from_the_weights_of_another(given, tmp_path):
    torch.manual_seed(8)
    static = build_segmentation("static", CONFIG["network"])
    save_weights(static.state_dict(), tmp_path / "static.safetensors")
    started = given(init=tmp_path / "static.safetensors", model="dynamic").model.state_dict()
    assert all(torch.equal(started[name], value) for name, value in static.state_dict().items())


def test_what_the_configuration_says_reaches_the_loop(given):
    changes = {"epochs": 7, "to_beat": 0.25, "validate_every": 2}
    loop = given(model="static", precision="float16", **changes).loop
    assert {key: getattr(loop, key) for key in changes} == changes
    assert (loop.seed, loop.loss_scaling) == (3, True)
    assert not given(model="static", precision="float32").loop.loss_scaling
