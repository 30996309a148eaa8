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
from dynmm.training.loop import LoopSettings, fit
from dynmm.training.run_directory import RunDirectory
from dynmm.training.segmentation.task import cross_entropy_2d, one_cycle

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


def test_another_fingerprint_starts_anew(tmp_path):
    toy_training.train(tmp_path, 2)
    other = toy_training.train(tmp_path, 1, fingerprint="1" * 64)
    assert [row["epoch"] for row in other["history"]] == [1]


def test_nan_loss_names_epoch_step_and_learning_rate(tmp_path):
    with pytest.raises(InputError, match=r"nan.*epoch 3, step 1, learning rate 0\.0405"):
        toy_training.train(tmp_path, 6, poison=2)


def test_two_processes_do_not_share_a_run(tmp_path):
    first = RunDirectory(tmp_path, "a" * 64, {})
    with pytest.raises(InputError, match="another process"):
        RunDirectory(tmp_path, "a" * 64, {})
    first.close()
    RunDirectory(tmp_path, "a" * 64, {}).close()


def test_patience_stops_after_more_than_its_epochs_without_improvement(tmp_path):
    task = toy_training.ToyTask()
    scores = iter([5.0, 4.0, 4.5, 4.5, 4.5, 1.0])
    task.score = lambda epoch: next(scores)
    directory = RunDirectory(tmp_path, "b" * 64, {})
    progress = fit(task, directory, LoopSettings(epochs=6, seed=0, patience=2))
    assert (progress.epoch, progress.best_epoch) == (5, 2)


def test_best_weights_are_those_of_the_best_epoch(tmp_path):
    task = toy_training.ToyTask()
    weights, scores = [], iter([3.0, 1.0, 2.0])

    def score(epoch):
        weights.append(task.model[0].weight.detach().clone())
        return next(scores)

    task.score = score
    directory = RunDirectory(tmp_path, "c" * 64, {})
    fit(task, directory, LoopSettings(epochs=3, seed=0))
    assert torch.equal(directory.load_best()["0.weight"], weights[1])
    assert not torch.equal(weights[1], weights[2])


@pytest.mark.parametrize("epochs", [1, 2, 5, 10, 20, 500])
def test_one_cycle_peaks_after_a_tenth_and_ends_low(epochs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01, momentum=0.9)
    scheduler = one_cycle(optimizer, epochs)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    if epochs >= 20:
        assert rates[0] == pytest.approx(0.01 / 25)
        assert max(rates) == pytest.approx(0.01)
        assert rates.index(max(rates)) == epochs // 10 - 1
        assert rates[-1] == pytest.approx(0.01 / 250_000)
    assert max(rates) > 0.004


def test_void_pixels_neither_cost_nor_count():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    void = torch.zeros(2, 4, 4, dtype=torch.uint8)
    weights = torch.tensor([1.0, 2.0, 0.5])
    loss = cross_entropy_2d(logits, void, weights)
    loss.backward()
    assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))
    labels = void.clone()
    labels[0, 0, 0] = 2
    single = torch.nn.functional.cross_entropy(logits[0, :, 0, 0][None], torch.tensor([1]))
    assert cross_entropy_2d(logits, labels, weights).item() == pytest.approx(single.item(), 1e-5)


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
