"""What can be seen of raw files at once is seen before a run starts."""

import pickle

import h5py
import numpy as np
import pytest

import mmimdb_files
import nyu_files
from dynmm.data.mmimdb.raw import FILE as MOVIES
from dynmm.data.mosei.raw import FILE as SENTIMENT
from dynmm.data.nyuv2.raw import LABELED, MAPPING, SPLITS
from dynmm.errors import InputError
from dynmm.raw_check import check_raw_files
from fixture_rules import tiny_nyu


def refusal(task, folder, published=None, prepare=None):
    with pytest.raises(InputError) as caught:
        check_raw_files(task, folder, published or {}, prepare)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def frames(tmp_path):
    return nyu_files.write_raw(tmp_path)


@pytest.fixture
def movies(tmp_path):
    mmimdb_files.write(tmp_path / MOVIES, mmimdb_files.arrays())
    return tmp_path


def test_sound_files_pass(frames, movies):
    size = (frames / LABELED).stat().st_size
    check_raw_files("nyuv2", frames, {LABELED: size, SPLITS: None}, {})
    check_raw_files("mmimdb", movies, {MOVIES: None}, {"splits": mmimdb_files.SPLITS})
    (frames / SENTIMENT).write_bytes(pickle.dumps({"train": {}}))
    check_raw_files("mosei", frames, {SENTIMENT: None}, None)


def test_a_size_that_is_not_the_published_one_is_refused(frames):
    error = refusal("nyuv2", frames, {MAPPING: 10474})
    assert error.file == frames / MAPPING
    assert (error.found, error.expected) == (
        f"{(frames / MAPPING).stat().st_size} bytes",
        "10474 bytes",
    )


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda arrays: arrays.pop("depths"), "depths"),
        (lambda arrays: arrays.update(labels=arrays["labels"][:2]), "labels"),
        (lambda arrays: arrays.update(images=arrays["images"].astype(np.float32)), "images"),
    ],
)
def test_frames_of_another_form_are_refused_unread(tmp_path, change, key):
    arrays = dict(tiny_nyu())
    change(arrays)
    assert refusal("nyuv2", nyu_files.write_raw(tmp_path, arrays)).key == key


def test_values_are_left_to_the_preparation(tmp_path):
    arrays = dict(tiny_nyu())
    arrays["depths"] = np.full_like(arrays["depths"], np.nan)
    check_raw_files("nyuv2", nyu_files.write_raw(tmp_path, arrays), {}, {})


@pytest.mark.parametrize("name", [LABELED, SPLITS, MAPPING])
def test_a_file_of_another_kind_is_refused(frames, name):
    (frames / name).write_bytes(b"<html>not found</html>")
    assert refusal("nyuv2", frames).file == frames / name


def test_a_split_of_frames_that_are_not_there_is_refused(frames):
    nyu_files.write_splits(frames, [1, 2], [7])
    assert refusal("nyuv2", frames).key == "testNdxs"


def test_movies_without_a_key_or_of_another_number_are_refused(movies):
    splits = {**mmimdb_files.SPLITS, "test": 6}
    error = refusal("mmimdb", movies, prepare={"splits": splits})
    assert (error.key, error.found) == ("mmimdb.prepare.splits", "12 + 3 + 6 = 21")
    assert error.expected == "20 rows"
    with h5py.File(movies / MOVIES, "a") as file:
        del file["genres"]
    assert refusal("mmimdb", movies, prepare={"splits": splits}).key == "genres"


@pytest.mark.parametrize("content", [b"", b"\x80\x04cut", b"<html></html>"])
def test_a_pickle_that_is_cut_off_is_refused(tmp_path, content):
    (tmp_path / SENTIMENT).write_bytes(content)
    error = refusal("mosei", tmp_path)
    assert error.problem == "the pickle is cut off"
    assert error.found.startswith(f"{len(content)} bytes")
