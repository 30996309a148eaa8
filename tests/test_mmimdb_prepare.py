import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import mmimdb_files
from dynmm.data.manifest import open_array, read_manifest
from dynmm.data.mmimdb.prepare import ROWS_AT_ONCE, prepare
from dynmm.errors import InputError
from dynmm.files import sha256
from mmimdb_files import GENRES, SPLITS

PROGRAM = Path(__file__).parents[1] / "workflow" / "scripts" / "prepare_mmimdb.py"


def _without(key):
    def change(values):
        del values[key]

    return change


def _set(key, index, value):
    def change(values):
        values[key] = values[key].copy()
        values[key][index] = value

    return change


def _cut(key):
    def change(values):
        values[key] = values[key][:-1]

    return change


def _no_western_in_train(values):
    values["genres"][: SPLITS["train"], 3] = 0
    values["genres"][-1, 3] = 1


def _as_floats(values):
    values["genres"] = values["genres"].astype(np.float64)


def _flat(values):
    values["features"] = values["features"][:, 0]


BAD_CONTENT = {
    "no text": (_without("features"), ["features", "the key is missing"]),
    "no image": (_without("vgg_features"), ["vgg_features", "the key is missing"]),
    "no genres": (_without("genres"), ["genres", "the key is missing"]),
    "no ids": (_without("imdb_ids"), ["imdb_ids", "the key is missing"]),
    "fewer genres": (_cut("genres"), ["genres", "found: 19", "expected: 20"]),
    "NaN": (_set("features", (13, 2), np.nan), ["features[13, 2]", "nan"]),
    "infinite": (_set("vgg_features", (4, 7), -np.inf), ["vgg_features[4, 7]", "-inf"]),
    "genre 2": (_set("genres", (5, 1), 2), ["genres[5, 1]", "found: 2", "Comedy", "0 or 1"]),
    "genre -1": (_set("genres", (18, 0), -1), ["genres[18, 0]", "found: -1"]),
    "genre absent": (_no_western_in_train, ["Western", "training split", "splits"]),
    "genres as floats": (_as_floats, ["genres", "float64", "integers"]),
    "an id twice": (
        _set("imdb_ids", 18, b"0000002"),
        ["two films have one id", "imdb_ids[18]", "b'0000002', as row 2"],
    ),
    "text of zeros": (
        _set("features", slice(12, 15), 0),
        ["text features of dev are 0", "features; found: 3 rows of 0"],
    ),
    "images of zeros": (_set("vgg_features", slice(15, 20), 0), ["image features of test are 0"]),
    "flat text": (_flat, ["features", "(20,)"]),
}


def _fails(raw, out, parts, splits=SPLITS):
    with pytest.raises(InputError) as caught:
        prepare(raw, out, {"splits": splits})
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert [p.name for p in out.parent.iterdir()] == ["before"]
    return message


@pytest.fixture
def out(tmp_path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "before").write_text("kept")
    return tmp_path / "prepared" / "arrays"


@pytest.mark.parametrize("case", BAD_CONTENT)
def test_bad_content_is_named_and_leaves_nothing(case, tmp_path, out):
    change, parts = BAD_CONTENT[case]
    values = mmimdb_files.arrays()
    change(values)
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", values)
    message = _fails(raw, out, [str(raw), *parts])
    assert "\n" not in message


@pytest.mark.parametrize("names", [None, "not JSON", GENRES[:3], [*GENRES[:3], "Drama"], [1, 2]])
def test_genre_names_that_do_not_fit_are_refused(names, tmp_path, out):
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", mmimdb_files.arrays(), names)
    _fails(raw, out, ["target_names", str(raw), "4 different names"])


@pytest.mark.parametrize("splits", [{**SPLITS, "test": 6}, {**SPLITS, "train": 1}])
def test_split_sizes_that_do_not_add_up_are_refused(splits, tmp_path, out):
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", mmimdb_files.arrays())
    _fails(raw, out, ["20 rows", f"{sum(splits.values())} rows", "splits"], splits)


@pytest.mark.parametrize("empty", [0, -1, 2.5, True, None])
def test_an_empty_split_is_refused(empty, tmp_path, out):
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", mmimdb_files.arrays())
    parts = ["mmimdb.prepare.splits.dev", f"found: {empty}" if empty is not None else "empty"]
    _fails(raw, out, parts, {**SPLITS, "dev": empty})


@pytest.mark.parametrize("splits", [{"train": 20}, {**SPLITS, "more": 1}, [12, 3, 5]])
def test_other_split_names_are_refused(splits, tmp_path, out):
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", mmimdb_files.arrays())
    _fails(raw, out, ["train, dev, test"], splits)


def test_a_missing_file_is_named(tmp_path, out):
    _fails(tmp_path / "absent.hdf5", out, ["absent.hdf5", "raw_dir", "download"])


@pytest.mark.parametrize("left", [0, 100, 0.5, -40])
def test_a_truncated_file_is_refused(left, tmp_path, out):
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", mmimdb_files.arrays())
    size = raw.stat().st_size
    os.truncate(raw, int(size * left) if 0 < left < 1 else left % size)
    _fails(raw, out, [str(raw), "bytes"])


def test_a_damaged_chunk_is_refused(tmp_path, out):
    raw = mmimdb_files.write(
        tmp_path / "raw.hdf5", mmimdb_files.arrays(), chunks=True, compression="gzip"
    )
    with h5py.File(raw) as file:
        chunk = file["features"].id.get_chunk_info(0)
    with open(raw, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\0" * chunk.size)
    _fails(raw, out, [str(raw), "features", "cannot be read"])


def test_arrays_hold_the_rows_of_the_raw_file_in_order(tmp_path):
    values = mmimdb_files.arrays()
    values["features"] = values["features"].astype(np.float16)
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", values)
    manifest = prepare(raw, tmp_path / "out", {"splits": SPLITS})
    assert manifest == read_manifest(tmp_path / "out", "mmimdb")
    assert manifest["genres"] == GENRES
    assert manifest["input_sizes"] == {"text": 6, "image": 10}
    start = 0
    for split, size in SPLITS.items():
        rows = slice(start, start + size)
        start += size
        for kind, key in (("text", "features"), ("image", "vgg_features"), ("genres", "genres")):
            name = f"{split}_{kind}.npy"
            found = open_array(tmp_path / "out", manifest, name)
            assert found.dtype == np.float32
            assert np.array_equal(found, values[key][rows].astype(np.float32))
            assert manifest["arrays"][name]["sha256"] == sha256(tmp_path / "out" / name)
        ids = open_array(tmp_path / "out", manifest, f"{split}_ids.npy")
        assert np.array_equal(ids, values["imdb_ids"][rows])
        films = manifest["statistics"]["films_per_genre"][split]
        assert films == values["genres"][rows].sum(axis=0).tolist()


def test_splits_longer_than_a_read_keep_their_order(tmp_path):
    splits = {"train": ROWS_AT_ONCE + 7, "dev": ROWS_AT_ONCE, "test": 3}
    values = mmimdb_files.arrays(sum(splits.values()))
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", values)
    manifest = prepare(raw, tmp_path / "out", {"splits": splits})
    dev = open_array(tmp_path / "out", manifest, "dev_text.npy")
    first = splits["train"]
    assert np.array_equal(dev, values["features"][first : first + splits["dev"]])


def test_only_the_four_data_sets_are_read(tmp_path):
    extra = {"images": np.zeros((20, 3, 4, 4), np.int32)}
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", mmimdb_files.arrays(), extra=extra)
    with h5py.File(raw, "r+") as file:
        del file["images"]
        file["images"] = h5py.ExternalLink("gone.hdf5", "/images")
    prepare(raw, tmp_path / "out", {"splits": SPLITS})


def test_the_program_prints_one_message_and_exits_with_1(tmp_path):
    values = mmimdb_files.arrays()
    values["features"][3, 1] = np.nan
    raw = mmimdb_files.write(tmp_path / "raw.hdf5", values)
    out = tmp_path / "out"
    command = [sys.executable, PROGRAM, "--raw", raw, "--out", out]
    command += ["--config", json.dumps({"splits": SPLITS}), "--log", tmp_path / "log.txt"]
    source = Path(__file__).parents[1] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "features[3, 1]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
    mmimdb_files.write(raw, mmimdb_files.arrays())
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert (out / "manifest.json").is_file()
