"""Noise sweeps of the modality level against a plain loop, number by number; missing modalities."""

import random

import numpy as np
import pytest
import torch

from dynmm.data.mmimdb.batches import FeatureSplit
from dynmm.data.mosei.batches import SequenceSplit
from dynmm.evaluation.modality.noise import (
    NoisyFeatures,
    dynamic_predictor,
    feature_scores,
    predict_expert,
)
from dynmm.evaluation.noise_sweep import noisy_results, sweep, without_modalities
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.models.experts.dynamic_build import dynamic_from
from dynmm.tasks import load_evaluation, load_gating, load_task

CPU = torch.device("cpu")
EXPERTS = ["text", "late_fusion"]
SIZES = {"mmimdb": {"text": 6, "image": 9}, "mosei": {"vision": 5, "audio": 4, "text": 6}}
OPTIONS = {
    "mmimdb": [
        {"hidden": 8, "features": 8, "head_hidden": 8},
        {"text_hidden": 8, "image_hidden": 8, "features": 8},
    ],
    "mosei": [{"layers": 1, "feedforward": 8}] * 2,
}
GATES = {
    "mmimdb": {"model": "mlp", "options": {"hidden": 4}},
    "mosei": {"model": "transformer", "options": {"layers": 1, "feedforward": 8}},
}
EVALUATION = {"batch_size": 4, "by_length": True}
SAMPLES = 11


def model_of(task):
    torch.manual_seed(0)
    experts = [
        {"name": name, "model": name, "options": options}
        for name, options in zip(EXPERTS, OPTIONS[task], strict=True)
    ]
    model = dynamic_from(
        task, {"experts": experts, "gate": GATES[task]}, SIZES[task], 3 if task == "mmimdb" else 1
    )
    for parameter in model.gate.parameters():
        parameter.data *= 3  # choices that noise can change
    return model.eval()


def split_of(task):
    generator = torch.Generator().manual_seed(3)
    ids = np.array([b"%d" % place for place in range(SAMPLES)])
    if task == "mmimdb":
        inputs = {
            name: torch.randn(SAMPLES, size, generator=generator)
            for name, size in SIZES[task].items()
        }
        return FeatureSplit(inputs, torch.zeros(SAMPLES, 3), ids, ("a", "b", "c"))
    lengths = torch.tensor([3, 7, 1, 5, 5, 2, 9, 4, 6, 1, 8])
    steps = {
        name: torch.randn(int(lengths.sum()), size, generator=generator)
        for name, size in SIZES[task].items()
    }
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    return SequenceSplit(steps, offsets, torch.zeros(SAMPLES, 1), ids)


@pytest.fixture(params=list(SIZES))
def task(request):
    load_gating(request.param)
    return load_task(request.param)


@pytest.fixture
def model(task):
    return model_of(task.name)


@pytest.fixture
def samples(task, model):
    predict = dynamic_predictor("hard", 1.0)
    return NoisyFeatures(lambda: model, predict, task, split_of(task.name), EVALUATION, CPU)


def score(results):
    return feature_scores(
        results, lambda outputs: {"mean": outputs.mean().item(), "each": {"left": "out"}}, EXPERTS
    )


def plain(task, model, modalities, level, run, per="batch"):
    """Draws as in the authors' evaluation, from the global generators, every batch predicted."""
    random.seed(run)
    torch.manual_seed(run)
    torch.empty((), dtype=torch.int64).random_()
    outputs, chosen, index = [], [], []
    for batch in task.evaluation_batches(split_of(task.name), EVALUATION):
        inputs = {name: x.clone() for name, x in batch["inputs"].items()}
        everyone = torch.arange(len(batch["index"]))
        for rows in everyone.split(1 if per == "sample" else len(everyone)):
            u = random.random()
            for place, modality in enumerate(modalities):
                if not 0.33 * place <= u < 0.33 * (place + 1):
                    continue
                x = inputs[modality][rows]
                valid = torch.ones(x.shape[:-1], dtype=torch.bool)
                if "lengths" in inputs:
                    valid = torch.arange(x.shape[1]) < inputs["lengths"][rows].unsqueeze(1)
                noise = torch.randn_like(x) * x[valid].abs().mean()
                inputs[modality][rows] = x + level * noise * valid.unsqueeze(-1)
        found = model.infer(inputs)
        outputs.append(found.outputs)
        chosen.append(found.chosen)
        index.append(batch["index"])
    order = torch.cat(index).argsort()
    return {
        "outputs": torch.cat(outputs)[order].numpy(),
        "chosen": torch.cat(chosen)[order].numpy(),
    }


def test_the_numbers_are_those_of_a_plain_loop(task, model, samples, tmp_path):
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    differing = 0
    for setting, modalities in load_evaluation(task.name).NOISE_SETTINGS.items():
        units = samples.units("batch")
        rows = sweep(directory, setting, modalities, units, [0, 0.5, 1.5], 4, samples, score)
        for row in rows:
            expected = score(plain(task, model, modalities, row["level"], row["run"]))
            assert {key: row[key] for key in expected} == pytest.approx(expected, rel=1e-6)
            assert set(expected) == {"mean", "share_text", "share_late_fusion"}
            differing += row["mean"] != rows[0]["mean"]
    assert differing > 5  # the noise reaches the numbers


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_noisy_results_are_those_of_their_own_samples(task, model, samples, per):
    clean = samples.clean()
    for run in range(4):
        results, _ = noisy_results(clean, samples.units(per), ("text",), 1.5, run, samples.noisy)
        expected = plain(task, model, ("text",), 1.5, run, per)
        for name, values in expected.items():
            assert results[name] == pytest.approx(values, rel=1e-5, abs=1e-6)
    assert not np.allclose(results["outputs"], clean["outputs"])


def test_a_missing_modality_is_zero_everywhere(task, model, samples, tmp_path):
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    row = without_modalities(directory, "text", ("text",), samples, score)
    outputs = torch.empty(SAMPLES, task.outputs({"genres": "abc"}))
    for batch in task.evaluation_batches(split_of(task.name), EVALUATION):
        text = torch.zeros_like(batch["inputs"]["text"])
        outputs[batch["index"]] = model.infer(batch["inputs"] | {"text": text}).outputs
    assert row["mean"] == pytest.approx(outputs.mean().item())
    assert (row["input"], row["level"]) == ("zero", None)
    assert row["mean"] != score(samples.clean())["mean"]


def test_an_expert_feels_its_own_modalities_alone(task, model, tmp_path):
    expert = model.experts["text"]
    samples = NoisyFeatures(
        lambda: expert, predict_expert, task, split_of(task.name), EVALUATION, CPU
    )
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    other = "image" if task.name == "mmimdb" else "audio"
    means = {}
    for setting in (other, "text"):
        units = samples.units("sample")
        rows = sweep(directory, setting, (setting,), units, [0, 1.0], 3, samples, score)
        means[setting] = [row["mean"] for row in rows]
        assert "share_text" not in rows[0]
    assert len(set(means[other])) == 1
    assert len(set(means["text"])) == 4  # clean, and each run its own


def test_noise_never_reaches_the_stored_features(task, samples, tmp_path):
    before = split_of(task.name).rows(torch.arange(SAMPLES))["inputs"]
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    units = samples.units("sample")
    sweep(directory, "text", ("text",), units, [0, 2.0], 2, samples, score)
    after = samples.split.rows(torch.arange(SAMPLES))["inputs"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_missing_modality_is_told_to_the_gate(task, model, tmp_path):
    seen = []
    split = split_of(task.name)

    def predict(model, inputs):
        seen.append(inputs)
        found = model.infer(inputs)
        return found.outputs, found.chosen

    samples = NoisyFeatures(lambda: model, predict, task, split, EVALUATION, CPU)
    samples.missing(("text",))
    there = [name != "text" for name in SIZES[task.name]]
    assert all(
        inputs["available"].tolist() == [there] * len(inputs["available"]) for inputs in seen
    )
    assert sum(len(inputs["available"]) for inputs in seen) == SAMPLES
    seen.clear()
    samples.clean()
    assert not any("available" in inputs for inputs in seen)
