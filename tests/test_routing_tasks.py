"""What MM-IMDB and CMU-MOSEI add to the routing study, against the code that trained the models."""

import numpy as np
import pytest
import torch

from dynmm.data.manifest import read_manifest
from dynmm.tasks import load_evaluation, load_routing, load_task
from dynmm.vocabulary import MODALITY_TASKS
from modality_runs import prepared

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", params=MODALITY_TASKS)
def data(request, tmp_path_factory):
    path = prepared(request.param, tmp_path_factory.mktemp(request.param))
    task = load_task(request.param)
    test = task.open(path.parent, task.splits[2])
    outputs = torch.from_numpy(RNG.normal(size=test.targets.shape).astype(np.float32))
    return task, load_routing(request.param), path, test, outputs


def test_the_mean_of_the_losses_is_the_loss_of_the_training(data):
    task, routing, _, test, outputs = data
    own = routing.losses(outputs.numpy(), test.targets.numpy())
    assert own.shape == (len(test),)
    assert own.mean() == pytest.approx(task.loss(outputs, test.targets).item(), rel=1e-5)
    one = task.loss(outputs[1:2], test.targets[1:2]).item()
    assert own[1] == pytest.approx(one, rel=1e-5)


def test_scores_of_the_sums_are_those_of_the_evaluation(data):
    task, routing, path, test, outputs = data
    wanted = load_evaluation(task.name).scores(
        outputs, test.targets, read_manifest(path.parent, task.name)
    )
    sums = routing.counts(outputs.numpy(), test.targets.numpy()).sum(0)
    for name, score in routing.SCORES.items():
        assert float(score.value(sums)) == pytest.approx(wanted[name]), name


def test_targets_are_those_of_the_split(data):
    task, routing, path, _, _ = data
    validation = task.open(path.parent, task.splits[1])
    found = routing.targets(path.parent, task.splits[1])
    assert np.array_equal(found, validation.targets.numpy())


def test_features_are_one_row_a_sample(data):
    task, routing, path, test, _ = data
    found = routing.features(path.parent, task.splits[2])
    sizes = read_manifest(path.parent, task.name)["input_sizes"]
    assert found.shape == (len(test), sum(sizes.values()))
    if task.name == "mmimdb":
        wanted = np.concatenate([test.inputs[name].numpy() for name in sizes], axis=1)
    else:
        inputs = test.rows(torch.arange(len(test)))["inputs"]
        lengths = inputs["lengths"].numpy()[:, None]
        wanted = np.concatenate([inputs[n].numpy().sum(1) / lengths for n in sizes], axis=1)
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_a_router_costs_a_product_and_for_sequences_their_means():
    sizes = {"text": 300, "image": 4096}
    assert load_routing("mmimdb").router_madds(sizes, 2) == 4396
    assert load_routing("mmimdb").router_madds(sizes, 3) == 2 * 4396
    assert load_routing("mosei").router_madds({"text": 10}, 2) == 510


def test_genres_are_least_sure_at_one_half():
    uncertainty = load_routing("mmimdb").uncertainty
    found = uncertainty(np.array([[0.0, 0.0], [3.0, -3.0], [500.0, -500.0], [0.0, -500.0]]))
    p = 1 / (1 + np.exp(-3.0))
    sure = -2 * (p * np.log(p) + (1 - p) * np.log(1 - p))
    assert found == pytest.approx([2 * np.log(2), sure, 0, np.log(2)], abs=1e-9)


def test_a_sentence_is_least_sure_at_zero():
    found = load_routing("mosei").uncertainty(np.array([[0.1], [-2.0], [1.0]]))
    assert found.argmax() == 0 and found.argmin() == 1
