"""Which epoch is kept, when a run ends, and what happens where no epoch can be kept."""

import json

import pytest

from dynmm.errors import InputError
from dynmm.files import write_json
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.run_directory import RunDirectory
from recorded_training import Scores

NAN = None


def run(folder, scores, higher=True, **settings):
    directory = RunDirectory(folder, "0" * 64, {})
    task = Scores(scores, higher)
    limits = LoopSettings(epochs=len(scores), seed=0, **settings)
    progress, _ = fit(task, directory.checkpoints, limits)
    return task, progress


def test_a_score_has_to_beat_the_given_one(tmp_path):
    _, progress = run(tmp_path / "0", [0.0, 0.0, 0.1, 0.1], to_beat=0.0)
    assert (progress.best_epoch, progress.best_score) == (3, 0.1)
    _, progress = run(tmp_path / "1", [0.0, 0.0])
    assert (progress.best_epoch, progress.best_score) == (1, 0.0)
    _, progress = run(tmp_path / "2", [7.0, 4.0, 4.5], higher=False, to_beat=5.0)
    assert progress.best_epoch == 2


def test_a_run_without_a_best_epoch_ends_with_one_message(tmp_path):
    with pytest.raises(InputError, match=r"no epoch of 3 can be the best.*better than 0"):
        run(tmp_path / "0", [0.0, 0.0, 0.0], to_beat=0.0)
    with pytest.raises(InputError, match="no epoch of 2"):
        run(tmp_path / "1", [NAN, NAN])


def test_without_a_best_epoch_patience_counts_from_the_start(tmp_path):
    with pytest.raises(InputError, match="no epoch of 3"):
        run(tmp_path, [0.0] * 9, to_beat=0.0, patience=2)


def test_a_score_that_is_not_finite_is_recorded_as_none_and_never_best(tmp_path):
    _, progress = run(tmp_path, [NAN, 0.2, NAN, 0.1])
    assert progress.best_epoch == 2
    assert [row["score"] for row in progress.history] == [None, 0.2, None, 0.1]
    write_json(tmp_path / "history.json", progress.history)  # NaN would be refused
    assert json.loads((tmp_path / "history.json").read_text())[0]["score"] is None


def test_only_the_epochs_that_are_due_are_validated(tmp_path):
    task, progress = run(tmp_path, [0.1, 0.9, 0.2, 0.8, 0.15], validate_every=2)
    assert task.seen == [0, 2, 4]
    assert progress.best_epoch == 3
    assert [row["score"] for row in progress.history] == [0.1, None, 0.2, None, 0.15]


def test_patience_waits_and_then_counts_anew(tmp_path):
    scores = [0.5, *[0.1] * 9]
    _, progress = run(tmp_path / "0", scores, patience=2)
    assert progress.epoch == 4
    _, progress = run(tmp_path / "1", scores, patience=2, patience_from=5)
    assert progress.epoch == 8
    later = [0.5, *[0.1] * 5, 0.9, *[0.1] * 9]
    _, progress = run(tmp_path / "2", later, patience=2, patience_from=5)
    assert (progress.epoch, progress.best_epoch) == (10, 7)


def test_validation_in_training_mode_is_what_the_task_asks_for(tmp_path):
    for mode in (False, True):
        task = Scores([0.1, 0.2], True)
        task.validates_in_training_mode = mode
        seen = []
        task.score = lambda epoch, task=task, seen=seen: seen.append(task.model.training) or 0.5
        directory = RunDirectory(tmp_path / str(mode), "0" * 64, {})
        fit(task, directory.checkpoints, LoopSettings(epochs=2, seed=0))
        assert seen == [mode, mode]
