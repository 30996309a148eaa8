"""The real programs, killed within an epoch and started again, against uninterrupted ones."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

import modality_runs as runs
from dynmm.data.nyuv2.prepare import prepare
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.weights import save_weights
from dynmm.published_weights import WEIGHTS
from dynmm.training.modality.experts import open_data
from dynmm.training.modality.stored_outputs import save_stored
from nyu_files import write_raw
from segmentation_runs import CONFIG
from training_programs import (
    ENVIRONMENT,
    checkpoints,
    command,
    newest_state,
    results,
    run,
    training_of,
)

pytestmark = pytest.mark.slow

SEED, EPOCHS = 3, 3
TASKS = ("mmimdb", "mosei")

# Networks of the project whose process dies in the second of an epoch's three steps, where MARK
# names a file that is not there yet.
MORTAL = """
import os
import signal
from pathlib import Path

from dynmm.models.experts.{experts} import {expert}
from dynmm.models.experts.{gates} import {gate}
from dynmm.models.experts.registry import register_expert, register_gate


class Mortal:
    steps = 0

    def forward(self, inputs):
        mark = Path(os.environ["MARK"])
        self.steps += self.training
        if self.steps == 5 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(inputs)


@register_expert("{task}", "mortal")
class MortalExpert(Mortal, {expert}):
    pass


@register_gate("{task}", "mortal")
class MortalGate(Mortal, {gate}):
    pass
"""
NAMES = {
    "mmimdb": {
        "experts": "mmimdb",
        "expert": "LateFusionExpert",
        "gates": "mlp_gate",
        "gate": "MlpGate",
    },
    "mosei": {
        "experts": "mosei",
        "expert": "LateFusionTransformer",
        "gates": "transformer_gate",
        "gate": "TransformerGate",
    },
}


def done(folder):
    """Epochs, and steps of the next, in the state of an unfinished run."""
    state = newest_state(folder)
    return state["progress"]["epoch"], state["partial"]["steps"] if state["partial"] else 0


def assert_goes_on_after_a_kill(folder, arguments_of):
    """`arguments_of(folder)` run whole, and killed and run again, leaves the same."""
    whole, killed, mark = folder / "whole", folder / "killed", folder / "mark"
    victim = run(arguments_of(killed), MARK=str(mark))
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    assert done(killed) == (1, 1) and not (killed / "run.json").exists()
    again = run(arguments_of(killed), MARK=str(mark))
    assert again.returncode == 0, again.stderr
    assert "resuming after epoch 1 and 1 steps" in again.stderr
    uninterrupted = run(arguments_of(whole), MARK=str(mark))
    assert uninterrupted.returncode == 0 and "resuming" not in uninterrupted.stderr
    assert results(killed) == results(whole)
    assert len(results(whole)[1]) == EPOCHS + 1


class Data:
    """Prepared data of a task, mortal networks, weights of experts and their stored outputs."""

    def __init__(self, name, folder):
        self.name, self.task = name, runs.task_of(name)
        self.manifest = runs.prepared(name, folder)
        module = folder / f"mortal_{name}.py"
        module.write_text(MORTAL.format(task=name, **NAMES[name]))
        mortal = {"model": "mortal", "module": str(module)}
        self.text, both = runs.EXPERTS[name]
        self.both, self.mortal_gate = both | mortal, runs.GATES[name] | mortal
        splits, sizes, outputs = open_data(self.task, self.manifest)
        self.trainings, self.stored = [], [[], []]
        for settings in (self.text, both):
            torch.manual_seed(SEED)
            expert = expert_from(name, settings, sizes, outputs).eval()
            weights = folder / settings["name"] / WEIGHTS
            save_weights(expert.state_dict(), weights)
            self.trainings.append(training_of(weights))
            for split, paths in zip(splits, self.stored, strict=True):
                paths.append(folder / f"{settings['name']}{len(split)}.npy")
                outputs_of = run_expert(expert, self.task, split, runs.TRAINING, runs.CPU)
                save_stored(outputs_of.outputs, paths[-1])


@pytest.fixture(scope="module", params=TASKS)
def data(request, tmp_path_factory):
    return Data(request.param, tmp_path_factory.mktemp(request.param))


def test_an_expert_s_training_goes_on_after_a_kill(data, tmp_path):
    config = {"expert": data.both, "training": {**runs.TRAINING, "epochs": EPOCHS}}
    more = ("--task", data.name)
    assert_goes_on_after_a_kill(
        tmp_path, lambda folder: command("train_expert", folder, data.manifest, config, *more)
    )


@pytest.mark.parametrize(
    ("data", "freeze"), [("mmimdb", False), ("mosei", True)], indirect=["data"]
)
def test_a_gate_s_training_goes_on_after_a_kill(data, tmp_path, freeze):
    training = {**runs.POINT, "epochs": EPOCHS, "temperature": [1.0, 0.1], "gumbel": True}
    config = {
        "experts": [data.text, runs.EXPERTS[data.name][1]],
        "gate": data.mortal_gate,
        "training": training | {"freeze": freeze},
    }
    more = ["--task", data.name, "--experts", *data.trainings]
    if freeze:
        more += ["--stored-train", *data.stored[0], "--stored-validation", *data.stored[1]]
    assert_goes_on_after_a_kill(
        tmp_path, lambda folder: command("train_dynamic", folder, data.manifest, config, *more)
    )


def children_of(process):
    """Ids of the processes that a process has forked (Linux)."""
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_segmentation_network_s_training_goes_on_after_a_kill(tmp_path, workers):
    """Killed from outside in the second epoch, while workers load it; started again at once."""
    prepare(write_raw(tmp_path / "raw"), tmp_path / "prepared", CONFIG["prepare"])
    manifest, whole, killed = (tmp_path / n for n in ("prepared/manifest.json", "whole", "killed"))
    config = {**CONFIG, "training": {**CONFIG["training"], "epochs": EPOCHS}}
    run_in = (killed, manifest, config, "--workers")
    arguments = command("train_segmentation", *run_in, workers)
    victim = subprocess.Popen(arguments, env=ENVIRONMENT)
    until = time.monotonic() + 600  # seconds, for a loaded machine
    while not checkpoints(killed) or (workers and not children_of(victim)):
        assert time.monotonic() < until and victim.poll() is None
        time.sleep(0.001)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert (0, 1) <= done(killed) < (EPOCHS, 0) and not (killed / "run.json").exists()
    # with another number of workers the run is still the same
    again = run(command("train_segmentation", *run_in, 2 - workers))
    assert again.returncode == 0, again.stderr
    assert "resuming after epoch" in again.stderr
    uninterrupted = run(command("train_segmentation", whole, manifest, config))
    assert uninterrupted.returncode == 0 and "resuming" not in uninterrupted.stderr
    assert results(killed) == results(whole)
