"""What sets MM-IMDB and CMU-MOSEI apart: losses and scores by hand."""

import json
import math

import pytest
import torch

from dynmm.tasks import load_evaluation, load_task, modality_letters

LOGITS = torch.tensor([[0.0, 2.0], [-1.0, 3.0], [1.0, -2.0]])
GENRES = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])


def test_the_loss_of_mmimdb_is_the_mean_binary_cross_entropy():
    task = load_task("mmimdb")
    each = [
        math.log(1 + math.exp(-logit if genre else logit))
        for logits, genres in zip(LOGITS.tolist(), GENRES.tolist(), strict=True)
        for logit, genre in zip(logits, genres, strict=True)
    ]
    assert task.loss(LOGITS, GENRES).item() == pytest.approx(sum(each) / 6)


def test_the_score_of_mmimdb_is_macro_f1():
    task = load_task("mmimdb")
    # genre 1: no hit of one predicted and one present; genre 2: both hits
    assert task.score(LOGITS, GENRES) == pytest.approx((0 + 1) / 2)
    assert (task.score_name, task.higher_is_better) == ("macro_f1", True)


def test_loss_and_score_of_mosei_are_the_mean_absolute_error():
    task = load_task("mosei")
    outputs, labels = torch.tensor([[1.0], [-2.0], [0.5]]), torch.tensor([[3.0], [-1.0], [0.5]])
    assert task.loss(outputs, labels).item() == pytest.approx(1.0)
    assert task.score(outputs, labels) == pytest.approx(1.0)
    assert (task.score_name, task.higher_is_better) == ("loss", False)


def test_each_genre_has_its_own_f1():
    manifest = {"genres": ["Drama", "Horror"]}
    scores = load_evaluation("mmimdb").scores(LOGITS, GENRES, manifest)
    assert scores["genre_f1"] == {"Drama": 0.0, "Horror": 1.0}
    # two hits of three marks predicted and three present
    assert scores["micro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert scores["macro_f1"] == pytest.approx(0.5)


def test_a_score_that_is_not_defined_is_none():
    outputs, labels = torch.tensor([[1.0], [1.0]]), torch.tensor([[0.0], [0.0]])
    scores = load_evaluation("mosei").scores(outputs, labels, {})
    assert scores["pearson_r"] is None and scores["acc2_nonzero"] is None
    assert scores["mae"] == 1.0 and scores["acc2"] == 1.0
    json.dumps(scores, allow_nan=False)


def test_a_setting_of_the_noise_study_is_named_by_its_modalities():
    assert load_evaluation("mmimdb").NOISE_SETTINGS == {
        "image": ("image",),
        "text": ("text",),
        "both": ("image", "text"),
    }
    settings = load_evaluation("mosei").NOISE_SETTINGS
    assert settings.pop("all") == ("vision", "audio", "text")
    assert settings == {name: (name,) for name in ("vision", "audio", "text")}


def test_letters_stand_in_the_order_of_the_tables():
    assert modality_letters(load_task("mmimdb"), ("text", "image")) == "I+T"
    assert modality_letters(load_task("mosei"), ("text", "vision", "audio")) == "V+A+T"
