"""The sweep with reused clean predictions against a plain loop, number by number."""

import random

import numpy as np
import pytest
import torch

import fixture_rules as rules
from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.data.nyuv2.prepare import prepare
from dynmm.evaluation import noise_sweep
from dynmm.evaluation.noise import GaussianNoise, noisy_modalities, split_units
from dynmm.evaluation.segmentation.noise import SETTINGS, NoisyFrames, noise_scores
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.inference import segmentation as segmentation_inference
from dynmm.inference.segmentation import run_split
from dynmm.models.segmentation.build import build_segmentation
from nyu_files import write_raw

NETWORK = {
    "encoder": "resnet18",
    "block": "BasicBlock",
    "channels_decoder": [16, 16, 16],
    "nr_decoder_blocks": [1, 1, 1],
    "fusion": "SE-add",
    "height": 64,
    "width": 64,
    "pretrained": "none",
}
DEPTH = {"depth_mode": "refined", "mean": 2800.0, "std": 1400.0}
BATCH = 2
DEPTH_MADDS = [0.0, 1.0, 2.0, 3.0, 4.0]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    raw = write_raw(folder / "raw", splits={"train": [1], "test": [2, 3, 4, 5, 6]})
    prepare(raw, folder / "prepared", {"depth": "refined"})
    return folder / "prepared"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = build_segmentation("dynamic", NETWORK)
    statistics = {
        key: torch.from_numpy(rules.tensor_for(key, value.shape)).to(value.dtype)
        for key, value in model.state_dict().items()
        if "running" in key
    }
    model.load_state_dict(statistics, strict=False)
    model.gate_layer.fc.weight.data *= 20  # choices that differ between frames
    return model.eval()


@pytest.fixture
def frames(prepared, network):
    return NoisyFrames(lambda: network, "dynamic", prepared, (64, 64), DEPTH, BATCH, CPU)


@pytest.fixture
def passes(monkeypatch):
    """Batch sizes of every pass through the network."""
    sizes, run_network = [], segmentation_inference.run_network

    def counted(model, kind, rgb, depth, *choice):
        sizes.append(len(rgb))
        return run_network(model, kind, rgb, depth, *choice)

    monkeypatch.setattr(segmentation_inference, "run_network", counted)
    return sizes


def swept(frames, directory, settings=SETTINGS, levels=(0, 0.4), runs=3, per="batch"):
    units = frames.units(per)
    return {
        name: noise_sweep.sweep(
            directory, name, SETTINGS[name], units, levels, runs, frames, scores
        )
        for name in settings
    }


def scores(results):
    return noise_scores(results, DEPTH_MADDS)


def authors_loop(network, prepared, mode, level, run):
    """Seeds and draws as in the authors' evaluation, the whole split through the network."""
    random.seed(run)
    torch.manual_seed(run)
    frames = SegmentationFrames(prepared, "test")
    torch.empty((), dtype=torch.int64).random_()

    def noisy():
        for batch in evaluation_batches(frames, (64, 64), DEPTH, batch_size=BATCH):
            u = random.random()
            if (mode == "rgb" and u < 0.33) or (mode == "both" and u < 0.33):
                x = batch["rgb"]
                batch["rgb"] = x + level * torch.mean(torch.abs(x)) * torch.randn_like(x)
            elif (mode == "depth" and u < 0.33) or (mode == "both" and 0.33 <= u < 0.66):
                x = batch["depth"]
                batch["depth"] = x + level * torch.mean(torch.abs(x)) * torch.randn_like(x)
            yield batch

    result = run_split(network, "dynamic", noisy(), frames.labels, CPU, per_sample=True)
    return {"confusion": result.sample_confusion, "path": result.path}


@pytest.mark.slow
def test_the_numbers_are_those_of_a_plain_loop(frames, network, prepared, tmp_path):
    levels, runs = (0, 0.4, 1.0), 4
    rows = swept(frames, SweepDirectory(tmp_path, "a" * 64, {}), levels=levels, runs=runs)
    differing = 0
    for setting, got in rows.items():
        assert [(row["level"], row["run"]) for row in got] == [
            (level, run) for level in levels for run in range(runs)
        ]
        for row in got:
            results = authors_loop(network, prepared, setting, row["level"], row["run"])
            expected = scores(results)
            assert {key: row[key] for key in expected} == expected
            differing += row["miou"] != got[0]["miou"]
    assert differing > 10  # the noise reaches the numbers


@pytest.mark.slow
def test_the_network_runs_less_than_half_as_often(frames, passes, tmp_path):
    levels, runs, batches = [0, 0.2, 0.4, 0.6, 0.8, 1.0], 10, 3
    swept(frames, SweepDirectory(tmp_path, "a" * 64, {}), levels=levels, runs=runs)
    plain = len(SETTINGS) * len(levels) * runs * batches
    assert plain >= 2.2 * len(passes)
    # the clean split once, and every noisy batch of every level above 0
    drawn = [
        noisy_modalities(modalities, run, batches)
        for modalities in SETTINGS.values()
        for run in range(runs)
    ]
    assert len(passes) == batches + 5 * sum(bool(name) for names in drawn for name in names)


def test_a_level_more_computes_that_level_alone(frames, passes, tmp_path):
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    first = swept(frames, directory, ["both"], levels=[0, 0.5])["both"]
    before = len(passes)
    again = swept(frames, directory, ["both"], levels=[0, 0.5])["both"]
    assert again == first and len(passes) == before
    more = swept(frames, directory, ["both"], levels=[0, 0.25, 0.5])["both"]
    assert more[:3] + more[6:] == first
    noisy = sum(
        bool(name) for run in range(3) for name in noisy_modalities(SETTINGS["both"], run, 3)
    )
    assert len(passes) == before + noisy


def test_a_run_more_computes_that_run_alone(frames, passes, tmp_path):
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    swept(frames, directory, ["both"], levels=[0.5], runs=3)
    before = len(passes)
    rows = swept(frames, directory, ["both"], levels=[0.5], runs=4)["both"]
    assert len(passes) - before == sum(map(bool, noisy_modalities(SETTINGS["both"], 3, 3)))
    fresh = SweepDirectory(tmp_path / "fresh", "a" * 64, {})
    assert rows == swept(frames, fresh, ["both"], levels=[0.5], runs=4)["both"]


def test_a_sweep_that_was_stopped_goes_on_after_its_last_level(frames, tmp_path, monkeypatch):
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    noisy, calls = NoisyFrames.noisy, []

    def stopped(self, inputs):
        calls.append(inputs.level)
        if inputs.level == 0.6:
            raise KeyboardInterrupt
        return noisy(self, inputs)

    monkeypatch.setattr(NoisyFrames, "noisy", stopped)
    with pytest.raises(KeyboardInterrupt):
        swept(frames, directory, ["rgb"], levels=[0.3, 0.6])
    monkeypatch.setattr(NoisyFrames, "noisy", lambda *given: calls.append("again") or noisy(*given))
    rows = swept(frames, directory, ["rgb"], levels=[0.3, 0.6])["rgb"]
    assert calls.count("again") == calls.count(0.3)
    fresh = SweepDirectory(tmp_path / "fresh", "a" * 64, {})
    assert rows == swept(frames, fresh, ["rgb"], levels=[0.3, 0.6])["rgb"]


def test_another_fingerprint_shares_nothing(frames, passes, tmp_path):
    swept(frames, SweepDirectory(tmp_path, "a" * 64, {}), ["rgb"])
    before = len(passes)
    swept(frames, SweepDirectory(tmp_path, "b" * 64, {}), ["rgb"])
    assert len(passes) == 2 * before


def test_noise_per_sample_falls_on_single_samples(frames, network, prepared, tmp_path):
    split = SegmentationFrames(prepared, "test")
    [batch] = evaluation_batches(split, (64, 64), DEPTH, batch_size=5)
    run = 0
    noise, drawn = GaussianNoise(run), noisy_modalities(SETTINGS["both"], run, 5)
    assert {"rgb", "depth", None} == set(drawn)
    for place, name in enumerate(drawn):
        if name:
            batch[name][place] = noise.add(batch[name][place], 0.7)
    result = run_split(network, "dynamic", [batch], split.labels, CPU, per_sample=True)
    directory = SweepDirectory(tmp_path, "a" * 64, {})
    rows = swept(frames, directory, ["both"], levels=[0.7], runs=1, per="sample")["both"]
    row = rows[run]
    assert row["noisy_share"] == pytest.approx(sum(map(bool, drawn)) / 5)
    expected = scores({"confusion": result.sample_confusion, "path": result.path})
    assert row["depth_encoder_madds"] == expected["depth_encoder_madds"]
    assert row["miou"] == pytest.approx(expected["miou"], abs=1e-3)  # batches of other sizes


def test_units_follow_the_batches():
    assert split_units([2, 2, 1], "batch") == [range(2), range(2, 4), range(4, 5)]
    assert split_units([2, 1], "sample") == [range(1), range(1, 2), range(2, 3)]


def test_padding_stays_clean_and_has_no_part_in_the_level():
    x = torch.zeros(2, 4, 3)
    valid = torch.tensor([[True, True, False, False], [True, True, True, True]])
    x[valid] = torch.randn(6, 3)
    noisy = GaussianNoise(0).add(x, 0.5, valid)
    noise = GaussianNoise(0).add(torch.zeros(2, 4, 3) + 1, 1.0) - 1
    assert (noisy[~valid] == 0).all()
    torch.testing.assert_close(noisy[valid], (x + 0.5 * x[valid].abs().mean() * noise)[valid])


def test_clean_predictions_are_loaded_as_they_were_stored(tmp_path):
    directory = SweepDirectory(tmp_path, "a" * 64, {"why": "test"})
    arrays = {"path": np.array([1, -1]), "confusion": np.ones((2, 3, 3), np.int32)}
    directory.clean(lambda: arrays)
    loaded = directory.clean(lambda: pytest.fail("computed twice"))
    assert all((loaded[name] == arrays[name]).all() for name in arrays)
