"""The rule of the noise and what a sweep makes of it, by hand."""

import numpy as np
import pytest
import torch

from dynmm.evaluation import noise, noise_sweep
from dynmm.evaluation.noise import GaussianNoise, noisy_modalities
from dynmm.evaluation.noise_sweep import noisy_results
from dynmm.evaluation.segmentation.noise import noise_scores


class Draws:
    """Stands for `random.Random`: uniform numbers that are given."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def __call__(self, run):
        return self

    def random(self):
        return self.numbers.pop(0)


def test_one_draw_decides_between_the_modalities(monkeypatch):
    draws = (0.0, 0.3299, 0.3301, 0.3332, 0.6599, 0.6601, 0.99)
    for modalities, expected in (
        (("rgb",), ["rgb", "rgb", *[None] * 5]),
        (("rgb", "depth"), ["rgb", "rgb", "depth", "depth", "depth", None, None]),
    ):
        monkeypatch.setattr(noise.random, "Random", Draws(*draws))
        assert noisy_modalities(modalities, 0, len(draws)) == expected


def test_a_share_of_one_leaves_no_unit_clean():
    for run in range(5):
        assert noisy_modalities(("depth",), run, 50, 1.0) == ["depth"] * 50


def test_the_draws_of_a_run_are_its_own():
    drawn = {tuple(noisy_modalities(("rgb", "depth"), run, 12)) for run in range(10)}
    assert len(drawn) == 10


def test_noise_has_the_level_times_the_mean_magnitude():
    x = torch.tensor([[3.0, -1.0], [5.0, -3.0]])  # mean magnitude 3, deviation 3.65
    generator = torch.Generator().manual_seed(7)
    torch.empty((), dtype=torch.int64).random_(generator=generator)  # the authors' data loader's
    first, second = torch.randn(2, 2, generator=generator), torch.randn(2, 2, generator=generator)
    stream = GaussianNoise(7)
    torch.testing.assert_close(stream.add(x, 0.5), x + 0.5 * 3 * first)
    torch.testing.assert_close(stream.add(x, 2.0), x + 2.0 * 3 * second)
    assert not torch.equal(GaussianNoise(8).add(x, 0.5), GaussianNoise(7).add(x, 0.5))


def test_padding_has_no_noise_and_no_part_in_the_level():
    x, valid = torch.tensor([[[4.0], [2.0], [0.0]]]), torch.tensor([[True, True, False]])
    plain = GaussianNoise(0).add(torch.ones(1, 3, 1), 1.0) - 1
    expected = x + 0.5 * 3 * plain * torch.tensor([[[1.0], [1.0], [0.0]]])
    torch.testing.assert_close(GaussianNoise(0).add(x, 0.5, valid), expected)


def test_noisy_samples_replace_clean_ones_and_leave_those_as_they_were(monkeypatch):
    monkeypatch.setattr(noise_sweep, "noisy_modalities", lambda *drawn: ["rgb", None, "depth"])
    clean = {"path": np.array([0, 1, 2, 3, 4]), "score": np.zeros((5, 2))}
    units = [range(1), range(1, 3), range(3, 5)]
    asked = []

    def predict(inputs):
        asked.append((inputs.level, inputs.positions.tolist(), [name for _, name in inputs.units]))
        return {"path": np.array([10, 13, 14]), "score": np.ones((3, 2))}

    results, share = noisy_results(clean, units, ("rgb", "depth"), 0.25, 4, predict)
    assert asked == [(0.25, [0, 3, 4], ["rgb", "depth"])]
    assert results["path"].tolist() == [10, 1, 2, 13, 14]
    assert results["score"][:, 0].tolist() == [1, 0, 0, 1, 1]
    assert share == 3 / 5  # of the samples; two of three units are noisy
    assert clean["path"].tolist() == [0, 1, 2, 3, 4] and not clean["score"].any()
    same, share = noisy_results(clean, units, ("rgb", "depth"), 0, 4, predict)
    assert same is clean and share == 0 and len(asked) == 1


def test_the_numbers_of_a_noisy_run_by_hand():
    # two frames of two classes: the scores are those of the sum, the cost follows the shares
    confusion = np.array([[[2, 0], [1, 1]], [[0, 2], [0, 2]]], np.int32)
    paths, madds = np.array([0, 3]), [1.0, 2.0, 4.0, 8.0, 16.0]
    row = noise_scores({"confusion": confusion, "path": paths}, madds)
    assert row["miou"] == pytest.approx((2 / 5 + 3 / 6) / 2)
    assert row["pixel_accuracy"] == pytest.approx(5 / 8)
    assert row["depth_encoder_madds"] == pytest.approx((1.0 + 8.0) / 2)
    assert [row[f"path{path}"] for path in range(5)] == [0.5, 0, 0, 0.5, 0]
    static = noise_scores({"confusion": confusion, "path": np.array([-1, -1])}, [7.0])
    assert static["depth_encoder_madds"] == 7.0 and "path0" not in static
