"""The embedded review sample: size, expansion into the raw form, content and credits."""

import importlib
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynmm.data.mosei import raw as mosei_raw
from dynmm.data.mosei.sample import expand, read_snippets
from dynmm.errors import InputError

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "resources/sample/mosei"
LIMIT = 3_000_000
AUDIO_SUM, VISION_SUM = 390401.334362, 150784.658528
VISION_HEAD = [-0.184878, 0.206142, 0.895308]
SIZES = {"train": 800, "valid": 150, "test": 250}


@pytest.fixture(scope="module")
def data():
    return expand(SAMPLE)


@pytest.fixture(scope="module")
def snippets():
    return read_snippets(SAMPLE)


@pytest.fixture
def copied(tmp_path):
    """The first rows of the sample, to be spoilt."""
    folder = tmp_path / "sample"
    shutil.copytree(SAMPLE, folder)
    lines = (folder / "snippets.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "snippets.tsv").write_text("".join(lines[:4]), encoding="utf-8")
    return folder


@pytest.fixture
def tool(monkeypatch):
    """Import a module of the builder, or skip where its extra is not installed."""
    monkeypatch.syspath_prepend(ROOT)

    def load(name, *needs):
        for package in needs:
            pytest.importorskip(package, reason=f"{package}: pip install -e '.[reviews]'")
        return importlib.import_module(f"tools.reviews.{name}")

    return load


def test_whole_folder_is_small_enough():
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) <= LIMIT


def test_expansion_has_the_raw_form(data):
    assert {part: len(arrays["id"]) for part, arrays in data.items()} == SIZES
    for part, n in SIZES.items():
        form = {name: array.shape for name, array in data[part].items()}
        assert form == {
            "vision": (n, 50, 35),
            "audio": (n, 50, 74),
            "text": (n, 50, 300),
            "labels": (n, 1, 1),
            "id": (n, 1),
        }
        assert all(data[part][name].dtype == np.float32 for name in form if name != "id")
        assert np.abs(data[part]["labels"]).max() <= 3


def test_padding_stands_in_front_and_is_shared(data, snippets):
    test = snippets[snippets["split"] == "test"]
    for place, row in enumerate(test.itertuples()):
        start = 50 - len(row.words.split())
        for name in ("vision", "audio", "text"):
            series = data["test"][name][place]
            assert not series[:start].any()
            assert series[start:].any(axis=1).all() or (name == "text" and row.text_removed)


def test_only_audio_is_infinite_and_only_in_some_rows(data):
    for arrays in data.values():
        assert all(np.isfinite(arrays[name]).all() for name in ("vision", "text", "labels"))
        assert not np.isnan(arrays["audio"]).any() and not np.isposinf(arrays["audio"]).any()
        assert 0.02 < np.isneginf(arrays["audio"]).any((1, 2)).mean() < 0.15


def test_text_is_the_words_vectors(data, snippets):
    with np.load(SAMPLE / "vectors.npz") as stored:
        table = dict(zip(stored["words"], stored["table"] * stored["scale"], strict=True))
    row = snippets[(snippets["split"] == "valid") & (snippets["text_removed"] == 0)].iloc[0]
    place = data["valid"]["id"].ravel().tolist().index(row["id"])
    expected = np.stack([table[word] for word in row["words"].split()])
    np.testing.assert_allclose(data["valid"]["text"][place, -len(expected) :], expected, rtol=1e-6)
    assert np.linalg.norm(expected, axis=1) == pytest.approx(5.0, rel=0.05)


def test_expansion_gives_the_same_numbers_everywhere(data):
    """Computed once when the sample was made; they guard the seeds and the order of draws."""
    audio, vision = (data["test"][name] for name in ("audio", "vision"))
    audio = np.where(np.isfinite(audio), audio, 0).astype(np.float64)
    assert np.abs(audio).sum() == pytest.approx(AUDIO_SUM, rel=1e-5)
    assert np.abs(vision.astype(np.float64)).sum() == pytest.approx(VISION_SUM, rel=1e-5)
    np.testing.assert_allclose(vision[0, -1, :3], VISION_HEAD, rtol=1e-4)


def test_program_writes_what_the_readers_of_the_true_file_accept(data, tmp_path):
    def write(folder):
        program = ROOT / "workflow/scripts/expand_sample_mosei.py"
        outputs = {"out": folder / "mosei_senti_data.pkl", "snippets": folder / "snippets.tsv"}
        options = [str(o) for name, path in outputs.items() for o in (f"--{name}", path)]
        command = [sys.executable, program, "--sample", SAMPLE, *options]
        subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT / "src")})
        return outputs

    outputs = write(tmp_path)
    content = pickle.loads(outputs["out"].read_bytes())
    for part, arrays in data.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(content[part][name], array)
    raw = mosei_raw.read_raw(outputs["out"])
    sentences = mosei_raw.read_sentences(outputs["snippets"])
    assert all(sentences[i] for part in raw.values() for i in part.ids)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mosei_senti_data.pkl",
        "snippets.tsv",
    ]


def test_reviews_are_whole_and_numbered(snippets):
    assert snippets["id"].is_unique
    assert (snippets.groupby("review")["split"].nunique() == 1).all()
    test = snippets[snippets["split"] == "test"].groupby("review")["position"]
    long = [positions.tolist() for _, positions in test if len(positions) >= 6]
    assert len(long) >= 5
    assert all(positions == list(range(len(positions))) for positions in long)


def test_simulated_channels_tell_where_the_text_does_not(data, snippets, tool):
    check = tool("check")
    guess, truth = check.predictions(data)
    hard = snippets.loc[snippets["split"] == "test", "hard"].to_numpy(bool)

    def r(name, rows=slice(None)):
        return np.corrcoef(guess[name][rows], truth[rows])[0, 1]

    assert r("all") > max(r("text"), r("audio"), r("vision")) + 0.1
    assert r("text", ~hard) > r("text", hard) + 0.3
    for name in ("audio", "vision"):
        assert r(name, hard) > r(name, ~hard) + 0.2


def test_unknown_word_is_one_message(copied):
    path = copied / "snippets.tsv"
    frame = pd.read_csv(path, sep="\t", quoting=3)
    frame.loc[1, "words"] = "zzyzx"
    frame.to_csv(path, sep="\t", index=False, quoting=3)
    with pytest.raises(InputError, match="without a vector: zzyzx") as caught:
        expand(copied)
    assert caught.value.key == frame.loc[1, "id"]


@pytest.mark.parametrize("name", ["snippets.tsv", "vectors.npz", "sample.yaml"])
def test_missing_file_is_one_message(copied, name):
    (copied / name).unlink()
    with pytest.raises(InputError, match=f"missing file.*{name}"):
        expand(copied)


def test_missing_column_is_one_message(copied):
    text = (copied / "snippets.tsv").read_text(encoding="utf-8")
    (copied / "snippets.tsv").write_text(text.replace("rating", "score"), encoding="utf-8")
    with pytest.raises(InputError, match="missing columns"):
        expand(copied)


def test_study_is_read_without_doubles_and_scaled(tool, tmp_path):
    build = tool("build", "msgpack")
    texts = "1\t2.0\t''Fine'' &amp; good\n2\t-1.0\tPoor\n3\t-1.0\tpoor\n4\t1.0\tFew raters\n"
    (tmp_path / "movieReviewSnippets_GroundTruth.txt").write_text(texts)
    rows = [(1, 2.0, [2] * 5), (2, -4.0, [-4] * 5), (3, -1.0, [-1] * 5), (4, 1.0, [1] * 3)]
    lines = "".join(f"{n}\t{mean}\t0.5\t{ratings}\n" for n, mean, ratings in rows)
    (tmp_path / "movieReviewSnippets_anonDataRatings.txt").write_text(lines)
    frame = build.read_study(tmp_path)
    assert frame["text"].tolist() == ['"Fine" & good', "Poor"]
    assert frame["rating"].tolist() == [1.5, -3.0]


def test_missing_study_is_one_message(tool, tmp_path):
    with pytest.raises(InputError, match="file of the study missing"):
        tool("build", "msgpack").read_study(tmp_path)
