import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

import nyu_files
from dynmm.data.nyuv2.batches import SegmentationDataset, evaluation_batches, training_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.data.nyuv2.hsv import VERSIONS, jitter_hsv, random_hsv
from dynmm.data.nyuv2.prepare import prepare
from dynmm.data.nyuv2.transforms import (
    DepthScale,
    EvaluationTransform,
    TrainingNoise,
    TrainingTransform,
)
from dynmm.errors import InputError
from fixture_rules import read_record
from hsv_formulas import jitter_by_formulas
from parity_checks import nyu_data

FIXTURES = Path(__file__).resolve().parent / "fixtures"
SCALE = DepthScale("refined", 2000.0, 500.0)
AUGMENTATION = {"rescale": [1.0, 1.4], "hsv": "corrected", "noise": None}
DEPTH = {"depth_mode": "refined", "mean": 2000.0, "std": 500.0}


class Scripted:
    """A generator whose numbers are given, with the bounds it was asked for."""

    def __init__(self, *numbers):
        self.numbers, self.asked = list(numbers), []

    def _next(self, *asked):
        self.asked.append(asked)
        return self.numbers.pop(0)

    def uniform(self, low, high):
        return self._next("uniform", low, high)

    def randint(self, low, high):
        return self._next("randint", low, high)

    def rand(self):
        return self._next("rand")


def a_frame(height=48, width=64, seed=0):
    rng = np.random.RandomState(seed)
    return {
        "rgb": rng.randint(0, 256, (height, width, 3)).astype(np.uint8),
        "depth": rng.randint(0, 5000, (height, width)).astype(np.uint16),
        "label": rng.randint(0, 41, (height, width)).astype(np.uint8),
    }


def no_change(rescale=1.0, crop=(), flip=0.0):
    return Scripted(rescale, *crop, 1.0, 1.0, 1.0, flip)


# parity with the authors' numbers


@pytest.mark.parametrize("name", ["class_weights.json", "nyu_prepare.npz", "nyu_preprocess.json"])
def test_parity(name):
    path = FIXTURES / name
    cases = nyu_data.HANDLERS[path.stem](read_record(path), FIXTURES)
    off = [case for case in cases if not case[1] <= case[2]]
    assert cases and not off


# the HSV jitter


def pictures():
    rng = np.random.RandomState(1)
    noise = rng.randint(0, 256, (120, 160, 3)).astype(np.uint8)
    yield "noise", noise
    yield "dark", noise // 64
    yield "black", noise * 0
    yield "white", noise * 0 + 255
    yield "grey", np.repeat(noise[..., :1], 3, axis=2)
    cube = np.stack(np.meshgrid(*[[0, 1, 127, 254, 255]] * 3), axis=-1).reshape(25, 5, 3)
    yield "corners", cube.astype(np.uint8)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", dict(pictures()))
def test_jitter_equals_the_formulas_within_one_step(version, name):
    image = dict(pictures())[name]
    values = (-25, 0, 25) if version == "authors" else (0.9, 1.0, 1.1)
    for hue in (0.9, 1.0, 1.1):
        for saturation, value in zip((1.1, 1.0, 0.9), values, strict=True):
            ours = jitter_hsv(image, hue, saturation, value, version)
            theirs = jitter_by_formulas(image, hue, saturation, value, version)
            assert ours.dtype == theirs.dtype
            # the corrected version truncates, to either side of a whole number
            difference = np.abs(ours.astype(float) - theirs).max()
            assert difference <= (0.001 if version == "authors" else 1)


def test_authors_version_shifts_the_value_and_keeps_fractions():
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert jitter_hsv(grey, 1, 1, 10.5, "authors") == pytest.approx(110.5)
    assert jitter_hsv(grey, 1, 1, -120, "authors").max() == 0
    assert jitter_hsv(grey, 1, 1, 200, "authors").min() == 255


def test_corrected_version_scales_the_value():
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert np.unique(jitter_hsv(grey, 1, 1, 1.05, "corrected")).tolist() in ([104], [105])
    assert jitter_hsv(grey * 2, 1, 1, 2, "corrected").min() == 255


def test_random_jitter_draws_in_the_authors_order():
    for version, bounds in (("authors", (-25, 25)), ("corrected", (0.9, 1.1))):
        rng = Scripted(1.02, 0.95, 1.03)
        image = a_frame()["rgb"]
        expected = jitter_hsv(image, 1.02, 0.95, 1.03, version)
        assert np.array_equal(random_hsv(image, rng, version), expected)
        assert rng.asked == [("uniform", 0.9, 1.1)] * 2 + [("uniform", *bounds)]


# the transforms


def test_evaluation_normalises_colours_and_depth():
    frame = a_frame()
    sample = EvaluationTransform(SCALE, 48, 64)(frame)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rgb = (frame["rgb"] / 255 - mean) / std
    assert sample["rgb"].numpy() == pytest.approx(rgb.transpose(2, 0, 1), abs=1e-5)
    assert sample["depth"].numpy() == pytest.approx((frame["depth"][None] - 2000.0) / 500, abs=1e-5)
    assert np.array_equal(sample["labels"][0], frame["label"])
    assert (sample["rgb"].dtype, sample["depth"].dtype) == (torch.float32, torch.float32)
    assert all(tensor.is_contiguous() for tensor in (sample["rgb"], sample["depth"]))


def test_raw_depth_keeps_zeros_and_refined_does_not():
    frame = a_frame()
    frame["depth"][3, 4] = 0
    raw = EvaluationTransform(DepthScale("raw", 2000.0, 500.0), 48, 64)(frame)["depth"]
    assert raw[0, 3, 4] == 0
    assert EvaluationTransform(SCALE, 48, 64)(frame)["depth"][0, 3, 4] == -4


def test_evaluation_rescales_depth_and_label_by_the_nearest_pixel():
    frame = a_frame()
    sample = EvaluationTransform(SCALE, 24, 32)(frame)
    assert sample["rgb"].shape == (3, 24, 32)
    assert np.array_equal(sample["labels"][0], frame["label"][::2, ::2])
    expected = (frame["depth"][::2, ::2] - 2000.0) / 500
    assert sample["depth"][0].numpy() == pytest.approx(expected, abs=1e-5)


def test_training_crops_all_three_alike():
    frame = a_frame()
    transform = TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "corrected")
    rng = no_change(crop=(5, 7))
    sample = transform(frame, rng)
    assert rng.asked[:3] == [("uniform", 1.0, 1.4), ("randint", 0, 16), ("randint", 0, 32)]
    assert rng.asked[-1] == ("rand",) and not rng.numbers
    part = {name: array[5:37, 7:39] for name, array in frame.items()}
    expected = EvaluationTransform(SCALE, 32, 32)(part)
    assert torch.equal(sample["labels"][0], expected["labels"][0])
    assert torch.equal(sample["depth"], expected["depth"])
    step = 1 / 255 / 0.224  # the jitter by factors of 1 may move a colour by one step
    assert (sample["rgb"] - expected["rgb"]).abs().max() <= step * 1.001


def test_training_flips_all_alike():
    frame = a_frame()
    transform = TrainingTransform(SCALE, 48, 64, (1.0, 1.4), "authors")
    plain = transform(frame, no_change())
    flipped = transform(frame, no_change(flip=0.51))
    assert torch.equal(flipped["rgb"], plain["rgb"].flip(-1))
    assert torch.equal(flipped["depth"], plain["depth"].flip(-1))
    assert torch.equal(flipped["labels"][0], plain["labels"][0].flip(-1))
    assert torch.equal(transform(frame, no_change(flip=0.5))["rgb"], plain["rgb"])


def test_training_labels_come_at_four_scales():
    frame = a_frame(96, 128)
    sample = TrainingTransform(SCALE, 96, 128, (1.0, 1.4), "authors")(frame, no_change())
    for label, rate in zip(sample["labels"], (1, 8, 16, 32), strict=True):
        assert np.array_equal(label, frame["label"][::rate, ::rate])
        assert label.dtype == torch.uint8


def test_frame_not_larger_than_the_crop_is_resized():
    frame = a_frame(20, 30)
    sample = TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "authors")(frame, no_change())
    assert sample["rgb"].shape == (3, 32, 32)
    assert [tuple(label.shape) for label in sample["labels"]] == [(32, 32), (4, 4), (2, 2), (1, 1)]


def test_transforms_leave_the_frame_as_it_was():
    frame = a_frame()
    digests = {name: hashlib.sha256(array).digest() for name, array in frame.items()}
    for array in frame.values():
        array.flags.writeable = False  # as memory maps are
    TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "authors")(frame, np.random.RandomState(0))
    sample = EvaluationTransform(SCALE, 48, 64)(frame)
    sample["labels"][0][:] = 7
    assert {name: hashlib.sha256(array).digest() for name, array in frame.items()} == digests


def test_bad_augmentation_is_refused():
    with pytest.raises(InputError, match=r"augmentation\.hsv; found: best; expected: authors or"):
        TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "best")
    for rescale in ((1.4, 1.0), (0, 1), (1.0,)):
        with pytest.raises(InputError, match=r"augmentation\.rescale"):
            TrainingTransform(SCALE, 32, 32, rescale, "authors")


# noise in training


NOISE = TrainingNoise(share=0.5, level=1.5, modalities=("rgb", "depth"))


def with_and_without(noise, seed):
    """The same draws with noise and without."""
    made = []
    for given in (None, noise):
        transform = TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "corrected", given)
        rng = np.random.RandomState(seed)
        made.append(transform(a_frame(seed=1), rng))
    return made


def noisy_names(clean, noisy):
    return [name for name in ("rgb", "depth") if not torch.equal(clean[name], noisy[name])]


def test_noise_comes_after_every_other_draw_and_falls_on_one_modality_at_most():
    found = []
    for seed in range(200):
        clean, noisy = with_and_without(NOISE, seed)
        for first, second in zip(clean["labels"], noisy["labels"], strict=True):
            assert torch.equal(first, second)
        found.append(noisy_names(clean, noisy))
        assert len(found[-1]) <= 1
        assert noisy["rgb"].dtype == noisy["depth"].dtype == torch.float32
    assert found.count([]) == pytest.approx(100, abs=25)
    assert found.count(["rgb"]) == pytest.approx(50, abs=20)
    assert found.count(["depth"]) == pytest.approx(50, abs=20)


def test_noise_in_training_follows_the_rule_of_the_study():
    for name in ("rgb", "depth"):
        noise = TrainingNoise(share=1.0, level=1.5, modalities=(name,))
        clean, noisy = with_and_without(noise, 0)
        assert noisy_names(clean, noisy) == [name]
        added = (noisy[name] - clean[name]) / clean[name].abs().mean()
        expected = TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "corrected")
        rng = np.random.RandomState(0)
        expected(a_frame(seed=1), rng)
        rng.rand(), rng.randint(1)
        level = rng.uniform(0, 1.5)
        normal = rng.standard_normal(tuple(clean[name].shape))
        assert added.numpy() == pytest.approx(level * normal, abs=1e-4)


def test_a_network_of_one_modality_gets_noise_on_that_one(frames):
    noise = {**AUGMENTATION, "noise": {"share": 1.0, "level": 1.0}}
    for modalities, changed in ((("rgb",), ["rgb"]), (("depth",), ["depth"])):
        options = {"seed": 3, "epoch": 0, "batch_size": 1, "modalities": modalities}
        clean = list(training_batches(frames, (32, 32), DEPTH, AUGMENTATION, **options))
        noisy = list(training_batches(frames, (32, 32), DEPTH, noise, **options))
        for one, other in zip(clean, noisy, strict=True):
            assert noisy_names(one, other) == changed


def test_workers_do_not_matter_to_noise(frames):
    noise = {**AUGMENTATION, "noise": {"share": 0.5, "level": 1.0}}
    options = {"seed": 3, "epoch": 0, "batch_size": 1}
    made = [
        digest(training_batches(frames, (32, 32), DEPTH, noise, workers=workers, **options))
        for workers in (0, 2)
    ]
    assert made[0] == made[1] != digest(epoch_of(frames, 0))


# batches


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nyu")
    prepare(nyu_files.write_raw(folder / "raw"), folder / "prepared", {"depth": "refined"})
    return SegmentationFrames(folder / "prepared", "train")


def digest(batches):
    """One digest over every tensor of every batch, in order."""
    result = hashlib.sha256()
    for batch in batches:
        for tensor in (batch["rgb"], batch["depth"], *batch["labels"], batch["index"]):
            result.update(tensor.numpy().tobytes())
    return result.hexdigest()


def epoch_of(frames, epoch, **options):
    options = {"seed": 3, "batch_size": 1, **options}
    return training_batches(frames, (32, 32), DEPTH, AUGMENTATION, epoch=epoch, **options)


def test_an_epoch_depends_on_seed_and_epoch_alone(frames):
    first = digest(epoch_of(frames, 0))
    np.random.seed(9)
    torch.manual_seed(9)
    assert digest(epoch_of(frames, 0)) == first
    assert digest(epoch_of(frames, 0, workers=2)) == first
    assert digest(epoch_of(frames, 1)) != first
    assert digest(epoch_of(frames, 0, seed=4)) != first


def test_epochs_draw_new_samples_of_the_same_frame(frames):
    by_epoch = [
        {int(batch["index"]): batch["rgb"] for batch in epoch_of(frames, epoch)}
        for epoch in range(2)
    ]
    assert sorted(by_epoch[0]) == [0, 1, 2]
    assert not any(torch.equal(by_epoch[0][index], by_epoch[1][index]) for index in range(3))


def test_a_frame_is_augmented_alike_whichever_others_are_trained_on(frames):
    def sample(frames, index):
        transform = TrainingTransform(SCALE, 32, 32, (1.0, 1.4), "authors")
        return SegmentationDataset(frames, transform, seed=3, epoch=1)[index]

    alone = SegmentationFrames(frames.prepared_dir, "train", [2])
    assert torch.equal(sample(alone, 0)["rgb"], sample(frames, 2)["rgb"])
    assert not torch.equal(sample(frames, 0)["rgb"], sample(frames, 2)["rgb"])


def test_batches_leave_the_global_generator_alone(frames):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    digest(epoch_of(frames, 0))
    assert torch.equal(torch.rand(3), expected)


def test_order_is_shuffled_and_the_last_short_batch_dropped(frames):
    orders = {
        tuple(int(batch["index"]) for batch in epoch_of(frames, epoch)) for epoch in range(12)
    }
    assert len(orders) > 2
    batches = list(epoch_of(frames, 0, batch_size=2))
    assert [len(batch["rgb"]) for batch in batches] == [2]
    assert [tuple(label.shape) for label in batches[0]["labels"]] == [
        (2, 32, 32),
        (2, 4, 4),
        (2, 2, 2),
        (2, 1, 1),
    ]
    with pytest.raises(InputError, match="3 frames, batches of 4"):
        epoch_of(frames, 0, batch_size=4)


@pytest.mark.parametrize("workers", [0, 1])
def test_evaluation_batches_keep_the_order_and_every_frame(frames, workers):
    batches = list(evaluation_batches(frames, (48, 64), DEPTH, batch_size=2, workers=workers))
    assert [batch["index"].tolist() for batch in batches] == [[0, 1], [2]]
    expected = EvaluationTransform(SCALE, 48, 64)(frames.frame(2, "refined"))
    assert torch.equal(batches[1]["rgb"][0], expected["rgb"])
    assert np.array_equal(batches[1]["labels"][0][0], frames.labels(2))


def test_depth_mode_chooses_the_array(frames):
    raw = {**DEPTH, "depth_mode": "raw"}
    batch = next(iter(evaluation_batches(frames, (48, 64), raw, batch_size=1)))
    holes = frames.frame(0, "raw")["depth"] == 0
    assert holes.any()
    assert (batch["depth"][0, 0].numpy()[holes] == 0).all()
