"""The embedded NYU-form sample: form, size, content and credits."""

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import io

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "resources/sample/nyuv2"
LIMIT = 8_000_000
N, H, W = 220, 96, 128
NUMBERS = {"wall": 21, "floor": 11, "bed": 157, "chair": 5, "sofa": 83, "table": 19, "window": 59}


@pytest.fixture(scope="module")
def frames():
    with h5py.File(SAMPLE / "nyu_depth_v2_labeled.mat") as file:
        return {key: file[key][:] for key in ("images", "labels", "depths", "rawDepths")}


@pytest.fixture(scope="module")
def rows():
    with open(SAMPLE / "frames.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def to_40():
    mapping = io.loadmat(SAMPLE / "classMapping40.mat")
    return np.concatenate([[0], mapping["mapClass"][0]])


@pytest.fixture(scope="module")
def split():
    found = io.loadmat(SAMPLE / "splits.mat")
    return {key: found[f"{key}Ndxs"].ravel() for key in ("train", "test")}


def test_whole_folder_is_small_enough():
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) <= LIMIT


def test_arrays_have_the_reversed_axes_of_the_true_file(frames):
    assert {key: (array.shape, array.dtype.str) for key, array in frames.items()} == {
        "images": ((N, 3, W, H), "|u1"),
        "labels": ((N, W, H), "<u2"),
        "depths": ((N, W, H), "<f4"),
        "rawDepths": ((N, W, H), "<f4"),
    }


def test_names_are_references_to_the_names_of_the_mapping():
    mapping = io.loadmat(SAMPLE / "classMapping40.mat")
    with h5py.File(SAMPLE / "nyu_depth_v2_labeled.mat") as file:
        names = ["".join(map(chr, file[cell][:].ravel())) for cell in file["names"][0]]
    assert names == [str(cell[0]) for cell in mapping["allClassName"][0]]
    assert len(names) == 894
    assert {name: names.index(name) + 1 for name in NUMBERS} == NUMBERS


def test_mapping_sends_names_to_their_class_and_the_rest_to_otherprop():
    mapping = io.loadmat(SAMPLE / "classMapping40.mat")
    coarse = [str(cell[0]) for cell in mapping["className"][0]]
    assert len(coarse) == 40
    for cell, number in zip(mapping["allClassName"][0], mapping["mapClass"][0], strict=True):
        name = str(cell[0])
        assert coarse[number - 1] == (name if name in coarse else "otherprop")


def test_split_counts_from_one_and_covers_every_frame_once(split):
    assert {key: len(numbers) for key, numbers in split.items()} == {"train": 160, "test": 60}
    assert sorted(np.concatenate(list(split.values()))) == list(range(1, N + 1))


def test_train_and_test_share_no_room(rows, split):
    rooms = {key: {rows[k - 1]["room"] for k in numbers} for key, numbers in split.items()}
    assert {key: len(names) for key, names in rooms.items()} == {"train": 80, "test": 30}
    assert not rooms["train"] & rooms["test"]


def test_every_class_is_in_both_parts(frames, split, to_40):
    labels = to_40[frames["labels"]]
    seen = {key: set(np.unique(labels[numbers - 1])) - {0} for key, numbers in split.items()}
    assert seen["train"] == seen["test"]
    assert len(seen["train"]) == 26
    assert 0.01 < (labels == 0).mean() < 0.1


def test_depths_are_filled_and_raw_depths_have_holes(frames):
    depths, raw = frames["depths"], frames["rawDepths"]
    assert 0.3 < depths.min() < depths.max() < 10
    assert 0.10 < (raw == 0).mean() < 0.25
    assert np.array_equal(depths[raw > 0], raw[raw > 0])


def test_a_quarter_of_the_frames_hides_its_colours(frames, rows, split):
    light = np.array([row["light"] for row in rows])
    for numbers in split.values():
        assert np.isin(light[numbers - 1], ["dark", "uniform"]).mean() == pytest.approx(
            0.25, abs=0.03
        )
    images = frames["images"].astype(float)
    brightness = images.mean((1, 2, 3))
    assert brightness[light == "dark"].max() < 15 < 40 < brightness[light == "normal"].min()
    spread = (images / images.sum(1, keepdims=True).clip(1)).std((2, 3)).mean(1)  # of chromaticity
    assert np.median(spread[light == "uniform"]) < 0.5 * np.median(spread[light == "normal"])


def test_every_model_names_its_creator():
    with open(SAMPLE / "models.csv", encoding="utf-8") as file:
        models = list(csv.DictReader(file))
    assert len(models) > 100 and all(model["creator"] for model in models)
    assert {model["library"] for model in models} == {
        "Scopia",
        "BlendSwap-CC-BY",
        "BlendSwap-CC-0",
        "KatorLegaz",
        "Reallusion",
    }
