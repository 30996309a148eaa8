import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import toy_training
from dynmm.device import lease
from dynmm.errors import InputError
from dynmm.training.loop import LoopSettings
from dynmm.training.run_directory import RunDirectory, run_to_end

PROGRAM = Path(toy_training.__file__)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def test_killed_in_the_middle_of_an_epoch_ends_with_the_same_numbers(tmp_path):
    whole = toy_training.train(tmp_path / "whole", 6)
    command = [sys.executable, PROGRAM, tmp_path / "killed", "6"]
    victim = subprocess.Popen([*command, "0.15", tmp_path / "unused"], env=ENVIRONMENT)
    state = tmp_path / "killed" / "0000000000000000" / "state.pt"
    _wait_for(state.exists)
    time.sleep(0.3)  # two of the next epoch's four steps
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert not (tmp_path / "unused").exists()
    done = torch.load(state, weights_only=True)["progress"]["epoch"]
    assert 1 <= done < 6
    subprocess.run([*command, "0", tmp_path / "result"], env=ENVIRONMENT, check=True)
    resumed = json.loads((tmp_path / "result").read_text())
    assert resumed == whole


@pytest.mark.parametrize("name", ["state.pt", "best.safetensors"])
@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:99], lambda b: b"x" * len(b)])
def test_a_damaged_file_is_put_aside_and_the_run_ends_with_the_same_numbers(
    tmp_path, caplog, name, spoil
):
    whole = toy_training.train(tmp_path / "whole", epochs=4)
    toy_training.train(tmp_path / "run", epochs=2)
    (path,) = (tmp_path / "run").glob(f"*/{name}")
    path.write_bytes(spoil(path.read_bytes()))
    assert toy_training.train(tmp_path / "run", epochs=4) == whole
    assert f"{path} is damaged" in caplog.text
    assert path.with_name(f"{name}.damaged").exists()


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
        patched.setattr("dynmm.training.run_directory.torch.load", refuse)
        with pytest.raises(type(error)):
            toy_training.train(tmp_path / "run", epochs=4)
    assert not list((tmp_path / "run").glob("*/*.damaged"))
    assert toy_training.train(tmp_path / "run", epochs=4) == whole


@pytest.mark.parametrize("name", ["finished.json", "best.safetensors"])
def test_a_finished_run_with_a_damaged_file_is_trained_again(tmp_path, name):
    def finish():
        directory = RunDirectory(tmp_path, "a" * 64, {})
        run = run_to_end(toy_training.ToyTask, directory, LoopSettings(epochs=2, seed=3), "test")
        directory.close()
        return {key: tensor.tolist() for key, tensor in run.weights.items()}, run.summary

    first = finish()
    (path,) = tmp_path.glob(f"*/{name}")
    path.write_bytes(path.read_bytes()[:20])
    assert finish() == first
    assert finish() == first


def test_nan_loss_names_epoch_step_and_learning_rate(tmp_path):
    with pytest.raises(InputError, match=r"nan.*epoch 3, step 1, learning rate 0\.0405"):
        toy_training.train(tmp_path, 6, poison=2)


def test_two_processes_do_not_share_a_run(tmp_path):
    first = RunDirectory(tmp_path, "a" * 64, {})
    with pytest.raises(InputError, match="another process"):
        RunDirectory(tmp_path, "a" * 64, {})
    first.close()
    RunDirectory(tmp_path, "a" * 64, {}).close()


@pytest.mark.parametrize(
    ("take", "free"),
    [
        (
            "from dynmm.training.run_directory import RunDirectory; "
            "held = RunDirectory(sys.argv[1], 'a' * 64, {})",
            lambda folder: RunDirectory(folder, "a" * 64, {}).close(),
        ),
        ("from dynmm.device import lease; lease(1, sys.argv[1])", lambda f: lease(1, f, 1e9)),
    ],
)
def test_what_a_killed_process_forked_does_not_keep_its_locks(tmp_path, take, free):
    """As processes that load batches, which outlive it by some seconds."""
    program = (
        f"import os, sys, time; {take}; child = not os.fork(); "
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
        free(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


def test_leases_are_exclusive_and_survive_a_kill_of_the_holder(tmp_path):
    hold = (
        "import sys, time; from dynmm.device import lease; "
        "print(lease(2, sys.argv[1]), flush=True); time.sleep(60)"
    )
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        for _ in range(2)
    ]
    taken = sorted(int(holder.stdout.readline()) for holder in holders)
    assert taken == [0, 1]
    waiting = subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.communicate(timeout=2)
    holders[1].kill()
    freed = int(waiting.stdout.readline())
    for process in (*holders, waiting):
        process.kill()
        process.communicate()
    assert freed in taken
    assert lease(2, tmp_path) in (0, 1)
