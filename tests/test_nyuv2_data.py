import hashlib
import json
import math
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

import nyu_files
from dynmm.data.manifest import read_manifest
from dynmm.data.nyuv2.class_weights import ClassCounts, class_weights
from dynmm.data.nyuv2.frames import SegmentationFrames, holdout
from dynmm.data.nyuv2.prepare import prepare
from dynmm.data.nyuv2.raw import LABELED, MAPPING, SPLITS, RawFrames
from dynmm.data.nyuv2.tables import read_class_mapping, read_splits
from dynmm.errors import InputError
from dynmm.files import sha256
from dynmm.stored_records import sealed
from fixture_rules import tiny_nyu

REPOSITORY = Path(__file__).resolve().parents[1]
REFINED = {"depth": "refined"}
ARRAYS = {
    f"{s}_{k}.npy" for s in ("train", "test") for k in ("rgb", "depth", "depth_raw", "labels")
}


@pytest.fixture
def raw(tmp_path):
    return nyu_files.write_raw(tmp_path / "raw")


@pytest.fixture
def prepared(raw, tmp_path):
    prepare(raw, tmp_path / "prepared", REFINED)
    return tmp_path / "prepared"


def changed(**arrays):
    return {**tiny_nyu(), **arrays}


def with_value(name, position, value):
    array = tiny_nyu()[name]
    array[position] = value
    return {name: array}


def refused(raw, tmp_path, *parts, settings=REFINED):
    """The message, after checking what it says and that nothing is left behind."""
    with pytest.raises(InputError) as caught:
        prepare(raw, tmp_path / "out" / "prepared", settings)
    message = str(caught.value)
    assert all(str(part) in message for part in parts), message
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left == []
    assert not (tmp_path / "out" / ".prepared.partial").exists()


# what is written


def test_arrays_hold_the_frames_in_the_usual_axes(prepared):
    tiny = tiny_nyu()
    arrays = {name: np.load(prepared / name, mmap_mode="r") for name in ARRAYS}
    for split, numbers in nyu_files.SPLIT.items():
        for position, number in enumerate(numbers):
            index = number - 1
            rgb = arrays[f"{split}_rgb.npy"][position]
            assert np.array_equal(rgb, tiny["images"][index].transpose(2, 1, 0))
            for kind, key in (("depth", "depths"), ("depth_raw", "rawDepths")):
                millimetres = (tiny[key][index].T * np.float32(1000)).astype(np.uint16)
                assert np.array_equal(arrays[f"{split}_{kind}.npy"][position], millimetres)
            label = tiny["labels"][index].T.astype(int)
            expected = np.where(label == 0, 0, (label - 1) % 40 + 1)
            assert np.array_equal(arrays[f"{split}_labels.npy"][position], expected)


def test_depth_is_truncated_not_rounded(tmp_path):
    depths = np.full_like(tiny_nyu()["depths"], 1.9999)
    depths[0, 0, 0] = 1  # some spread
    raw = nyu_files.write_raw(tmp_path / "raw", changed(depths=depths))
    prepare(raw, tmp_path / "prepared", REFINED)
    assert np.load(tmp_path / "prepared" / "test_depth.npy").max() == 1999


def test_manifest_describes_the_files(prepared, raw):
    manifest = read_manifest(prepared, "nyuv2")
    assert {path.name for path in prepared.iterdir()} == ARRAYS | {"manifest.json"}
    assert set(manifest["arrays"]) == ARRAYS
    for name, entry in manifest["arrays"].items():
        array = np.load(prepared / name, mmap_mode="r")
        assert entry["shape"] == list(array.shape)
        assert entry["dtype"] == array.dtype
        assert entry["sha256"] == sha256(prepared / name)
    assert manifest["raw"]["labeled"] == {
        "file": LABELED,
        "bytes": (raw / LABELED).stat().st_size,
        "sha256": hashlib.sha256((raw / LABELED).read_bytes()).hexdigest(),
    }
    assert manifest["splits"] == nyu_files.SPLIT
    assert manifest["class_names"] == nyu_files.class_names()
    assert (manifest["height"], manifest["width"]) == (48, 64)


def test_manifest_statistics_are_those_of_the_training_split(prepared):
    manifest = read_manifest(prepared, "nyuv2")
    refined = np.load(prepared / "train_depth.npy").astype(float)
    raw = np.load(prepared / "train_depth_raw.npy").astype(float)
    raw = raw[raw > 0]
    for mode, values in (("refined", refined), ("raw", raw)):
        found = manifest["depth_statistics"][mode]
        assert found["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert found["std"] == pytest.approx(values.std(), rel=1e-10)
    for split in ("train", "test"):
        labels = np.load(prepared / f"{split}_labels.npy")
        assert manifest["class_pixels"][split] == np.bincount(labels.ravel(), minlength=41).tolist()


def test_preparing_twice_gives_the_same_manifest(prepared, raw, tmp_path):
    assert prepare(raw, tmp_path / "again", REFINED) == read_manifest(prepared, "nyuv2")


@pytest.mark.parametrize("chunks", [(1, 16, 12), (4, 64, 48), (6, 8, 8)])
def test_chunks_of_several_frames_change_nothing(tmp_path, prepared, chunks):
    arrays = {key: value for key, value in tiny_nyu().items() if key != "images"}
    other = nyu_files.write_raw(tmp_path / "other", arrays, chunks=chunks, compression="gzip")
    with h5py.File(other / LABELED, "a") as file:
        images = tiny_nyu()["images"]
        file.create_dataset("images", data=images, chunks=(chunks[0], 3, *chunks[1:]))
    manifest = prepare(other, tmp_path / "other_prepared", REFINED)
    assert manifest["arrays"] == read_manifest(prepared, "nyuv2")["arrays"]


def test_frames_outside_the_split_are_left_out(tmp_path):
    raw = nyu_files.write_raw(tmp_path / "raw", splits={"train": [5, 1], "test": [2]})
    manifest = prepare(raw, tmp_path / "prepared", REFINED)
    assert manifest["splits"] == {"train": [1, 5], "test": [2]}
    assert len(np.load(tmp_path / "prepared" / "train_rgb.npy")) == 2


# class weights


def test_absent_class_weighs_nothing_and_is_recorded(tmp_path):
    labels = np.minimum(tiny_nyu()["labels"], 39)  # class 40 never occurs
    raw = nyu_files.write_raw(tmp_path / "raw", changed(labels=labels))
    manifest = prepare(raw, tmp_path / "prepared", REFINED)
    assert 40 in manifest["classes_absent_from_train"]
    assert manifest["class_weights"][39] == 0
    assert all(np.isfinite(manifest["class_weights"]))
    assert len(manifest["class_weights"]) == 40


def test_median_frequency_by_hand():
    counts = ClassCounts(3)
    counts.add(np.array([[1, 1, 2, 0]]))
    counts.add(np.array([[1, 0, 0, 0]]))
    # frequencies: class 1 3/8, class 2 1/4; their median 5/16; class 3 is absent
    assert class_weights(counts) == pytest.approx([(5 / 16) / (3 / 8), (5 / 16) / (1 / 4), 0])
    with pytest.raises(InputError, match=r"no pixel of \[3\]"):
        class_weights(counts, strict=True)
    with pytest.raises(InputError, match="no pixel of"):
        class_weights(ClassCounts(3))


def test_other_rules_by_hand():
    counts = ClassCounts(3)
    counts.add(np.array([[1, 1, 2, 0]]))
    counts.add(np.array([[1, 0, 0, 0]]))
    # shares of the labelled pixels: 3/4 and 1/4
    logarithmic = [1 / math.log(1.02 + 3 / 4), 1 / math.log(1.02 + 1 / 4), 0]
    assert class_weights(counts, "logarithmic") == pytest.approx(logarithmic)
    assert class_weights(counts, "linear") == pytest.approx([3, 1, 0])
    with pytest.raises(InputError, match="median_frequency or logarithmic or linear"):
        class_weights(counts, "inverse")


# nothing partial


def test_failed_run_keeps_the_earlier_result(prepared, raw, tmp_path):
    before = {path.name: sha256(path) for path in prepared.iterdir()}
    other = nyu_files.write_raw(
        tmp_path / "bad", changed(**with_value("depths", (5, 3, 3), np.nan))
    )
    with pytest.raises(InputError):
        prepare(other, prepared, REFINED)
    assert {path.name: sha256(path) for path in prepared.iterdir()} == before
    assert not (tmp_path / ".prepared.partial").exists()


def test_other_files_in_the_folder_survive(raw, tmp_path):
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "notes.txt").write_text("mine")
    prepare(raw, tmp_path / "prepared", REFINED)
    assert (tmp_path / "prepared" / "notes.txt").read_text() == "mine"


def test_killed_run_leaves_nothing_that_looks_prepared_and_the_next_one_cleans_up(tmp_path):
    tiny = tiny_nyu()
    many = {key: np.repeat(array, 250, axis=0) for key, array in tiny.items()}
    numbers = np.arange(1, 1501)
    raw = nyu_files.write_raw(tmp_path / "raw", many, {"train": numbers[:-1], "test": numbers[-1:]})
    out = tmp_path / "prepared"
    program = (
        "import sys\nfrom dynmm.data.nyuv2.prepare import prepare\n"
        "prepare(sys.argv[1], sys.argv[2], {'depth': 'refined'})"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", program, raw, out],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    partial = tmp_path / ".prepared.partial"
    deadline = time.monotonic() + 600  # seconds, for a loaded machine
    while not (partial / "train_rgb.npy").exists():
        assert time.monotonic() < deadline and victim.poll() is None
        time.sleep(0.001)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert partial.exists()
    assert not out.exists()
    prepare(nyu_files.write_raw(tmp_path / "small"), out, REFINED)
    assert not partial.exists()
    assert {path.name for path in out.iterdir()} == ARRAYS | {"manifest.json"}


# bad input


@pytest.mark.parametrize("name", [LABELED, SPLITS, MAPPING])
def test_missing_file(raw, tmp_path, name):
    (raw / name).unlink()
    refused(raw, tmp_path, raw / name, "missing", "data.nyuv2.raw_dir")


@pytest.mark.parametrize("name", [LABELED, SPLITS, MAPPING])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_truncated_file(raw, tmp_path, name, keep):
    content = (raw / name).read_bytes()
    (raw / name).write_bytes(content[: int(keep * len(content))])
    refused(raw, tmp_path, raw / name, "found:", "Fetch the file again")


def test_damaged_chunk(tmp_path):
    raw = nyu_files.write_raw(tmp_path / "raw", compression="gzip")
    with h5py.File(raw / LABELED) as file:
        chunk = file["labels"].id.get_chunk_info(0)
    with open(raw / LABELED, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\0" * min(chunk.size, 64))
    refused(raw, tmp_path, raw / LABELED, "key: labels", "cannot be read", "Fetch the file again")


@pytest.mark.parametrize("key", ["images", "labels", "depths", "rawDepths"])
def test_missing_key(tmp_path, key):
    arrays = tiny_nyu()
    del arrays[key]
    raw = nyu_files.write_raw(tmp_path / "raw", arrays)
    refused(raw, tmp_path, raw / LABELED, f"key: {key}", "the key is missing", "an array (N, ")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("labels", lambda a: a[:5]),
        ("depths", lambda a: a[:, :60]),
        ("rawDepths", lambda a: a.transpose(0, 2, 1)),
        ("images", lambda a: a[:, :1]),
    ],
)
def test_shapes_that_disagree(tmp_path, key, change):
    arrays = changed(**{key: change(tiny_nyu()[key])})
    raw = nyu_files.write_raw(tmp_path / "raw", arrays)
    refused(raw, tmp_path, raw / LABELED, f"key: {key}", arrays[key].shape, "expected: (6, ")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("images", lambda a: a.astype(np.float32)),
        ("depths", lambda a: a.astype(np.float64)),
        ("labels", lambda a: a[..., 0]),
    ],
)
def test_wrong_type_or_number_of_axes(tmp_path, key, change):
    array = change(tiny_nyu()[key])
    raw = nyu_files.write_raw(tmp_path / "raw", changed(**{key: array}))
    refused(raw, tmp_path, f"key: {key}", f"{array.shape} of {array.dtype}")


def test_no_frames(tmp_path):
    raw = nyu_files.write_raw(tmp_path / "raw", {k: a[:0] for k, a in tiny_nyu().items()})
    refused(raw, tmp_path, "key: images", "none of them 0")


@pytest.mark.parametrize("key", ["depths", "rawDepths"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 70.0])
def test_impossible_depth(tmp_path, key, value):
    raw = nyu_files.write_raw(tmp_path / "raw", changed(**with_value(key, (2, 4, 5), value)))
    refused(raw, tmp_path, "frame 3", raw / LABELED, f"key: {key}", f"1 pixels such as {value}")


def test_label_outside_the_mapping(tmp_path):
    raw = nyu_files.write_raw(tmp_path / "raw", changed(**with_value("labels", (1, 0, 0), 895)))
    refused(raw, tmp_path, "frame 2", "key: labels", "found: 895", "0..894", MAPPING)


@pytest.mark.parametrize(
    ("train", "test", "parts"),
    [
        ([1, 7], [2], ("key: trainNdxs", "found: 7", "1..6")),
        ([0, 1], [2], ("key: trainNdxs", "found: 0", "1..6")),
        ([1, 2], [2, 3], ("trainNdxs, testNdxs", "found: 2", "twice")),
        ([1, 1], [2], ("key: trainNdxs", "found: 1", "twice")),
        ([1, 2], [], ("key: testNdxs", "empty")),
    ],
)
def test_bad_split(raw, tmp_path, train, test, parts):
    nyu_files.write_splits(raw, train, test)
    refused(raw, tmp_path, raw / SPLITS, *parts)


@pytest.mark.parametrize(
    ("classes", "names", "parts"),
    [
        ([41] * 894, None, ("key: mapClass", "41, 41, 41, 41, 41 and 889 more", "1..40")),
        ([0, *[1] * 893], None, ("key: mapClass", "found: 0", "1..40")),
        ([1] * 894, ["wall"], ("key: className", "1 names", "40 different names")),
        ([1] * 894, ["wall"] * 40, ("key: className", "40 names, 1 different")),
        ([1] * 894, [" "] * 40, ("key: className", "40 different names")),
        ([1] * 894, [7.0] * 40, ("key: className", "of object")),
    ],
)
def test_bad_mapping(raw, tmp_path, classes, names, parts):
    nyu_files.write_mapping(raw, classes, names)
    refused(raw, tmp_path, raw / MAPPING, *parts)


@pytest.mark.parametrize("name", ["images", "depths", "labels"])
def test_frames_of_zeros_are_refused(tmp_path, name):
    arrays = tiny_nyu()
    arrays[name][[1, 4, 5]] = 0  # the test frames
    raw = nyu_files.write_raw(tmp_path / "raw", arrays)
    refused(raw, tmp_path, "test frames hold nothing but zeros", f"key: {name}", raw / LABELED)


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(kind, shape, name, content):
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<2i", *shape))
    return element(14, head + element(1, name) + content)


MATLAB_HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)


def test_cells_in_cells_without_end_are_one_message(raw, tmp_path):
    """They end SciPy's process, and so must not be read in ours."""
    nested = matrix(6, (1, 1), b"", element(9, struct.pack("<d", 1)))
    for depth in reversed(range(20_000)):
        nested = matrix(1, (1, 1), b"" if depth else b"className", nested)
    packed = element(15, zlib.compress(nested))
    assert len(packed) < 100_000
    (raw / MAPPING).write_bytes(MATLAB_HEAD + packed)
    refused(raw, tmp_path, raw / MAPPING, "not a readable MATLAB 5 file", "ended")


@pytest.mark.slow
def test_a_matlab_file_that_unpacks_to_gigabytes_is_one_message(raw, tmp_path):
    squeeze, parts = zlib.compressobj(1), []
    size = 3 << 29
    head = element(6, struct.pack("<II", 9, 0)) + element(5, struct.pack("<2i", size, 1))
    start = head + element(1, b"mapClass") + struct.pack("<II", 2, size)
    parts.append(squeeze.compress(struct.pack("<II", 14, len(start) + size) + start))
    for _ in range(size >> 24):
        parts.append(squeeze.compress(bytes(1 << 24)))
    content = b"".join([*parts, squeeze.flush()])
    (raw / MAPPING).write_bytes(MATLAB_HEAD + struct.pack("<II", 15, len(content)) + content)
    refused(raw, tmp_path, raw / MAPPING, "not a readable MATLAB 5 file", "MemoryError")


def test_matlab_file_without_its_key(raw, tmp_path):
    (raw / MAPPING).write_bytes((raw / SPLITS).read_bytes())
    refused(raw, tmp_path, raw / MAPPING, "key: mapClass", "the key is missing")
    (raw / SPLITS).unlink()
    nyu_files.write_mapping(raw, nyu_files.class_table())
    (raw / MAPPING).rename(raw / SPLITS)
    with pytest.raises(InputError, match="trainNdxs; found: the key is missing"):
        read_splits(raw / SPLITS, 6)


@pytest.mark.parametrize("settings", [{}, {"depth": "best"}, {"depth": "raw", "size": 3}])
def test_bad_settings(raw, tmp_path, settings):
    refused(raw, tmp_path, "bad settings", settings=settings)


def test_depth_without_spread_cannot_be_normalised(tmp_path):
    arrays = changed(rawDepths=np.zeros_like(tiny_nyu()["rawDepths"]))
    raw = nyu_files.write_raw(tmp_path / "raw", arrays)
    refused(raw, tmp_path, "key: rawDepths", "no spread", settings={"depth": "raw"})
    manifest = prepare(raw, tmp_path / "prepared", REFINED)
    assert manifest["depth_statistics"]["raw"] is None


# reading


def test_frames_of_the_raw_file(raw):
    with RawFrames(raw / LABELED) as frames:
        assert (len(frames), frames.height, frames.width) == (6, 48, 64)
        frame = frames.frame(4)
    assert frame["rgb"].shape == (48, 64, 3)
    assert np.array_equal(frame["depth_raw"], tiny_nyu()["rawDepths"][4].T)


def test_mapping_keeps_void(raw):
    mapping = read_class_mapping(raw / MAPPING)
    assert mapping.lookup[[0, 1, 40, 41, 894]].tolist() == [0, 1, 40, 1, 14]
    assert mapping.lookup.dtype == np.uint8


def test_prepared_frames_are_mapped_and_indexed(prepared):
    frames = SegmentationFrames(prepared, "train", [2, 0])
    assert len(frames) == 2
    assert frames.frame_numbers == [4, 1]
    frame = frames.frame(0, "raw")
    assert np.array_equal(frame["rgb"], tiny_nyu()["images"][3].transpose(2, 1, 0))
    assert (frame["depth"] == 0).any()
    assert (frames.frame(0, "refined")["depth"] > 0).all()
    assert np.array_equal(frames.labels(0), frame["label"])
    assert isinstance(frame["rgb"], np.memmap)
    assert len(pickle.dumps(frames)) < 2000
    again = pickle.loads(pickle.dumps(frames))
    assert np.array_equal(again.frame(1, "raw")["depth"], frames.frame(1, "raw")["depth"])


def test_prepared_frames_refuse_what_the_manifest_denies(prepared):
    with pytest.raises(InputError, match="train or test"):
        SegmentationFrames(prepared, "valid")
    with pytest.raises(InputError, match=r"expected: 0\.\.2"):
        SegmentationFrames(prepared, "train", [3])
    np.save(prepared / "train_rgb.npy", np.zeros((3, 48, 64), np.uint8))
    with pytest.raises(InputError, match=r"train_rgb.*snakemake --forcerun prepare_nyuv2"):
        SegmentationFrames(prepared, "train")
    (prepared / "train_rgb.npy").unlink()
    with pytest.raises(InputError, match=r"cannot be read.*train_rgb.*forcerun prepare_nyuv2"):
        SegmentationFrames(prepared, "train")
    (prepared / "manifest.json").write_text(json.dumps(sealed({"task": "mosei"})))
    with pytest.raises(InputError, match="found: mosei"):
        SegmentationFrames(prepared, "train")
    (prepared / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"not a readable JSON file.*prepare_nyuv2"):
        SegmentationFrames(prepared, "train")


def test_holdout_parts_the_training_split():
    manifest = {"splits": {"train": list(range(1, 101))}}
    train, validation = holdout(manifest, 0.1, seed=0)
    assert len(validation) == 10
    assert sorted([*train, *validation]) == list(range(100))
    assert np.array_equal(holdout(manifest, 0.1, seed=0)[1], validation)
    assert not np.array_equal(holdout(manifest, 0.1, seed=1)[1], validation)
    two = {"splits": {"train": [1, 2]}}
    assert [len(part) for part in holdout(two, 0.01, seed=0)] == [1, 1]
    for share in (0, 1, -0.1):
        with pytest.raises(InputError, match="validation_share"):
            holdout(manifest, share, seed=0)


def test_program_prepares_and_fails_in_one_message(raw, tmp_path):
    program = REPOSITORY / "workflow" / "scripts" / "prepare_nyuv2.py"
    command = [sys.executable, program, "--mat", raw / LABELED, "--splits", raw / SPLITS]
    command += ["--mapping", raw / MAPPING, "--out", tmp_path / "out", "--log", tmp_path / "log"]
    options = {"env": {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}, "text": True}
    good = subprocess.run(
        [*command, "--config", '{"depth": "refined"}'], capture_output=True, **options
    )
    assert good.returncode == 0, good.stderr
    assert "3 train, 3 test frames of 48x64" in good.stderr
    bad = subprocess.run([*command, "--config", '{"depth": "x"}'], capture_output=True, **options)
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: bad settings") and bad.stderr.count("\n") == 1
    assert "found: x" in (tmp_path / "log").read_text()
