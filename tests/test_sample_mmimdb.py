"""The embedded clip art sample: its form, size, content and credits; parts of its builder."""

import importlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "resources/sample/mmimdb"
LIMIT = 4_000_000
STEPS = {"features": 2.0**-9, "vgg_features": 2.0**-3}


@pytest.fixture(scope="module")
def raw():
    with h5py.File(SAMPLE / "multimodal_imdb.hdf5") as file:
        arrays = {name: file[name][:] for name in file}
        names = json.loads(file["genres"].attrs["target_names"])
    return arrays, names


@pytest.fixture(scope="module")
def sizes():
    return yaml.safe_load((SAMPLE / "split.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def items():
    lines = (SAMPLE / "items.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


@pytest.fixture
def tool(monkeypatch):
    """Import a module of the builder, or skip where its extra is not installed."""
    monkeypatch.syspath_prepend(ROOT)

    def load(name, *needs):
        for package in needs:
            pytest.importorskip(package, reason=f"{package}: pip install -e '.[clipart]'")
        return importlib.import_module(f"tools.{name}")

    return load


def test_whole_folder_is_small_enough():
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) <= LIMIT


def test_arrays_have_the_form_of_the_true_file(raw, sizes):
    arrays, names = raw
    rows = sum(sizes.values())
    assert list(sizes) == ["train", "dev", "test"]
    form = {name: (array.shape, array.dtype.str) for name, array in arrays.items()}
    assert form == {
        "features": ((rows, 300), "<f4"),
        "vgg_features": ((rows, 4096), "<f2"),
        "genres": ((rows, 23), "<i4"),
        "imdb_ids": ((rows,), "|S7"),
    }
    assert len(set(names)) == 23
    assert len(set(arrays["imdb_ids"])) == rows


def test_values_are_finite_and_on_the_stated_grid(raw):
    for name, step in STEPS.items():
        values = raw[0][name].astype(np.float32)
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(values, np.round(values / step) * step)
    assert set(np.unique(raw[0]["genres"])) == {0, 1}


def test_every_part_has_every_genre_and_every_row_one(raw, sizes):
    genres = raw[0]["genres"]
    parts = np.split(genres, np.cumsum(list(sizes.values()))[:-1])
    assert min(part.sum(0).min() for part in parts) >= 3
    assert genres.sum(1).min() >= 1


def test_no_text_is_in_two_parts(items, sizes):
    texts = [item[3].lower() for item in items]
    ends = np.cumsum(list(sizes.values()))
    train, dev, test = (set(texts[a:b]) for a, b in zip([0, *ends], ends, strict=False))
    assert not train & dev and not train & test and not dev & test


def test_label_words_are_masked(items, raw):
    _, names = raw
    forms = {form for name in names for form in (name, name + "s", name.rstrip("s"))}
    assert not forms & {word.lower() for item in items for word in item[3].split()}


def test_rows_of_the_table_are_the_rows_of_the_file(items, raw):
    arrays, names = raw
    assert [item[0].encode() for item in items] == arrays["imdb_ids"].tolist()
    for item, row in zip(items, arrays["genres"], strict=True):
        assert item[2].split(",") == sorted(np.array(names)[row == 1])


def test_both_modalities_tell_more_than_either(tool, sizes):
    check = tool("clipart.check")
    found = check.scores(
        SAMPLE / "multimodal_imdb.hdf5", sizes, strengths={"text": [0.1], "image": [0.001]}
    )
    for score in ("micro_f1", "macro_f1"):
        assert found["both"][score] > max(found["text"][score], found["image"][score]) + 0.04


def test_word_is_found_by_its_hash(tool, tmp_path):
    """The hash of `coffee` is the one in spaCy's own documentation of its string store."""
    vectors = tool("wordvectors", "msgpack")
    msgpack = importlib.import_module("msgpack")
    assert vectors.spacy_hash("coffee") == 3197928453018144401
    np.save(tmp_path / "vectors.npy", np.array([[3.0, 4.0], [0.0, 2.0]]))
    (tmp_path / "vectors.npy").rename(tmp_path / "vectors")
    rows = {vectors.spacy_hash("coffee"): 0, vectors.spacy_hash("n't"): 1}
    (tmp_path / "key2row").write_bytes(msgpack.packb(rows))
    table = vectors.WordVectors(tmp_path, norm=5.0)
    np.testing.assert_allclose(table["Coffee"], [3, 4])
    assert table.known("Coffee isn\u2019t tea") == ["Coffee", "n't"]
    with pytest.raises(KeyError, match="tea"):
        table["tea"]


def test_collection_is_read_from_pictures_and_their_metadata(tool, tmp_path):
    collection = tool("clipart.collection", "lxml")
    image = importlib.import_module("PIL.Image")
    for name, colour, keyword in (("a", "red", "bird"), ("b", "red", "bird"), ("c", "blue", "")):
        image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
        word = f"<li>{keyword}</li>" if keyword else ""
        text = (
            f"<svg><Work><title>A {name}</title><subject><Bag>{word}</Bag></subject></Work></svg>"
        )
        (tmp_path / f"{name}.svg").write_text(text)
    items = collection.read_collection(tmp_path, tmp_path, collection.LabelRules.read())
    assert [(item.path, item.title) for item in items] == [("a.svg", "A a")]  # b equal, c untagged
    assert items[0].labels == {"bird", "animal"}


def test_split_keeps_equal_texts_together(tool):
    build = tool("clipart.build", "lxml", "msgpack")
    texts = [[f"word{number // 6}"] for number in range(600)]  # six pictures a text: four are used
    genres = np.random.default_rng(0).random((600, 3)) < 0.5
    parts = build.split_rows(texts, genres, 300, np.random.default_rng(1))
    owners = [{texts[number][0] for number in numbers} for numbers in parts.values()]
    assert not owners[0] & owners[1] and not owners[0] & owners[2] and not owners[1] & owners[2]
    used = [texts[number][0] for numbers in parts.values() for number in numbers]
    assert max(used.count(text) for text in set(used)) == build.SAME_TEXT


def test_too_few_items_are_one_message(tool):
    build = tool("clipart.build", "lxml", "msgpack")
    errors = importlib.import_module("dynmm.errors")
    with pytest.raises(errors.InputError, match="too few items"):
        build.split_rows([["a"], ["b"]], np.ones((2, 1)), 100, np.random.default_rng(0))
