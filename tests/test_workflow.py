"""The real workflow on raw files of a few small frames: one pass, a kill, messages."""

import os
import re
import shlex
import signal
import time

import numpy as np
import pytest

from dynmm.gpu_presence import gpu_in_sight
from fixture_rules import tiny_nyu
from nyu_files import write_raw
from small_workflow import small_workflow, start
from workflow_tree import ROOT, copy_workflow, fresh_tree, planned, snakemake

pytestmark = pytest.mark.slow
PATIENCE = 900  # seconds; a loaded machine takes minutes to where a quiet one takes seconds


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return small_workflow(tmp_path_factory.mktemp("workflow") / "tree")


def test_a_killed_workflow_goes_on_by_the_same_command_and_ends_with_the_tables(tree):
    killed = start(tree, "nyuv2")
    until = time.monotonic() + PATIENCE
    while not list(tree.glob("results/*/nyuv2/resume/*/*/*/state-*.json")):
        assert time.monotonic() < until and killed.poll() is None
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()

    result = snakemake(tree, "nyuv2", "--resources", "gpu=1")
    for table in ("table3", "table4"):
        for form in ("csv", "md", "tex"):
            assert (tree / f"reports/{table}.{form}").stat().st_size
    said = result.stderr.count("training on the CPU")
    assert said == (0 if gpu_in_sight() else 1)
    assert not planned(tree, "nyuv2")
    again = snakemake(tree, "nyuv2")
    assert "Nothing to be done" in again.stderr
    assert "training on the CPU" not in again.stderr


def test_a_second_snakemake_in_the_folder_is_turned_away(tree):
    running = start(tree, "nyuv2", "--forcerun", "prepare_nyuv2")
    try:
        for line in running.stderr:
            if "rule prepare_nyuv2" in line:
                break
        os.kill(running.pid, signal.SIGUSR1)  # a cluster's warning, which is for the programs
        second = snakemake(tree, "nyuv2", "--forcerun", "prepare_nyuv2", check=False)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    assert second.returncode == 1
    assert "error: another snakemake is running in this folder" in second.stderr


def test_the_message_of_a_failing_job_reaches_the_terminal(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    arrays = dict(tiny_nyu())
    arrays["depths"] = np.full_like(arrays["depths"], np.nan)  # not seen before it is read
    write_raw(tree / "resources/sample/nyuv2", arrays)
    result = snakemake(tree, "nyuv2", check=False)
    assert result.returncode == 1
    message = next(line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert "impossible depths" in message
    assert not list(tree.glob("results/*/nyuv2/prepared/*"))


def test_a_missing_raw_file_is_named_with_what_to_do(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    result = snakemake(tree, "nyuv2", "--dry-run", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "error: a raw file is missing: resources/sample/nyuv2/nyu_depth_v2_labeled.mat. Put it "
        "there, point data.nyuv2.raw_dir at the folder that holds it, or set "
        "data.nyuv2.download to true."
    )


def test_missing_released_weights_are_named_with_what_to_do(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    write_raw(tree / "resources/sample/nyuv2")
    run = "{model: dynamic, weights: ckpt_best.pth}"
    (tree / "released.yaml").write_text(f"nyuv2: {{runs: {{released: {run}}}}}\n")
    result = snakemake(tree, "nyuv2", "--dry-run", "--configfile", "released.yaml", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "error: released weights are missing: ckpt_best.pth. Put them there, or name another file "
        "in nyuv2.runs.released.weights (docs/workflow.md says where the authors' lie)."
    )


def test_a_bad_configuration_is_one_message_without_a_traceback(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    (tree / "bad.yaml").write_text("nyuv2: {training: {epoch: 3}}\n")
    result = snakemake(tree, "--dry-run", "--configfile", "bad.yaml", check=False)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert message.startswith("error: bad configuration; key: nyuv2.training.epoch; found: an unk")
    assert "Traceback" not in result.stderr and "File " not in result.stderr


def test_the_commands_of_the_readme_can_be_planned(tmp_path):
    tree = fresh_tree(tmp_path / "tree")
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("snakemake ")]
    assert len(commands) >= 2
    for command in commands:
        snakemake(tree, *command, "--dry-run")


def test_the_paper_preset_fetches_the_raw_files_it_lacks(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    paper = ("--config", "preset=paper")
    everything = planned(tree, "nyuv2", *paper)
    fetched = {rule for rule, _ in everything if rule.startswith("download_raw")}
    assert len(fetched) == 5
    write_raw(tree / "data/nyuv2")
    (tree / "data/imagenet").mkdir()
    for name in ("resnet50-0676ba61.pth", "resnet18-f37072fd.pth"):
        (tree / "data/imagenet" / name).touch()
    there = planned(tree, "nyuv2", *paper)
    assert everything - there == {(rule, ""): 1 for rule in fetched}
