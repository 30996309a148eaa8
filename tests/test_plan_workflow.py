"""The plan of the workflow: what `snakemake --dry-run --logger plan` prints."""

import os
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from dynmm.configuration.runs import trained_runs
from snakemake_logger_plugin_plan import _option
from workflow_tree import (
    COPYING,
    ROOT,
    SETTINGS,
    change_config,
    finished_tree,
    fresh_tree,
    planned,
)

HOUR = 3600


def plan(folder, *options, check=True):
    """The page that a dry run prints; `check`: it must end well."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "snakemake", *options, "--dry-run", "--logger", "plan"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert not check or result.returncode == 0, result.stderr
    return result.stdout if check else result


def rows(text):
    """Name -> (jobs, GPU-hours, CPU-hours, whether all are measured) of both tables."""
    found = {}
    pattern = r"(\S(?:[^|]*?\S)?) +(\d+) +([\d.,]+|-)[* ] +([\d.,]+|-)([* ])"
    for line in text.splitlines()[3:]:
        for part in (line[:52] + " ", line[52:] + " "):
            if match := re.fullmatch(pattern + " *", part):
                hours = [0 if h == "-" else float(h.replace(",", "")) for h in match.group(3, 4)]
                found[match[1]] = (int(match[2]), *hours, match[5] == " ")
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return fresh_tree(tmp_path_factory.mktemp("plan") / "tree")


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["sample", "paper"])
def test_the_plan_of_a_preset_is_its_dry_run_on_one_screen(tree, preset):
    options = ("--cores", "8", "--config", f"preset={preset}")
    text = plan(tree, *options)
    assert len(text.splitlines()) < 40 and max(map(len, text.splitlines())) <= 100
    found, jobs = rows(text), planned(tree, *options[2:])
    copies = next(row[0] for name, row in found.items() if name.startswith(COPYING))
    assert found["all"][0] == found["all, each job once"][0] == sum(jobs.values()) + copies
    asked = yaml.safe_load((ROOT / f"config/presets/{preset}.yaml").read_text())["resources"]
    hours = 0.0
    for rule in ("train_expert", "train_segmentation", "evaluate_noise"):
        number = sum(count for (name, _), count in jobs.items() if name == rule)
        gpu = number * asked[rule]["runtime"] / 60
        assert found[rule] == (number, approx(gpu), approx(gpu * asked[rule]["threads"]), False)
        hours += gpu
    assert found["all"][1] > hours
    # every report alone is what a plan of it alone says; shared jobs count in each and once in all
    reports = {name: row for name, row in found.items() if re.match("table|fig|rob|rou", name)}
    assert len(reports) == 15
    for row in reports.values():
        assert row[1] <= found["all"][1]
    assert sum(row[1] for row in reports.values()) > found["all"][1]
    if preset == "paper":
        alone = rows(plan(tree, "reports/table3.csv", *options))
        assert alone["all"] == alone["table3"] == found["table3"]


def approx(hours):
    """As the page rounds."""
    return pytest.approx(hours, abs=0.006 if hours < 10 else 0.06 if hours < 100 else 0.6)


@pytest.mark.slow
def test_a_plan_counts_what_runs_have_measured(tmp_path):
    folder = fresh_tree(tmp_path / "tree")
    for run in ("rgb", "esanet"):
        history = folder / f"results/sample/nyuv2/models/{run}/seed0/history.csv"
        history.parent.mkdir(parents=True)
        history.write_text("epoch,seconds\n1,360\n")
    benchmark = folder / "results/sample/nyuv2/benchmarks/evaluate_paths/dynmm_a.seed0.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\n1800\t0:30:00\n")
    found = rows(plan(folder, "reports/table3.csv", "--cores", "1"))
    settings = SETTINGS["nyuv2"]
    epochs = [
        settings["runs"][run].get("training", {}).get("epochs", settings["training"]["epochs"])
        for run in trained_runs(settings["runs"])
    ]
    hours = len(SETTINGS["seeds"]) * sum(epochs) * 360 / HOUR
    assert found["train_segmentation"][1:] == (approx(hours), approx(hours), True)
    assert found["evaluate_paths"] == (6, 3.0, 3.0, True)
    assert not found["evaluate_segmentation"][3] and not found["table3"][3]


@pytest.mark.slow
def test_bad_input_is_said_as_ever_and_no_plan_is_shown(tree):
    for options, words in (
        (("--config", "preset=papr"), "unknown preset"),
        (("reports/tabl3.csv",), "reports/tabl3.csv"),
    ):
        result = plan(tree, *options, "--cores", "1", check=False)
        assert result.returncode == 1 and words in result.stderr
        assert "Traceback" not in result.stderr and not result.stdout


@pytest.mark.slow
def test_where_all_is_there_the_plan_is_empty_and_a_change_says_why(tmp_path):
    folder = finished_tree(tmp_path / "tree", "reports/table3.csv")
    options = ("reports/table3.csv", "--cores", "1")
    assert plan(folder, *options).startswith("Nothing to be done")
    change_config(folder, "nyuv2.training.learning_rate", 0.5)
    text = plan(folder, *options)
    assert "params have changed" in text and "in place of" in text


def plan_alone(folder, shell, *options):
    """Snakemake on one rule outside the workflow."""
    (folder / "Snakefile").write_text(f"rule one:\n    output: 'x'\n    shell: {shell!r}\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "plan", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_real_run_refuses_the_logger(tmp_path):
    result = plan_alone(tmp_path, "touch x")
    assert result.returncode and "--dry-run" in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "x").exists()


def test_a_plan_that_fails_says_so(tmp_path):
    result = plan_alone(tmp_path, "true --config '{{'", "--dry-run")
    assert result.returncode == 1 and "JSONDecodeError" in result.stderr


@pytest.mark.parametrize("text", ["plain", "two words", "it's", "'", "", '{"a": "b\'c"}'])
def test_the_words_of_a_command_are_read_as_a_shell_does(text):
    command = f"python x.py --config {shlex.quote(text)} --log 'a b'"
    record = SimpleNamespace(shellcmd=command)
    assert _option(record, "--config") == text
    assert _option(record, "--log") == "a b" and _option(record, "--resume-dir") is None
