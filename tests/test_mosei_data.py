"""CMU-MOSEI: the raw pickle, its preparation, and batches of ragged sequences."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fixture_rules as rules
from dynmm.data.mosei.batches import SequenceSplit, bucketed
from dynmm.data.mosei.prepare import first_words, prepare
from dynmm.data.mosei.raw import FILE, SENTENCES, video_of
from dynmm.data.ordering import in_order
from dynmm.errors import InputError

MODALITIES = ("vision", "audio", "text")
PROGRAM = Path(__file__).parents[1] / "workflow" / "scripts" / "prepare_mosei.py"


@pytest.fixture
def raw():
    return rules.tiny_mosei()


def write(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(pickle.dumps(content, 4))
    return folder


def prepared(tmp_path, content):
    prepare(write(tmp_path / "raw", content), tmp_path / "prepared", {})
    return tmp_path / "prepared"


def message(tmp_path, content):
    """The error of a preparation, after a look that it left nothing."""
    with pytest.raises(InputError) as error:
        prepared(tmp_path, content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]
    assert FILE in str(error.value)
    return str(error.value)


def test_ragged_arrays_hold_the_valid_steps(tmp_path, raw):
    out = prepared(tmp_path, raw)
    offsets = np.load(out / "train_offsets.npy")
    kept = [i for i in range(12) if i != 3]  # 3 has no text
    assert len(offsets) == len(kept) + 1
    for place, sample in enumerate(kept):
        start = next(t for t in range(50) if raw["train"]["text"][sample, t].any())
        for modality in MODALITIES:
            steps = np.load(out / f"train_{modality}.npy")[offsets[place] : offsets[place + 1]]
            expected = raw["train"][modality][sample, start:].copy()
            expected[np.isneginf(expected)] = 0.0
            np.testing.assert_array_equal(steps, expected)
    assert (
        np.load(out / "train_labels.npy").tolist() == raw["train"]["labels"][kept].ravel().tolist()
    )
    assert np.load(out / "train_ids.npy")[3] == b"train4[0.0-1.0]"


def test_manifest_describes_the_arrays(tmp_path, raw):
    manifest = json.loads((prepared(tmp_path, raw) / "manifest.json").read_text())
    assert manifest["splits"] == {"train": 11, "valid": 5, "test": 6}
    assert manifest["input_sizes"] == {"vision": 35, "audio": 74, "text": 300}
    assert manifest["statistics"]["train"]["without_text"] == 1
    for name, entry in manifest["arrays"].items():
        array = np.load(tmp_path / "prepared" / name)
        assert (list(array.shape), array.dtype.name) == (entry["shape"], entry["dtype"])


@pytest.mark.parametrize("dtype", ["f2", "f8"])
def test_float_type_of_the_raw_file_does_not_matter(tmp_path, raw, dtype):
    for part in raw.values():
        for modality in MODALITIES:
            part[modality] = part[modality].astype(dtype)
    out = prepared(tmp_path, raw)
    text = np.load(out / "test_text.npy")
    assert text.dtype == np.float32
    assert text[0, 0] == raw["test"]["text"][0][raw["test"]["text"][0].any(1)][0, 0]


def test_samples_whose_text_sums_to_zero_are_dropped():
    text = np.zeros((3, 4, 2))
    text[0, 1], text[2, 3] = (1.0, -1.0), (0.0, 2.0)
    assert first_words(text).tolist() == [-1, -1, 3]


def test_sentences_are_kept_beside_their_samples(tmp_path, raw):
    write(tmp_path / "raw", raw)
    rows = ["id\ttext\n", 'test1[0.0-1.0]\tA "quoted" sentence, ä\n', "test2\tof a whole video\n"]
    (tmp_path / "raw" / SENTENCES).write_text("".join(rows), encoding="utf-8")
    prepare(tmp_path / "raw", tmp_path / "out", {})
    found = [text.decode() for text in SequenceSplit.open(tmp_path / "out", "test").sentences]
    assert found[:4] == ["", 'A "quoted" sentence, ä', "of a whole video", ""]
    assert SequenceSplit.open(prepared(tmp_path / "other", raw), "test").sentences is None


def test_video_of_a_sample():
    assert video_of("a[b]c[3]") == "a[b]c"
    assert video_of("plain") == "plain"


def drop(raw, split, key):
    del raw[split][key]


def put(raw, split, key, value):
    raw[split][key] = value


def spoil(raw, split, key, place, value):
    raw[split][key][place] = value


def tree(depth=10):
    """A list of 10^10 leaves that a pickle has room for."""
    found = "leaf"
    for _ in range(depth):
        found = [found] * 10
    return found


SPOILS = {
    "split missing": (lambda r: r.pop("valid"), ["valid", "missing"]),
    "key missing": (lambda r: drop(r, "test", "audio"), ["test.audio", "missing"]),
    "labels missing": (lambda r: drop(r, "train", "labels"), ["train.labels"]),
    "no dict": (lambda r: put(r, "train", "text", {"a": 1}), ["train.text", "a dict"]),
    "counts disagree": (
        lambda r: put(r, "train", "audio", r["train"]["audio"][:-1]),
        ["train.audio", "(11, 50, 74)", "(12, 50, size)"],
    ),
    "steps disagree": (
        lambda r: put(r, "train", "text", r["train"]["text"][:, 1:]),
        ["train.text", "(12, 49, 300)"],
    ),
    "sizes disagree": (
        lambda r: put(r, "test", "vision", r["test"]["vision"][:, :, 1:]),
        ["test.vision", "34", "35"],
    ),
    "too few axes": (
        lambda r: put(r, "valid", "vision", r["valid"]["vision"][0]),
        ["valid.vision", "(50, 35)"],
    ),
    "whole numbers": (
        lambda r: put(r, "valid", "text", np.ones((5, 50, 300), int)),
        ["valid.text", "int64"],
    ),
    "labels do not fit": (
        lambda r: put(r, "valid", "labels", np.zeros((4, 1, 1))),
        ["valid.labels", "(4, 1, 1)"],
    ),
    "an id twice": (
        lambda r: put(r, "test", "id", r["train"]["id"][1:7]),
        ["two samples have one id", "test.id[0]", "train1[0.0-1.0], as train.id[1]"],
    ),
    "ids are no texts": (
        lambda r: put(r, "valid", "id", [None] * 5),
        ["valid.id", "something else than texts as id 0"],
    ),
    "an id is a tree": (
        lambda r: put(r, "valid", "id", ["a", "b", "c", "d", tree()]),
        ["valid.id", "something else than texts as id 4"],
    ),
    "an id is endless": (
        lambda r: put(r, "valid", "id", [10**5000] * 5),
        ["valid.id", "something else than texts as id 0"],
    ),
    "ids without an axis": (
        lambda r: put(r, "valid", "id", np.array("a")),
        ["valid.id", "0 ids"],
    ),
    "audio of zeros": (
        lambda r: spoil(r, "valid", "audio", slice(None), 0.0),
        ["audio is 0 everywhere", "valid.audio"],
    ),
    "ids do not fit": (lambda r: put(r, "valid", "id", np.array(["a"])), ["valid.id", "1 ids"]),
    "NaN text": (
        lambda r: spoil(r, "test", "text", (4, 40, 7), np.nan),
        ["test.text[4, 40, 7]", "nan"],
    ),
    "infinite audio": (
        lambda r: spoil(r, "test", "audio", (1, 49, 3), np.inf),
        ["test.audio[1, 49, 3]", "inf", "-inf"],
    ),
    "-inf vision": (
        lambda r: spoil(r, "train", "vision", (11, 49, 0), -np.inf),
        ["train.vision[11, 49, 0]"],
    ),
    "label too large": (
        lambda r: spoil(r, "train", "labels", (2, 0, 0), 3.5),
        ["train.labels[2]", "3.5", "-3 to 3"],
    ),
    "NaN label": (lambda r: spoil(r, "train", "labels", (0, 0, 0), np.nan), ["labels[0]", "nan"]),
    "empty split": (
        lambda r: r.update(valid={k: v[:0] for k, v in r["valid"].items()}),
        ["empty split", "valid"],
    ),
    "no text in a split": (
        lambda r: spoil(r, "valid", "text", slice(None), 0.0),
        ["text is 0 everywhere", "valid.text"],
    ),
}


@pytest.mark.parametrize("name", SPOILS)
def test_bad_input_is_one_message_and_leaves_nothing(tmp_path, raw, name):
    change, expected = SPOILS[name]
    change(raw)
    text = message(tmp_path, raw)
    assert all(part in text for part in expected), text


def test_a_whole_video_may_name_many_samples(tmp_path, raw):
    raw["valid"]["id"] = np.array(["one video"] * 5)
    assert (np.load(prepared(tmp_path, raw) / "valid_ids.npy") == b"one video").all()


def test_raw_content_that_is_no_dict(tmp_path):
    assert "a list" in message(tmp_path, ["train"])


def test_truncated_file(tmp_path, raw):
    path = write(tmp_path / "raw", raw) / FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="not a complete pickle"):
        prepare(tmp_path / "raw", tmp_path / "prepared", {})


def test_missing_file_and_unknown_setting(tmp_path):
    with pytest.raises(InputError, match=r"data\.mosei\.raw_dir"):
        prepare(tmp_path, tmp_path / "prepared", {})
    with pytest.raises(InputError, match="padding"):
        prepare(tmp_path, tmp_path / "prepared", {"padding": True})


def test_failed_preparation_leaves_an_older_one_as_it_was(tmp_path, raw):
    out = prepared(tmp_path, raw)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    raw["test"]["text"][0, 49, 0] = np.nan
    with pytest.raises(InputError):
        prepared(tmp_path, raw)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_program(tmp_path, raw):
    folder = write(tmp_path / "raw", raw)
    command = [sys.executable, PROGRAM, "--raw-dir", folder, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "11 train, 5 valid, 6 test" in done.stderr
    (folder / FILE).write_bytes(b"cos\nsystem\n(Vtouch x\ntR.")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "os.system" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return SequenceSplit.open(
        prepared(tmp_path_factory.mktemp("mosei"), rules.tiny_mosei()), "train"
    )


def test_batches_are_padded_at_the_end_to_their_longest(split):
    index = torch.tensor([4, 0, 7])
    batch = split.rows(index)
    lengths = split.lengths[index]
    assert batch["inputs"]["lengths"].tolist() == lengths.tolist()
    for modality in MODALITIES:
        padded = batch["inputs"][modality]
        assert padded.shape == (3, lengths.max(), split.input_sizes[modality])
        for row, sample in enumerate(index):
            steps = split.steps[modality][split.offsets[sample] : split.offsets[sample + 1]]
            assert torch.equal(padded[row, : lengths[row]], steps)
            assert not padded[row, lengths[row] :].any()
    assert torch.equal(batch["targets"], split.targets[index])


@pytest.mark.parametrize("by_length", [True, False])
def test_every_sample_is_evaluated_once_and_order_is_restored(split, by_length):
    batches = list(split.batches(4, by_length))
    restored = in_order([b["targets"] for b in batches], [b["index"] for b in batches])
    assert torch.equal(restored, split.targets)
    longest = [b["inputs"]["text"].shape[1] for b in batches]
    if by_length:
        assert longest == sorted(longest, reverse=True)
    else:
        assert batches[0]["index"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("by_length", [True, False])
def test_training_batches_depend_on_seed_and_epoch_alone(split, by_length):
    def order(seed, epoch):
        return [
            batch["index"].tolist() for batch in split.training_batches(3, seed, epoch, by_length)
        ]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3) != order(2, 3)
    assert sorted(i for batch in order(1, 2) for i in batch) == list(range(len(split)))


def test_stored_tensors_go_with_their_samples(split):
    split.stored["outputs"] = torch.arange(len(split)).float().view(-1, 1, 1)
    try:
        assert split.rows(torch.tensor([5, 2]))["outputs"].ravel().tolist() == [5.0, 2.0]
    finally:
        split.stored.clear()


def test_bucketing_spares_most_of_the_padding():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 51, (3200,), generator=generator)
    order = torch.randperm(3200, generator=generator)

    def padding(batches):
        padded = sum(len(b) * int(lengths[b].max()) for b in batches)
        return padded / int(lengths.sum()) - 1

    batches = bucketed(order, lengths, 32)
    assert sorted(torch.cat(batches).tolist()) == list(range(3200))
    assert padding(order.split(32)) > 0.8
    assert padding(batches) < 0.06
