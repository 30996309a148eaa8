"""A run's folder that is removed, a run that is stopped while it writes, and what both leave."""

import os
import shutil
import signal

import pytest
import torch

import toy_training
from dynmm import stop_signals
from dynmm.errors import InputError
from dynmm.stop_signals import Stopped, listen
from dynmm.training import checkpoints
from dynmm.training.loop import LoopSettings
from dynmm.training.run_directory import RunDirectory, publish, run_to_end
from training_programs import newest_state

NEVER = 1e9  # seconds between two checkpoints
WHOLE = ["best-3.safetensors", "finished.json", "lock", "provenance.json"]


@pytest.fixture
def listening():
    """This process listens to signals; in the end it is as before."""
    before = {number: signal.getsignal(number) for number in stop_signals.STOPPING}
    listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    forget()


def forget():
    stop_signals._listener.__init__()


class Interrupted(toy_training.ToyTask):
    """Calls `interrupt` before the loss of a step, counted from 1; `noise` comes into its score."""

    def __init__(self, interrupt=None, step=None):
        super().__init__(learning_rate=0.01)
        self.interrupt, self.step, self.steps = interrupt, step, 0

    def losses(self, batch, epoch):
        self.steps += 1
        if self.steps == self.step:
            self.interrupt()
        return super().losses(batch, epoch)


def train(folder, build=Interrupted, seconds=NEVER):
    """A run of three epochs of four steps."""
    directory = RunDirectory(folder, "0" * 64, {}, seconds)
    try:
        run = run_to_end(build, directory, LoopSettings(epochs=3, seed=3), "test")
        publish(run, *(folder.parent / name for name in ("weights", "history", "summary")), {})
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
        return history, {name: tensor.tolist() for name, tensor in run.weights.items()}
    finally:
        directory.close()


def names(folder):
    return sorted(path.name for path in folder.glob("*/*"))


@pytest.fixture
def whole(tmp_path):
    return train(tmp_path / "whole" / "resume")


@pytest.mark.parametrize("seconds", [0, NEVER])
def test_a_folder_that_is_removed_while_its_run_trains_ends_it_with_a_message(
    tmp_path, whole, seconds
):
    """At the next checkpoint, or at the end where there is none; nothing of it comes back."""
    folder = tmp_path / "resume"
    task = Interrupted(lambda: shutil.rmtree(folder), step=6)
    with pytest.raises(InputError, match=f"removed while it trained.*{folder}.*starts anew"):
        train(folder, lambda: task, seconds)
    assert not folder.exists() and not (tmp_path / "weights").exists()
    assert task.steps == (6 if seconds == 0 else 12)
    assert train(folder) == whole


def test_a_folder_that_another_run_made_anew_is_not_written_to(tmp_path, whole):
    folder = tmp_path / "resume"

    def replace():
        shutil.rmtree(folder)
        (folder / ("0" * 16)).mkdir(parents=True)
        (folder / ("0" * 16) / "lock").touch()

    with pytest.raises(InputError, match="removed while it trained"):
        train(folder, lambda: Interrupted(replace, step=6))
    assert names(folder) == ["lock"]


def test_weights_that_are_removed_before_they_are_published_are_told(tmp_path):
    folder = tmp_path / "resume"
    directory = RunDirectory(folder, "0" * 64, {})
    run = run_to_end(Interrupted, directory, LoopSettings(epochs=3, seed=3), "test")
    shutil.rmtree(folder)
    for use in (lambda: run.weights, lambda: publish(run, tmp_path / "w", None, None, {})):
        with pytest.raises(InputError, match="removed while it trained"):
            use()
    assert list(tmp_path.iterdir()) == []
    directory.close()


def test_what_a_kill_at_the_very_end_left_is_removed_by_the_next_start(tmp_path, whole):
    folder = tmp_path / "whole" / "resume" / ("0" * 16)
    assert names(folder.parent) == WHOLE
    for left in ("state-9.json", "state-9.pt", "best-1.safetensors", ".state-9.pt.a1b2c3d4.pt"):
        (folder / left).write_text("left")
    assert train(folder.parent) == whole
    assert names(folder.parent) == WHOLE


def test_a_second_signal_does_not_break_the_checkpoint_of_the_first(
    tmp_path, monkeypatch, whole, listening
):
    saved = []

    def save(state, path):
        os.kill(os.getpid(), signal.SIGTERM)
        saved.append(path)
        write(state, path)

    write = torch.save
    monkeypatch.setattr(checkpoints.torch, "save", save)
    task = Interrupted(lambda: os.kill(os.getpid(), signal.SIGUSR1), step=6)
    with pytest.raises(Stopped, match="SIGUSR1"):
        train(tmp_path / "resume", lambda: task)
    forget()
    assert len(saved) == 1
    assert newest_state(tmp_path / "resume")["partial"]["steps"] == 2
    assert not [name for name in names(tmp_path / "resume") if name.startswith(".")]
    monkeypatch.undo()
    assert train(tmp_path / "resume") == whole


def test_a_signal_within_validation_does_not_change_its_numbers(tmp_path, listening):
    """It is validated anew, from where the generator was before."""

    class Noisy(Interrupted):
        def score(self, epoch):
            noise = torch.randn(1).item()
            if epoch == 1 and self.interrupt:
                self.interrupt()
            return super().score(epoch) + noise

    whole = train(tmp_path / "whole" / "resume", Noisy)
    task = Noisy(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped):
        train(tmp_path / "resume", lambda: task)
    forget()
    assert newest_state(tmp_path / "resume")["partial"]["steps"] == 4
    assert train(tmp_path / "resume", Noisy) == whole


def test_a_signal_while_a_checkpoint_is_read_does_not_make_it_a_damaged_one(
    tmp_path, monkeypatch, whole, listening
):
    """Libraries make errors of their own of what a signal raises within them."""
    task = Interrupted(lambda: os.kill(os.getpid(), signal.SIGTERM), step=6)
    with pytest.raises(Stopped):
        train(tmp_path / "resume", lambda: task)
    forget()

    def load(*arguments, **options):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            raise ValueError("could not determine the shape") from None
        return read(*arguments, **options)

    read = torch.load
    monkeypatch.setattr(checkpoints.torch, "load", load)
    with pytest.raises(Stopped):
        train(tmp_path / "resume")
    forget()
    monkeypatch.undo()
    assert not [name for name in names(tmp_path / "resume") if "damaged" in name]
    assert train(tmp_path / "resume") == whole


def test_a_signal_while_the_end_is_written_does_not_lose_the_last_epochs(
    tmp_path, monkeypatch, whole, listening
):
    """Without a checkpoint of theirs, they would be trained again."""

    def save(tensors, path):
        os.kill(os.getpid(), signal.SIGTERM)
        write(tensors, path)

    write = checkpoints.save_weights
    monkeypatch.setattr(checkpoints, "save_weights", save)
    with pytest.raises(Stopped):
        train(tmp_path / "resume")
    forget()
    assert names(tmp_path / "resume") == WHOLE

    def build():
        raise AssertionError("it was finished")

    assert train(tmp_path / "resume", build) == whole
