"""Prepared arrays whose bytes changed stop a job; looking for that is done once a day."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

import modality_runs
from dynmm.data.array_digests import RECORD
from dynmm.data.manifest import open_array, read_manifest
from dynmm.data.mmimdb.batches import FeatureSplit
from dynmm.data.mosei.batches import SequenceSplit
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.data.nyuv2.prepare import prepare
from dynmm.errors import InputError
from nyu_files import write_raw

OPEN = {"nyuv2": SegmentationFrames, "mmimdb": FeatureSplit.open, "mosei": SequenceSplit.open}
SOURCE = Path(__file__).resolve().parents[1] / "src"
NOBODY = 65534
TICKS = itertools.count(time.time_ns(), 1_000_000_000)
READS = """
import sys
from dynmm.data.manifest import open_array, read_manifest
def count():
    return int(open("/proc/self/io").read().split()[1])
for _ in range(2):
    before = count()
    open_array(sys.argv[1], read_manifest(sys.argv[1], "nyuv2"), "train_rgb.npy")
    print(count() - before)
"""


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare(write_raw(folder / "raw"), folder / "nyuv2", {"depth": "refined"})
    for name in ("mmimdb", "mosei"):
        made = modality_runs.prepared(name, folder / f"of {name}")
        shutil.move(made.parent, folder / name)
    return folder


@pytest.fixture(params=OPEN)
def task(request):
    return request.param


@pytest.fixture
def folder(originals, task, tmp_path):
    return Path(shutil.copytree(originals / task, tmp_path / task))


@pytest.fixture
def rooms(originals, tmp_path):
    return Path(shutil.copytree(originals / "nyuv2", tmp_path / "nyuv2"))


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    later(path)


def later(path):
    """A time stamp of its own: two writes may fall into one tick of the clock."""
    stamp = next(TICKS)
    os.utime(path, ns=(stamp, stamp))


def refused(task, folder, name):
    with pytest.raises(InputError, match="not those that were written") as error:
        OPEN[task](folder, "train")
    assert str(folder / name) in str(error.value)
    assert f"snakemake --forcerun prepare_{task}." in str(error.value)


def arrays_of_train(task, folder):
    names = [name for name in read_manifest(folder, task)["arrays"] if name.startswith("train_")]
    assert len(names) >= 4
    return names


def test_one_flipped_bit_of_any_array_is_noticed(task, folder):
    OPEN[task](folder, "train")  # so that there is a record of sound bytes
    for name in arrays_of_train(task, folder):
        for place in (-1, 9):  # a value, and the length of the head
            flip(folder / name, place)
            refused(task, folder, name)
            flip(folder / name, place)
    assert len(OPEN[task](folder, "train"))


def test_a_zeroed_array_is_noticed(task, folder):
    for name in arrays_of_train(task, folder):
        before = np.load(folder / name)
        np.save(folder / name, np.zeros_like(before))
        later(folder / name)
        refused(task, folder, name)
        np.save(folder / name, before)
        later(folder / name)


def test_a_label_between_the_labels_is_noticed(originals, tmp_path):
    folder = Path(shutil.copytree(originals / "mmimdb", tmp_path / "mmimdb"))
    labels = np.load(folder / "train_genres.npy", mmap_mode="r+")
    labels[3, 1] = 0.25
    labels.flush()
    refused("mmimdb", folder, "train_genres.npy")


def test_a_changed_number_of_the_manifest_is_noticed(task, folder):
    path = folder / "manifest.json"
    text = path.read_text()
    manifest = json.loads(text)
    for spoil in (
        lambda m: m["arrays"].popitem(),
        lambda m: m.pop("splits"),
        lambda m: m["raw"].clear(),
        lambda m: m.pop("seal"),
        lambda m: m.update(seal=["0" * 64]),
        lambda m: m.update(more=1),
    ):
        spoiled = json.loads(text)
        spoil(spoiled)
        path.write_text(json.dumps(spoiled))
        with pytest.raises(InputError, match=rf"manifest\.json.*forcerun prepare_{task}\."):
            OPEN[task](folder, "train")
    path.write_text(json.dumps(manifest, sort_keys=True, indent=3))
    assert len(OPEN[task](folder, "train"))


@pytest.mark.parametrize("text", ["", "[1]", "{", "NaN", "[" * 100_000, '{"task": ["nyuv2"]}'])
def test_what_is_no_manifest_is_one_message(rooms, text):
    (rooms / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json.*forcerun prepare_nyuv2\."):
        SegmentationFrames(rooms, "train")


def bytes_read(folder):
    """What two openings of one array read, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-c", READS, folder],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return list(map(int, done.stdout.split()))


def test_bytes_are_read_once_a_job_and_once_a_day(rooms):
    size = (rooms / "train_rgb.npy").stat().st_size
    manifest = (rooms / "manifest.json").stat().st_size
    assert size > manifest + 10_000

    def looked():
        return [count >= size for count in bytes_read(rooms)]

    assert looked() == [True, False], "the first job looks, once"
    assert looked() == [False, False], "the next takes its word"
    record = json.loads((rooms / RECORD).read_text())
    for checked in (time.time() - 25 * 3600, time.time() + 3600, "today", None):
        record["train_rgb.npy"]["checked"] = checked
        (rooms / RECORD).write_text(json.dumps(record))
        assert looked() == [True, False], checked
    for damaged in ("", "[]", '{"train_rgb.npy": 7}', "[" * 100_000):
        (rooms / RECORD).write_text(damaged)
        assert looked() == [True, False], damaged[:20]
    os.utime(rooms / "train_rgb.npy")
    assert looked() == [True, False], "another time stamp"


@contextlib.contextmanager
def forbidden(folder):
    """Inside, this process cannot write into the folder."""
    folder.chmod(0o555)
    user = os.geteuid()
    if not user:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o755)


def test_a_read_only_folder_is_read_and_looked_at(originals):
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are this user's alone
        Path(place).chmod(0o755)
        folder = Path(shutil.copytree(originals / "nyuv2", Path(place) / "nyuv2"))
        with forbidden(folder):
            assert len(SegmentationFrames(folder, "train")) == 3
        assert not (folder / RECORD).exists()
        flip(folder / "train_depth.npy", -1)
        with forbidden(folder):
            refused("nyuv2", folder, "train_depth.npy")


def test_a_missing_array_is_one_message(rooms):
    manifest = read_manifest(rooms, "nyuv2")
    (rooms / "train_rgb.npy").unlink()
    with pytest.raises(InputError, match=r"train_rgb\.npy.*No such file.*prepare_nyuv2"):
        open_array(rooms, manifest, "train_rgb.npy")
