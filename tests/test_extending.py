"""docs/extending.md does what it says: its blocks are run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mmimdb_files
from dynmm.configuration import modality
from dynmm.configuration.validation import validate
from test_configuration import CONFIG, SCHEMA
from workflow_tree import configured as project_configured
from workflow_tree import copy_workflow, snakemake

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
BLOCK = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A folder with the files of the page, in which the programs run."""
    write_blocks(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_blocks(folder):
    for name, text in BLOCK.findall((ROOT / "docs" / "extending.md").read_text()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def configured(folder, *overlays):
    """The project's configuration with files of the page over it, checked."""
    blocks = [yaml.safe_load((folder / "config" / name).read_text()) for name in overlays]
    config = project_configured(*blocks)
    validate(config, SCHEMA)
    return config


def prepare(folder, config):
    """The data set of the page, raw and prepared; returns the manifest's path."""
    raw = folder / config["data"]["mmimdb"]["raw_dir"] / "multimodal_imdb.hdf5"
    raw.parent.mkdir(parents=True)
    mmimdb_files.write(raw, mmimdb_files.arrays())
    run("prepare_mmimdb", config["mmimdb"]["prepare"], "--raw", raw, "--out", "prepared")
    return folder / "prepared" / "manifest.json"


def run(program, config, *arguments):
    command = [sys.executable, SCRIPTS / f"{program}.py", *arguments, "--config"]
    subprocess.run([*command, json.dumps(config)], check=True, env=os.environ)


def test_the_data_set_of_the_page_is_prepared_with_its_own_sizes(page):
    manifest = json.loads(prepare(page, configured(page, "posters.yaml")).read_text())
    sizes = {"text": mmimdb_files.TEXT_SIZE, "image": mmimdb_files.IMAGE_SIZE}
    assert manifest["input_sizes"] == sizes
    assert manifest["genres"] == mmimdb_files.GENRES
    assert manifest["splits"] == mmimdb_files.SPLITS


@pytest.mark.slow
def test_the_expert_of_the_page_is_trained_and_evaluated(page):
    config = configured(page, "posters.yaml", "linear.yaml")
    config["mmimdb"]["training"] |= {"epochs": 2}
    manifest = prepare(page, config)
    task = ["--task", "mmimdb", "--name", "linear", "--prepared", manifest, "--seed", "0"]
    training = modality.expert_training(config, "mmimdb", "linear")
    assert training["training"]["learning_rate"] == 0.001
    files = ["--weights", "weights.safetensors", "--history", "h.csv", "--training", "t.json"]
    run("train_expert", training, *task, "--resume-dir", "resume", *files)
    evaluation = modality.expert_evaluation(config, "mmimdb", "linear")
    files = ["--training", "t.json", "--metrics", "m.json", "--predictions", "p.npz"]
    run("evaluate_modality", evaluation, *task, *files)
    metrics = json.loads((page / "m.json").read_text())
    assert (metrics["run"], metrics["modality"]) == ("linear", "I+T")
    inputs = mmimdb_files.TEXT_SIZE + mmimdb_files.IMAGE_SIZE
    assert metrics["madds"]["complete"]["total"] == inputs * len(mmimdb_files.GENRES)
    assert metrics["content"] == "posters of our archive"
    assert (metrics["model"], metrics["width"]) == ("linear", 1)
    epochs = json.loads((page / "t.json").read_text())["epochs"]
    assert metrics["epochs"] == {"own": epochs, "in_all": epochs}


def test_the_gate_chooses_between_the_three_experts_of_the_page(page):
    config = configured(page, "posters.yaml", "three_experts.yaml")
    counts = modality.madds(config, "mmimdb")
    assert counts["under_gate"] == ["linear", "text", "late_fusion"]
    run(
        "count_expert_madds",
        counts,
        *("--task", "mmimdb", "--prepared", prepare(page, config), "--out", "madds.json"),
    )
    point = {"lambda": "0", "tau": "1", "mode": "straight_through", "freeze": "true"}
    names = [e["name"] for e in modality.dynamic_training(config, "mmimdb", point)["experts"]]
    assert names == ["linear", "text", "late_fusion"]
    assert "linear" in (page / "madds.json").read_text()


@pytest.mark.slow
def test_the_entry_alone_plans_the_new_expert(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    write_blocks(tree)
    raw = tree / CONFIG["data"]["mmimdb"]["raw_dir"] / "multimodal_imdb.hdf5"
    raw.parent.mkdir(parents=True)
    raw.touch()
    planned = snakemake(tree, "--dry-run", "mmimdb", "--configfile", "config/linear.yaml").stdout
    trained = re.findall(
        r"rule train_expert:\n(?:    .*\n)*?    wildcards: .*expert=(\w+)", planned
    )
    assert trained.count("linear") == len(CONFIG["seeds"])
    assert set(trained) == {*CONFIG["mmimdb"]["experts"], "linear"}
    assert "reports/table1.csv" in planned


def test_the_narrower_network_of_the_page_is_half_of_the_preset_s(page):
    config = configured(page, "narrow.yaml")
    whole, half = (config["mmimdb"]["experts"][name] for name in ("lrtf", "lrtf_half"))
    assert {**half, "width": 1} == {**whole, "width": 1}
    assert modality.expert_evaluation(config, "mmimdb", "lrtf_half")["family"] == "lrtf by width"
