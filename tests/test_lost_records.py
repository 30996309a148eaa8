"""Without Snakemake's records of results their provenance tells what is to be made again."""

import json
import os
import shutil

import pytest
import yaml

from dynmm.carried_provenance import carried, is_as_planned
from dynmm.files import sha256
from made_in_one_process import run_planned, tiny_tree
from workflow_tree import edit, planned, snakemake

RGB = "results/sample/nyuv2/metrics/rgb/seed3/metrics.json"
LINEAR = "results/sample/mmimdb/experts/linear/seed3/metrics.json"
STUDY = "results/sample/mmimdb/routing.json"
COUNTS = "results/sample/mmimdb/madds/experts.json"  # carries no provenance
TARGETS = (STUDY, RGB, LINEAR)
ROUTING = {("evaluate_routing", ""): 1}
LOST = "Snakemake's records of results are lost"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    tree = tiny_tree(tmp_path_factory.mktemp("made") / "tree")
    run_planned(tree, *TARGETS, COUNTS)
    shutil.rmtree(tree / ".snakemake")
    return tree


def both(rules, label, count=1):
    return {(rule, label): count for rule in rules}


EXPERT = ("train_expert", "evaluate_expert")
GATE = ("train_dynamic", "evaluate_dynamic")

GATES = both(GATE, "0") | both(GATE, "cross_fitted")


@pytest.mark.slow
def test_results_that_were_made_as_planned_are_kept(made):
    said = snakemake(made, *TARGETS)
    assert "Nothing to be done" in said.stderr and LOST not in said.stderr


@pytest.mark.slow
def test_what_does_not_say_how_it_was_made_is_made_again(made):
    assert planned(made, COUNTS) == {("count_expert_madds", ""): 1}
    assert LOST in snakemake(made, "--dry-run", COUNTS).stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overlay", "jobs"),
    [
        (
            {"mmimdb": {"experts": {"linear": {"training": {"learning_rate": 0.5}}}}},
            both(EXPERT, "linear") | ROUTING,
        ),
        ({"mmimdb": {"dynamic": {"learning_rate": 0.5}}}, both(GATE, "0") | ROUTING),
        (
            {"mmimdb": {"dynamic": {"folds": 3}}},
            {("cross_fit_expert", expert): 3 for expert in ("text", "late_fusion")}
            | both(GATE, "cross_fitted")
            | ROUTING,
        ),
        (
            {"nyuv2": {"network": {"height": 32}}},
            both(["train_segmentation", "count_segmentation_madds"], "rgb")
            | both(["evaluate_segmentation"], "rgb"),
        ),
        (
            {"data": {"nyuv2": {"content": "rooms"}}, "routing": {"draws": 300}},
            both(["evaluate_segmentation"], "rgb") | ROUTING,
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_another_setting_would_make_is_made_again(made, tmp_path, overlay, jobs):
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    given = ("--configfile", str(tmp_path / "overlay.yaml"))
    assert planned(made, *TARGETS, *given) == jobs


@pytest.mark.slow
def test_what_other_code_or_other_inputs_would_make_is_made_again(made, tmp_path):
    tree = shutil.copytree(made, tmp_path / "tree")
    module = tree / "linear.py"
    module.write_text(module.read_text() + "# a word\n")
    assert not planned(tree, *TARGETS)
    edit(tree, "linear.py")
    assert planned(tree, *TARGETS) == both(EXPERT, "linear") | ROUTING
    module.unlink()
    refused = snakemake(tree, *TARGETS, check=False)
    assert refused.returncode == 1 and "no such Python file; file: linear.py" in refused.stderr
    shutil.copy(made / "linear.py", module)
    training = tree / "results/sample/mmimdb/experts/text/seed3/training.json"
    times, summary = training.stat(), json.loads(training.read_text())
    training.write_text(json.dumps(summary | {"weights_sha256": "0" * 64}))
    os.utime(training, ns=(times.st_atime_ns, times.st_mtime_ns))
    jobs = both(["evaluate_expert"], "text") | GATES | ROUTING
    assert planned(tree, *TARGETS) == jobs


CONFIG = {"epochs": 3}


def write(folder, name, record):
    path = folder / name
    path.write_text(json.dumps(record))
    return path


def test_a_result_is_as_planned_by_its_settings_code_and_inputs(tmp_path):
    manifest = write(tmp_path, "manifest.json", {"arrays": 1})
    start = write(tmp_path, "training.json", {"weights_sha256": "1f"})
    record = {"config": CONFIG, "code_sha256": "c0de"}
    record["inputs_sha256"] = {"manifest": sha256(manifest), "init": "1f"}
    result = write(tmp_path, "result.json", {"score": 1, "provenance": record})
    inputs = [manifest, start]
    assert is_as_planned([result], CONFIG, "c0de", inputs) is True
    assert is_as_planned([tmp_path / "weights", result], CONFIG, "c0de", inputs) is True
    assert is_as_planned([result], {"epochs": 4}, "c0de", inputs) is False
    assert is_as_planned([result], CONFIG, "c0ffee", inputs) is False
    assert is_as_planned([result], CONFIG, "c0de", [manifest]) is False
    # what is not there yet is made first, and this after it
    assert is_as_planned([result], CONFIG, "c0de", [tmp_path / "none"]) is True
    manifest.write_text("{}")
    assert is_as_planned([result], CONFIG, "c0de", inputs) is False


def test_inputs_that_are_named_by_their_paths_are_all_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    names = [write(tmp_path, f"in/{k}.json", k).relative_to(tmp_path) for k in range(2)]
    record = {"config": CONFIG, "inputs_sha256": {str(name): sha256(name) for name in names}}
    result = write(tmp_path, "result.json", {"provenance": record})
    assert is_as_planned([result], CONFIG, "c0de", names) is True
    assert is_as_planned([result], CONFIG, "c0de", names[:1]) is False
    third = write(tmp_path, "in/2.json", 2)
    assert is_as_planned([result], CONFIG, "c0de", [*names, third]) is False


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("manifest.json", '{"settings": {"depth": "raw"}}', {"config": {"depth": "raw"}}),
        ("rgb.json", '{"epochs": 2, "madds": 7}', {"config": {"epochs": 2}}),
        ("other.json", '{"madds": 7}', None),
        ("list.json", "[1]", None),
        ("broken.json", '{"provenance": ', None),
        ("odd.json", '{"provenance": 7}', None),
        ("arrays.npz", "no archive", None),
        ("table.csv", "a,b", None),
    ],
)
def test_a_file_carries_its_provenance_settings_or_nothing(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert carried(tmp_path / name, CONFIG) == expected
    assert carried(tmp_path / "missing.json", CONFIG) is None
