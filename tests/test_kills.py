"""Every program that runs long, killed at random moments and started again, against whole runs.

KILLS=20 pytest tests/test_kills.py    20 kills for each program and signal instead of one
KILLS_SEED=5                           the moments of an earlier run (a failure names its seed)
"""

import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import long_programs
from dynmm.execution import VARIABLE
from training_programs import ENVIRONMENT
from warm_programs import WarmPrograms

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "1"))
SEED = os.environ.get("KILLS_SEED") or str(random.SystemRandom().randrange(10**6))
IN_A_ROW = 3  # kills of one run, at most
NEVER = 1e9  # seconds between two checkpoints
ENDING_SECONDS = 10  # from a signal that asks to stop to the end
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
PROGRAMS = [
    "train_expert mmimdb",
    "train_expert mosei",
    "train_dynamic mmimdb",
    "train_dynamic mosei",
    "train_segmentation",
    "train_segmentation 2",
    "cross_fit_expert",
    "prepare_nyuv2",
    "prepare_mmimdb",
    "prepare_mosei",
    "download_raw",
    "download_raw ranges",
    "evaluate_segmentation",
    "evaluate_modality",
    "evaluate_noise",
    "evaluate_feature_noise",
    "evaluate_paths",
    "store_expert_outputs",
]
# what of a result is no number of it: the time that it took, and the digest of the rest with it
TIMED = re.compile(r"seconds|_ms|time|latency|^seal$")
PRIVATE = ("resume", "log", "log.attempts")  # no outputs


def checkpointed(seconds):
    """The environment of trainings that store their state every so many seconds."""
    return {VARIABLE: json.dumps({"checkpoint_seconds": seconds})}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    with long_programs.SlowServer() as server:
        found = long_programs.programs(tmp_path_factory.mktemp("inputs"), server)
        assert list(found) == PROGRAMS
        yield found


@pytest.fixture(scope="module")
def servers():
    """Two, so that whole runs and killed ones differ in what Python draws when it starts."""
    names = sorted({name.split()[0] for name in PROGRAMS})
    with WarmPrograms(ENVIRONMENT, names) as first, WarmPrograms(ENVIRONMENT, names) as second:
        yield first, second


class Whole:
    """What a run that nobody disturbed left, and how long it took."""

    def __init__(self, command, folder, server):
        self._command, self._folder, self._server, self._seconds = command, folder, server, {}
        self.outputs = self.files = None
        self.seconds(NEVER)

    def seconds(self, checkpoints):
        """Duration with a checkpoint every so many seconds."""
        if checkpoints not in self._seconds:
            folder, said = self._folder / str(checkpoints), self._folder / "said"
            folder.mkdir()
            arguments = self._command(folder)
            code, seconds, _ = self._server.run(arguments, said, **checkpointed(checkpoints))
            assert code == 0, said.read_text()
            if self.outputs is None:
                self.outputs, self.files = outputs(folder), files(folder)
            self.require(folder)
            self._seconds[checkpoints] = seconds
        return self._seconds[checkpoints]

    def require(self, folder):
        """Same files with the same content, and no others: nothing temporary, nothing half."""
        assert files(folder) == self.files
        assert outputs(folder) == self.outputs


@pytest.fixture(scope="module")
def whole(commands, servers, tmp_path_factory):
    """Function of a program's name: its `Whole`, made when it is first asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Whole(commands[name], tmp_path_factory.mktemp("whole"), servers[0])
        return made[name]

    return get


def files(folder):
    """All files below a folder, but for the fingerprint in their names."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(re.sub(r"\b[0-9a-f]{16}\b", "*", str(path)) for path in found)


def outputs(folder):
    """Name -> content of every output below a folder, without the times it took."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder): path for path in found}
    return {
        str(name): content(path)
        for name, path in names.items()
        if name.parts[0] not in PRIVATE and not any(part.startswith(".") for part in name.parts)
    }


def content(path):
    if path.suffix == ".json":
        return untimed(json.loads(path.read_text()))
    if path.suffix == ".csv":
        table = pd.read_csv(path)
        return table[[name for name in table if not TIMED.search(name)]].to_csv()
    if path.suffix == ".npz":
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {k: np.asarray(v).tobytes() for k, v in arrays.items() if not TIMED.search(k)}
    return path.read_bytes()


def untimed(value):
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if not TIMED.search(k)}
    return [untimed(entry) for entry in value] if isinstance(value, list) else value


def partial(folder, name):
    """Outputs that are there before the end, but for those that a server's bytes gather in."""
    return {
        path: value
        for path, value in outputs(folder).items()
        if not (name.startswith("download") and re.search(r"\.(part|ranges)(\.json)?$", path))
    }


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("name", PROGRAMS)
def test_killed_at_random_it_ends_as_if_nothing_had_been(
    name, number, commands, servers, whole, tmp_path
):
    expected, server = whole(name), servers[1]
    for trial in range(KILLS):
        drawn = random.Random(f"{SEED} {name} {number.name} {trial}")
        folder, said = tmp_path / str(trial), tmp_path / "said"
        folder.mkdir()
        print(f"KILLS_SEED={SEED}, trial {trial}:", end=" ")
        for _ in range(drawn.randint(1, IN_A_ROW)):
            if kill(commands[name](folder), folder, name, number, drawn, expected, server, said):
                break
        code, *_ = server.run(commands[name](folder), said, **checkpointed(NEVER))
        assert code == 0, said.read_text()
        expected.require(folder)
        shutil.rmtree(folder)


def kill(arguments, folder, name, number, drawn, expected, server, said):
    """Start a run and send it a signal; whether it ended before by itself."""
    asked = number != signal.SIGKILL  # to end, and its checkpoint is the only one
    checkpoints = NEVER if asked else 0
    moment = drawn.uniform(0, expected.seconds(checkpoints))
    # clusters send a signal to every process of a job
    code, _, ending = server.run(
        arguments, said, moment, number, asked, **checkpointed(checkpoints)
    )
    print(f"{moment:.3f} s ({code})", end=" ")
    with pytest.raises(ProcessLookupError):  # nothing that it started lives on
        wait_until(lambda: os.killpg(server.process, 0))
    seen = partial(folder, name)
    assert seen.items() <= expected.outputs.items()
    if code == 0:
        return True
    listened = asked and code != -number  # before it listens, the system's default holds
    assert code == (128 + number if listened else -number), said.read_text()
    if listened:
        assert ending < ENDING_SECONDS
        assert not [file for file in files(folder) if "/." in f"/{file}"]
    return False


def wait_until(raises):
    """Call it until it raises."""
    until = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < until:
        raises()
        time.sleep(0.01)


def children_of(process):
    """Ids of the processes that a process has forked (Linux)."""
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT], ids=lambda number: number.name)
def test_what_loads_batches_ends_with_its_training(commands, tmp_path, number):
    """The program alone is killed, or all of its group gets the signal."""
    arguments = [sys.executable, *commands["train_segmentation 2"](tmp_path)]
    environment = ENVIRONMENT | checkpointed(NEVER)
    with open(tmp_path / "said", "w") as said:
        victim = subprocess.Popen(arguments, env=environment, stderr=said, start_new_session=True)
    until = time.monotonic() + 600
    while len(children_of(victim)) < 2:
        assert time.monotonic() < until and victim.poll() is None
        time.sleep(0.001)
    (os.kill if number == signal.SIGKILL else os.killpg)(victim.pid, number)
    assert victim.wait() == (-number if number == signal.SIGKILL else 128 + number)
    with pytest.raises(ProcessLookupError):
        wait_until(lambda: os.killpg(victim.pid, 0))
    stored = list(tmp_path.glob("resume/*/state-*.json"))
    assert bool(stored) == (number != signal.SIGKILL)
