import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import toy_training
from dynmm import stop_signals
from dynmm.errors import InputError
from dynmm.locks import try_lock
from dynmm.stop_signals import Stopped, listen
from dynmm.training.checkpoints import CheckpointClock
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.run_directory import RunDirectory, device_for, publish, run_to_end
from training_programs import checkpoints, newest_state

PROGRAM = Path(toy_training.__file__)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def start(folder, *, pause, seconds, epochs=6):
    command = [sys.executable, PROGRAM, folder, str(epochs), str(pause), str(seconds)]
    command = [*command, folder / "result"]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE)


def finish(folder):
    """The result of the same command, uninterrupted from here on."""
    assert not (folder / "result").exists()
    assert start(folder, pause=0, seconds=60).wait() == 0
    return json.loads((folder / "result").read_text())


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_a_run_ends_with_the_same_numbers(tmp_path, seed):
    """Checkpoints after every step and epoch; a kill may hit the writing of one."""
    whole, folder = toy_training.train(tmp_path / "whole", 6), tmp_path / "killed"
    victim = start(folder, pause=0.02, seconds=0)
    _wait_for(lambda: checkpoints(folder))
    time.sleep(np.random.default_rng(seed).uniform(0, 0.4))
    victim.kill()
    victim.wait()
    assert finish(folder) == whole
    assert not list(folder.glob("*/.*"))  # what a killed write left is gone


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint_of_the_step_at_hand(tmp_path, number):
    whole, folder = toy_training.train(tmp_path / "whole", 6), tmp_path / "stopped"
    victim = start(folder, pause=0.05, seconds=1e9)  # none by time
    for _ in range(6):
        victim.stdout.readline()
    victim.send_signal(number)
    assert victim.wait() == 128 + number
    state = newest_state(folder)
    assert state["progress"]["epoch"] == 1 and state["partial"]["steps"] >= 1
    assert finish(folder) == whole


def test_a_signal_within_validation_does_not_wait_for_its_end(tmp_path):
    class Slow(toy_training.ToyTask):
        def score(self, epoch):
            if epoch == 1 and not finished:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            return super().score(epoch)

    def run():
        directory = RunDirectory(tmp_path, "0" * 64, {}, checkpoint_seconds=1e9)
        try:
            return fit(Slow(), directory.checkpoints, LoopSettings(epochs=3, seed=3))[0].history
        finally:
            directory.close()

    finished, before = False, signal.getsignal(signal.SIGTERM)
    listen()
    try:
        started = time.monotonic()
        with pytest.raises(Stopped):
            run()
        assert time.monotonic() - started < 10
    finally:
        signal.signal(signal.SIGTERM, before)
        stop_signals._listener.received = None
    assert newest_state(tmp_path)["partial"]["steps"] == 4
    finished = True
    losses = [row["total_loss"] for row in run()]
    whole = toy_training.train(tmp_path / "whole", 3)["history"]
    assert losses == [row["total_loss"] for row in whole]


def test_checkpoints_come_by_time(tmp_path):
    """None within this time; with an interval of 0 one after each of 16 steps and 4 epochs."""
    toy_training.train(tmp_path / "rare", epochs=4, checkpoint_seconds=60)
    assert not checkpoints(tmp_path / "rare")
    toy_training.train(tmp_path / "often", epochs=4)
    names = [path.name for path in checkpoints(tmp_path / "often")]
    assert sorted(names) == ["state-19.json", "state-20.json"]  # the last two stay


def test_writing_takes_a_twentieth_of_the_time_at_most(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("dynmm.training.checkpoints.time.monotonic", lambda: now[0])
    clock = CheckpointClock(60)
    clock.written(30)  # seconds
    now[0] = 599.0
    assert not clock.due()
    now[0] = 600.0
    assert clock.due()


@pytest.mark.parametrize("which", ["state-10.json", "state-10.pt", "best"])
@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:99], lambda b: flipped(b)])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, caplog, which, spoil):
    """Down to one bit of a tensor, which torch.load does not notice."""
    caplog.set_level("INFO", "dynmm")
    whole = toy_training.train(tmp_path / "whole", epochs=4, learning_rate=0.01)
    toy_training.train(tmp_path / "run", epochs=2, learning_rate=0.01)
    folder = next((tmp_path / "run").glob("*"))
    (path,) = [folder / which] if which != "best" else folder.glob("best-2.*")
    path.write_bytes(spoil(path.read_bytes()))
    assert toy_training.train(tmp_path / "run", epochs=4, learning_rate=0.01) == whole
    assert "state-10.json is damaged" in caplog.text
    assert "resuming after epoch 1 and 4 steps" in caplog.text
    assert (folder / "state-10.json.damaged").exists()


def flipped(data):
    """The same bytes but for one bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "error",
    [OSError(5, "Input/output error"), MemoryError(), RuntimeError("DefaultCPUAllocator: no")],
)
def test_a_file_that_cannot_be_read_now_stays_and_is_gone_on_from_later(
    tmp_path, monkeypatch, error
):
    whole = toy_training.train(tmp_path / "whole", epochs=4)
    toy_training.train(tmp_path / "run", epochs=2)

    def refuse(*_, **__):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("dynmm.training.checkpoints.torch.load", refuse)
        with pytest.raises(type(error)):
            toy_training.train(tmp_path / "run", epochs=4)
    assert not list((tmp_path / "run").glob("*/*.damaged"))
    assert toy_training.train(tmp_path / "run", epochs=4) == whole


def to_end(folder, out=None):
    directory = RunDirectory(folder, "a" * 64, {}, checkpoint_seconds=0)
    settings = LoopSettings(epochs=2, seed=3)
    run = run_to_end(lambda: toy_training.ToyTask(learning_rate=0.01), directory, settings, "test")
    if out is not None:
        publish(run, out / "weights.safetensors", out / "history.csv", out / "training.json", {})
    weights = {key: tensor.tolist() for key, tensor in run.weights.items()}
    directory.close()
    return weights, run.summary


@pytest.mark.parametrize("name", ["finished.json", "best-*.safetensors"])
@pytest.mark.parametrize("spoil", [lambda b: b[:20], flipped])
def test_a_finished_run_with_a_damaged_file_is_trained_again(tmp_path, name, spoil):
    first = to_end(tmp_path)
    (path,) = tmp_path.glob(f"*/{name}")
    path.write_bytes(spoil(path.read_bytes()))
    assert to_end(tmp_path) == first
    assert to_end(tmp_path) == first


def test_a_finished_run_holds_its_weights_once_and_no_state(tmp_path):
    to_end(tmp_path / "resume", tmp_path)
    kept = sorted(path.name for path in (tmp_path / "resume").glob("*/*"))
    assert kept == ["best-2.safetensors", "finished.json", "lock", "provenance.json"]
    (best,) = (tmp_path / "resume").glob("*/best-2.safetensors")
    assert best.samefile(tmp_path / "weights.safetensors")
    (tmp_path / "weights.safetensors").unlink()
    to_end(tmp_path / "resume", tmp_path)  # published again
    assert best.samefile(tmp_path / "weights.safetensors")


def test_a_finished_run_waits_for_no_device(tmp_path, monkeypatch):
    def acquire(deterministic):
        raise AssertionError("a device was asked for")

    monkeypatch.setattr("dynmm.training.run_directory.acquire_device", acquire)
    to_end(tmp_path)
    directory = RunDirectory(tmp_path, "a" * 64, {})
    assert device_for(directory) is None
    directory.close()
    unfinished = RunDirectory(tmp_path, "b" * 64, {})
    with pytest.raises(AssertionError, match="asked for"):
        device_for(unfinished)


def test_what_was_made_of_a_run_is_kept_in_place_of_its_weights(tmp_path):
    """A fold of a cross-fitted expert: the output alone is published, and published again."""
    out = tmp_path / "fold.npz"
    to_end(tmp_path / "resume")
    out.write_bytes(b"what the expert said")
    directory = RunDirectory(tmp_path / "resume", "a" * 64, {})
    assert not directory.kept(tmp_path / "again.npz")
    directory.keep(out)
    assert not list(directory.path.glob("best-*"))
    out.unlink()
    assert directory.kept(out)
    assert out.read_bytes() == b"what the expert said"
    (directory.path / "kept.npz").write_bytes(b"something else said here")
    assert not directory.kept(out)


def test_nan_loss_names_epoch_step_and_learning_rate(tmp_path):
    with pytest.raises(InputError, match=r"nan.*epoch 3, step 1, learning rate 0\.0405"):
        toy_training.train(tmp_path, 6, poison=2)


def test_a_second_process_waits_for_the_first_and_takes_its_result(tmp_path, caplog):
    caplog.set_level("INFO", "dynmm")
    holder = start(tmp_path, pause=0.1, seconds=60, epochs=4)
    holder.stdout.readline()
    RunDirectory(tmp_path, "0" * 64, {}).close()
    assert holder.wait() == 0 and (tmp_path / "result").exists()
    assert caplog.text.count("another process trains this run") == 1


def test_what_a_killed_process_forked_does_not_keep_its_lock(tmp_path):
    """As processes that load batches, which outlive it by some seconds."""
    program = (
        "import os, sys, time; from dynmm.training.run_directory import RunDirectory; "
        "held = RunDirectory(sys.argv[1], 'a' * 64, {}); child = not os.fork(); "
        "print(os.getpid(), flush=True) if child else None; time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    child = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    try:
        os.kill(child, 0)  # it lives
        assert try_lock(tmp_path / ("a" * 16) / "lock") is not None
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()
