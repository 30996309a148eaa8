"""Figure 5: which sentences it shows, with which path, words and scores."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colors

from dynmm.errors import InputError
from dynmm.reporting import style
from dynmm.reporting.sentence_figure import sentences_figure, wrapped
from dynmm.reporting.sentences import Sentence, choose_review, read_sentences
from dynmm.stored_records import sealed
from modality_metrics import write_dynamic, write_expert, write_predictions

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "workflow" / "scripts" / "plot_sentences.py"
SCORES = {"acc2": 0.7, "mae": 0.8}
IDS = ["long[2]", "long[10]", "long[1]", "both[0]", "both[1]", "one[0]"]
WORDS = ["It cost $5 and $6.", "The end.", "It began well.", "Dull.", "", "Fine — très bien."]
CHOSEN = [0, 0, 0, 0, 1, 1]
TRUE = [1.0, -0.5, 2.0, -1.25, 0.0, 3.0]


@pytest.fixture
def manifest(tmp_path):
    return write_prepared(tmp_path / "prepared")


def write_prepared(folder, ids=None):
    folder.mkdir(exist_ok=True)
    np.save(folder / "test_ids.npy", np.array([i.encode() for i in ids or reversed(IDS)]))
    np.save(folder / "test_sentences.npy", np.array([text.encode() for text in reversed(WORDS)]))
    arrays = {path.name: {"sha256": checksum(path)} for path in folder.glob("*.npy")}
    manifest = sealed({"task": "mosei", "sentences": True, "arrays": arrays})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / "manifest.json"


def write_point(folder, weight="0.01", share=0.65, chosen=CHOSEN):
    metrics = write_dynamic(folder, "mosei", 0, share, SCORES, lambda_=weight)
    outputs = [value / 2 for value in TRUE]
    return metrics, write_predictions(metrics, IDS, outputs, chosen, TRUE)


def texts(fig):
    return [text.get_text() for text in fig.axes[0].texts]


@pytest.fixture
def draw():
    figures = []

    def function(sentences, titles=("Text (E1): T", "Late fusion (E2): V+A+T"), notes=()):
        figures.append(sentences_figure(sentences, titles, "film", notes))
        return figures[-1]

    yield function
    for figure in figures:
        style.plt.close(figure)


def test_words_come_by_id_and_scores_by_sample(tmp_path, manifest):
    sentences, has_words = read_sentences(write_point(tmp_path)[1], manifest)
    assert has_words
    assert [s.words for s in sentences] == WORDS
    assert sentences[3] == Sentence("both[0]", "Dull.", -1.25, -0.625, 0)
    assert sentences[5].expert == 1


def test_the_review_with_most_sentences_on_both_paths(tmp_path, manifest):
    sentences, _ = read_sentences(write_point(tmp_path)[1], manifest)
    assert [s.id for s in choose_review(sentences)] == ["both[0]", "both[1]"]
    assert [s.segment for s in choose_review(sentences, "long")] == [1, 2, 10]
    alike = [sentence._replace(expert=0) for sentence in sentences]
    assert choose_review(alike)[0].review == "long", "where no review uses both, the longest"
    with pytest.raises(InputError, match=r"no sentence of the review.*found: other"):
        choose_review(sentences, "other")


def test_each_sentence_has_its_words_and_both_scores(draw):
    fig = draw([Sentence("a[0]", "It cost $5 and $6.", 1.04, -0.26, 1)], notes=["data: reviews"])
    drawn = texts(fig)
    for words in ("It cost $5 and $6.", "+1.0", "\N{MINUS SIGN}0.3", "true", "data: reviews"):
        assert words in drawn
    assert fig.get_size_inches()[0] == style.COLUMN_WIDTH


def test_the_path_is_told_by_colour_mark_and_line(draw):
    fig = draw([Sentence("a[0]", "One.", 0, 0, 0), Sentence("a[1]", "Two.", 0, 0, 1)])
    boxes = fig.axes[0].patches
    *legend, first, second = fig.axes[0].lines
    assert [line.get_marker() for line in (first, second)] == ["o", "s"]
    assert [line.get_marker() for line in legend] == ["o", "s"]
    assert boxes[0].get_linestyle() != boxes[1].get_linestyle()
    assert boxes[0].get_edgecolor() == colors.to_rgba(style.series(0)["color"])
    assert boxes[1].get_edgecolor() == colors.to_rgba(style.series(1)["color"])
    assert "Late fusion (E2): V+A+T" in texts(fig)


def test_no_text_leaves_its_place(draw):
    long = "An extraordinarily long sentence that goes on and on until nobody can follow it. " * 4
    fig = draw([Sentence("a[0]", long, -3, 3, 0), Sentence("a[1]", "Short.", -3, 3, 1)])
    renderer = fig.canvas.get_renderer()
    to_inches = fig.dpi_scale_trans.inverted()
    boxes = [t.get_window_extent(renderer).transformed(to_inches) for t in fig.axes[0].texts]
    width, height = fig.get_size_inches()
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= width
        assert box.y0 >= 0 and box.y1 <= height
    for place, box in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert not box.shrunk(0.9, 0.9).overlaps(other.shrunk(0.9, 0.9))


def test_lines_break_between_words():
    assert wrapped("one two three", 0.5, 6.5) == ["one two", "three"]
    assert wrapped("unbreakable", 0.1, 6.5) == ["unbreakable"]
    assert wrapped("", 1, 6.5) == []


def run(tmp_path, manifest, points, out, **config):
    metrics = [write_expert(tmp_path, "mosei", "late_fusion", 0, SCORES, modality="V+A+T")]
    command = [sys.executable, PROGRAM, "--paper", ROOT / "resources" / "paper.yaml"]
    command += ["--metrics", *metrics, *(m for m, _ in points)]
    command += ["--predictions", *(p for _, p in points), "--manifest", manifest, "--out", out]
    command += ["--config", json.dumps({"row": "dynmm_b", "seed": 0} | config)]
    return command


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_program_takes_the_point_of_its_row_and_gives_the_same_bytes(tmp_path, manifest):
    points = [
        write_point(tmp_path, "0.01", 0.65),
        write_point(tmp_path, "0.1", 0.1, chosen=[1] * 6),
    ]
    command = run(tmp_path, manifest, points, tmp_path / "0" / "figure5.pdf")
    sums = {}
    for name, place in (("first", "0"), ("again", "1")):
        command[command.index("--out") + 1] = out = tmp_path / place / "figure5.pdf"
        environment = os.environ | {"PYTHONHASHSEED": place}
        subprocess.run(command, check=True, env=environment)
        sums[name] = [checksum(out), checksum(out.with_suffix(".png"))]
    assert sums["first"] == sums["again"]
    points[1][1].unlink()  # the other point's predictions are not read
    subprocess.run(command, check=True)


def test_bad_input_is_named(tmp_path, manifest):
    _, predictions = write_point(tmp_path)
    write_prepared(manifest.parent, [f"x[{place}]" for place in range(6)])
    with pytest.raises(InputError, match=r"prepared data lack.*key: long\[2\]"):
        read_sentences(predictions, manifest)
    manifest.with_name("test_sentences.npy").unlink()
    with pytest.raises(InputError, match=r"cannot be read.*test_sentences\.npy"):
        read_sentences(predictions, manifest)
    np.savez(predictions, ids=np.array([b"a[0]"]), outputs=np.zeros((1, 1)))
    with pytest.raises(InputError, match="key: targets, gate_logits, chosen"):
        read_sentences(predictions, manifest)
