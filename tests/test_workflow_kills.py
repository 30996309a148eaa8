"""Snakemake itself, killed at random moments or told to stop, and what its jobs make of it.

KILLS and KILLS_SEED as for test_kills.py: more kills, and those of an earlier run.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from small_workflow import small_workflow, start
from test_kills import KILLS, SEED, content, files
from training_programs import newest_state
from workflow_tree import snakemake

pytestmark = pytest.mark.slow

PATIENCE = 900  # seconds, for a loaded machine
LONG = 1e6  # seconds between two checkpoints: none comes by time
RAW = "resources/sample"
RESULTS = Path("results/sample/nyuv2")
TARGET = str(RESULTS / "metrics/stage1/seed3/metrics.json")
# bash before 5.1 stays between Snakemake and the program; later ones become the last command
BASH_STAYS = '\nshell.suffix(" || exit $?")\n'
WAYS = [  # a signal, and whether it goes to the jobs, too
    (signal.SIGKILL, True),
    (signal.SIGKILL, False),  # its job goes on beside the next Snakemake
    (signal.SIGTERM, False),
    (signal.SIGINT, False),
]


def send(process, number, group):
    (os.killpg if group else os.kill)(process.pid, number)


def results(tree):
    """What the run left, but for the times it took."""
    found = [tree / TARGET, *sorted((tree / RESULTS / "models/stage1/seed3").iterdir())]
    return {path.name: content(path) for path in found}


def names(tree):
    """All files of results, hidden ones too; logs of attempts are more where there were more."""
    return [name for name in files(tree / "results") if "benchmarks" not in name]


def test_killed_in_every_way_the_same_command_ends_with_the_same_numbers(tmp_path):
    whole = small_workflow(tmp_path / "whole")
    started = time.monotonic()
    snakemake(whole, TARGET)
    seconds = time.monotonic() - started
    for trial in range(KILLS):
        drawn = random.Random(f"{SEED} Snakemake {trial}")
        tree = small_workflow(tmp_path / str(trial))
        shutil.copytree(whole / RAW, tree / RAW, dirs_exist_ok=True)  # MATLAB files hold a time
        print(f"KILLS_SEED={SEED}, trial {trial}:", end=" ")
        for number, group in drawn.sample(WAYS, len(WAYS)):
            moment = drawn.uniform(0, seconds)
            print(f"{number.name} {'of all ' if group else ''}at {moment:.1f} s", end=", ")
            process = start(tree, TARGET, stderr=subprocess.DEVNULL)
            until = time.monotonic() + moment
            while time.monotonic() < until and process.poll() is None:
                time.sleep(0.01)
            if process.poll() is None:
                send(process, number, group)
            process.wait()
        last = snakemake(tree, TARGET)
        assert results(tree) == results(whole), last.stderr
        assert names(tree) == names(whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_to_all_processes_lets_a_training_store_its_state(tmp_path, number):
    """As clusters and Ctrl-C send them; when Snakemake ends, no job of it is left behind."""
    runs = {"stage1": {"init_from": None, "training": {"epochs": 1000}}}
    tree = small_workflow(tmp_path / "tree", LONG, runs)
    with open(tree / "Snakefile", "a") as file:
        file.write(BASH_STAYS)
    process = start(tree, TARGET)
    log = tree / "logs/sample/nyuv2/train_segmentation/stage1.seed3.log"
    until = time.monotonic() + PATIENCE
    while not (log.exists() and "epoch 2/" in log.read_text()):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    send(process, number, group=True)
    process.wait()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    said = process.stderr.read()
    process.stderr.close()
    assert f"stopped by {number.name}: what is done is stored" in said
    assert newest_state(tree / RESULTS / "resume")["progress"]["epoch"] >= 2
    assert not (tree / RESULTS / "models/stage1/seed3/weights.safetensors").exists()
    (record,) = (tree / RESULTS / "resume").glob("*/*/*/state-*.json")
    assert set(json.loads(record.read_text())) >= {"state", "state_sha256", "best"}
