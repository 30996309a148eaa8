"""Leftovers of writes and runs that were really killed: what is found, and what is removed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import toy_training
from dynmm.errors import InputError
from dynmm.files import write_json
from dynmm.leftovers import (
    BROKEN,
    RUNS,
    WRITES,
    find_leftovers,
    remove_leftovers,
    unconfigured,
)
from dynmm.provenance import fingerprint
from dynmm.training.run_directory import RunDirectory
from workflow_tree import ROOT, configured

KILLED = """
import os, signal, sys
from pathlib import Path
from dynmm.data.prepared_folder import prepared_folder
from dynmm.files import atomic_path

def die():
    os.kill(os.getpid(), signal.SIGKILL)

kind, path = sys.argv[1:]
if kind == "file":
    with atomic_path(path) as temporary:
        temporary.write_text("x" * 1000)
        die()
with prepared_folder(path) as folder:
    (folder / "train_rgb.npy").write_text("x" * 2000)
    die()
"""
HOLDS = """
import contextlib, sys, time
from pathlib import Path
from dynmm.data.prepared_folder import prepared_folder
from dynmm.files import atomic_path
from dynmm.locks import try_lock
from dynmm.training.run_directory import RunDirectory

kind, path = sys.argv[1:]
with contextlib.ExitStack() as stack:
    if kind == "run":
        held = RunDirectory(Path(path).parent, Path(path).name, {})
    elif kind == "lock":
        held = try_lock(path)
    else:
        writing = {"file": atomic_path, "folder": prepared_folder}[kind]
        held = stack.enter_context(writing(path))
    print("held", flush=True)
    time.sleep(60)
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src")}


def killed_write(kind, path):
    result = subprocess.run([sys.executable, "-c", KILLED, kind, str(path)], env=ENVIRONMENT)
    assert result.returncode == -signal.SIGKILL


@pytest.fixture
def holder():
    """A function that has another process hold a run, or a lock, until the test ends."""
    processes = []

    def hold(kind, path):
        command = [sys.executable, "-c", HOLDS, kind, str(path)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"

    yield hold
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found():
    return {str(entry.path): entry.kind for entry in find_leftovers()}


def everything():
    return {str(path) for path in Path().rglob("*") if path.is_file()}


def test_remains_of_killed_writes_are_found_and_nothing_else(here):
    folder = Path("results/sample/nyuv2")
    kept = ("models/rgb/seed0/weights.safetensors", ".weights.safetensors.sha256", ".gitkeep")
    for name in kept:
        write_json(folder / name, {})
    for name in ("weights.safetensors", "training.json", "without_suffix"):
        killed_write("file", folder / "models/rgb/seed0" / name)
    killed_write("file", "reports/sample/table3.csv")
    killed_write("folder", folder / "prepared")
    killed_write("file", "elsewhere/notes.txt")
    remains = everything()
    entries = find_leftovers()
    assert {entry.kind for entry in entries} == {WRITES}
    [prepared] = [entry for entry in entries if entry.path.is_dir()]
    assert (prepared.path, prepared.bytes) == (folder / ".prepared.partial", 2000)
    assert [entry.bytes for entry in entries if entry.path.is_file()] == [1000] * 4
    assert remove_leftovers(entries) == []  # their writer may live
    assert everything() == remains
    removed = remove_leftovers(entries, minutes=0)
    assert len(removed) == 5 and not find_leftovers()
    [elsewhere] = Path("elsewhere").iterdir()
    assert everything() == {str(elsewhere), *(str(folder / name) for name in kept)}


def train(root, value, epochs=2):
    """A toy run under the fingerprint of its record; returns its folder."""
    record = {"config": {"value": value}, "versions": {}}
    toy_training.train(root, epochs, fingerprint=fingerprint(record))
    run = root / fingerprint(record)[:16]
    write_json(run / "provenance.json", record)
    return run


def older(run, seconds):
    for path in run.iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


def test_of_the_runs_of_a_network_the_newest_and_the_published_one_stay(here):
    root = Path("results/sample/nyuv2/resume/rgb/seed0")
    runs = [train(root, value) for value in range(4)]
    for age, run in enumerate(runs[::-1]):
        older(run, 1000 * (age + 1))
    other = train(Path("results/sample/nyuv2/resume/rgb/seed1"), 0)
    published = Path("results/sample/nyuv2/models/rgb/seed0/training.json")
    write_json(published, {"provenance": json.loads((runs[1] / "provenance.json").read_text())})
    assert found() == {str(runs[0]): RUNS, str(runs[2]): RUNS}
    removed = remove_leftovers(find_leftovers())
    assert {entry.path for entry in removed} == {runs[0], runs[2]}
    assert sum(entry.bytes for entry in removed) > 1000
    assert [run.exists() for run in (*runs, other)] == [False, True, False, True, True]
    # those that are left go on where they were
    again = train(root, 3, epochs=3)
    assert again == runs[3]
    # an unreadable summary may be of any run
    train(root, 9)
    published.write_text("{")
    assert found() == {}
    published.unlink()
    assert len(found()) == 2


def test_points_of_a_grid_and_sweeps_have_runs_of_their_own(here):
    task = Path("results/sample/mmimdb")
    point = "lambda~0/tau~1/mode~soft/freeze~true/seed~0"
    for place in ("dynamic/" + point, "noise/dynmm/seed0", "text/seed0/fold1"):
        runs = [train(task / "resume" / place, value) for value in range(2)]
        older(runs[0], 1000)
    assert len(found()) == 3
    record = json.loads((task / "resume/dynamic" / point).joinpath(fingerprint_of(0)).read_text())
    write_json(task / "dynamic" / point / "training.json", {"provenance": record})
    assert len(found()) == 2


def fingerprint_of(value):
    record = {"config": {"value": value}, "versions": {}}
    return Path(fingerprint(record)[:16], "provenance.json")


def test_what_a_process_holds_stays(here, holder):
    root = Path("results/sample/nyuv2/resume/rgb/seed0")
    old, new = (train(root, value) for value in range(2))
    older(old, 1000)
    entries = find_leftovers()
    assert [entry.path for entry in entries] == [old]
    holder("run", old)
    assert not found()
    assert remove_leftovers(entries) == [] and old.exists() and new.exists()


def test_what_is_being_written_is_no_leftover(here, holder):
    folder = Path("results/sample/nyuv2")
    for name in ("x.json", "prepared"):
        kind = "file" if name == "x.json" else "folder"
        killed_write(kind, folder / name)
        remains = find_leftovers()
        assert len(remains) == 1
        holder(kind, folder / name)  # another writer takes the place of the killed one
        assert everything() and not find_leftovers()
        # the writer removed what was found, or goes on in that very folder
        assert remove_leftovers(remains, minutes=0) == []


def test_while_a_workflow_runs_nothing_is_removed(here, holder):
    killed_write("file", "results/sample/x.json")
    Path(".snakemake").mkdir()
    holder("lock", ".snakemake/dynmm.lock")
    with pytest.raises(InputError, match="a workflow is running in this folder"):
        remove_leftovers(find_leftovers(), minutes=0)
    assert len(find_leftovers()) == 1


def test_a_damaged_file_that_a_training_put_aside_is_one(here):
    root = Path("results/sample/nyuv2/resume/rgb/seed0")
    run = train(root, 0)
    newest = max(run.glob("state-*.json"), key=lambda path: int(path.stem[6:]))
    newest.write_text("{")
    train(root, 0, epochs=3)
    assert found() == {f"{newest}.damaged": BROKEN}
    assert len(remove_leftovers(find_leftovers(), minutes=0)) == 1
    assert run.exists() and not found()


def test_a_file_with_another_name_frees_nothing(here):
    root = Path("results/sample/nyuv2/resume/rgb/seed0")
    directory = RunDirectory(root, "0" * 64, {})
    directory.close()
    Path("results/weights").write_text("x" * 5000)
    os.link("results/weights", directory.path / "best-1.safetensors")
    older(directory.path, 1000)
    train(root, 1)
    [entry] = find_leftovers()
    assert entry.path == directory.path and entry.bytes < 1000


def test_networks_that_the_configuration_does_not_name_are_told_apart(here):
    config = configured()
    root = Path("results/sample")
    named = (
        "nyuv2/models/rgb/seed0",
        "mmimdb/experts/text/seed1",
        "mmimdb/dynamic/lambda~0.02/tau~1/mode~straight_through/freeze~true/seed~0",
        "mosei/dynamic/gate~hardened/seed~1",
    )
    strange = (
        "nyuv2/models/rgb/seed7",
        "nyuv2/models/gumbel/seed0",
        "mmimdb/experts/none/seed1",
        "mmimdb/dynamic/lambda~0.5/tau~1/mode~straight_through/freeze~true/seed~0",
    )
    for name in (*named, *strange):
        write_json(root / name / "training.json", {})
    assert {str(entry.path) for entry in unconfigured(config)} == {str(root / n) for n in strange}


def test_the_program_lists_then_removes(here):
    killed_write("file", "results/sample/nyuv2/x.json")
    write_json("results/sample/nyuv2/models/gone/seed0/training.json", {})

    def run(*options):
        program = ROOT / "workflow/scripts/find_leftovers.py"
        command = [sys.executable, str(program), *options]
        return subprocess.run(
            command, env=ENVIRONMENT, capture_output=True, text=True, check=True
        ).stdout

    listed = run()
    assert f"{WRITES}: 1" in listed and "nyuv2/.x.json." in listed
    assert "does not name: they stay: 1" in listed and "models/gone/seed0" in listed
    assert "left alone: 1" in run("--remove")
    removed = run("--remove", "--minutes", "0")
    assert "removed: 1" in removed and "nyuv2/.x.json." in removed
    left = run("--preset", "paper")
    assert "no leftovers are here" in left and "models/gone" not in left
