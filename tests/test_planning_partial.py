"""What `snakemake partial` counts as there, and that it plans reports alone: dry runs."""

import os
import re
import shutil

import pytest

from workflow_tree import SETTINGS, change_config, finished_tree, planned, snakemake

pytestmark = pytest.mark.slow

RESULTS = "results/sample"
SEEDS = len(SETTINGS["seeds"])
GRID = f"{RESULTS}/mosei/dynamic"
TARGETS = (
    "mosei",
    "nyuv2",
    "reports/figure6.pdf",
    "reports/figure7.pdf",
    "reports/routing_mosei.md",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_tree(tmp_path_factory.mktemp("finished") / "tree", *TARGETS)


@pytest.fixture
def tree(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "tree")


def partial(tree, *options):
    """Report -> what the terminal says of it; reports that are planned; rules of the study."""
    done = snakemake(tree, "partial", "--dry-run", *options)
    said = dict(re.findall(r"^  (\w+)(?: is not made)?: (.*)$", done.stderr, re.MULTILINE))
    made = set(re.findall(r"reports/sample/partial/(\w+)\.\w+", done.stdout))
    rules = set(re.findall(r"^(?:local)?rule (\w+):$", done.stdout, re.MULTILINE))
    assert all(rule.startswith("partial") for rule in rules)
    return said, made, {rule for rule in rules if "evaluate" in rule}


def remove(tree, *patterns):
    for path in [path for pattern in patterns for path in tree.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_finished_tree_lacks_nothing(tree):
    """New time stamps change nothing; what was never asked for lacks."""
    for path in tree.glob(f"{RESULTS}/**/*"):
        path.touch()
    for path in tree.glob("src/**/*.py"):
        path.touch()
    said, made, studies = partial(tree)
    assert said["table2"] == "28 of 28 results"
    assert said["table3"] == "22 of 22 results"
    assert said["routing_mosei"] == "28 of 28 results"
    assert not studies, "those that are whole serve"
    assert said["table1"] == "0 of 32 results"
    assert "table1" not in made and {"table2", "table3", "figure5", "figure6"} <= made


def test_what_lacks_is_named_and_nothing_of_it_is_planned(tree):
    point = f"{GRID}/lambda~0.4/*/*/*/seed~1"
    remove(
        tree, f"{RESULTS}/mosei/experts/audio/seed*/*", f"{point}/*.json", "results/*/nyuv2/noise/*"
    )
    remove(
        tree,
        f"{RESULTS}/nyuv2/predicted_frames.npz",
        f"{RESULTS}/nyuv2/models/rgb/seed0/history.csv",
    )
    said, made, studies = partial(tree)
    lacks = "lacking: audio (seeds 0, 1); lambda 0.4 (seed 1)"
    assert said["table2"] == f"25 of 28 results; {lacks}"
    assert said["mosei_tradeoff"] == said["figure5"] == said["routing_mosei"] == said["table2"]
    assert said["nyuv2_history"] == "17 of 18 results; lacking: rgb (seed 0)"
    assert studies == {"partial_evaluate_routing"}
    assert said["figure6"] == "0 of 10 results" and "figure6" not in made
    assert said["figure7"] == "0 of 1 results"
    assert said["table3"] == "22 of 22 results"
    assert partial(tree, "--forceall") == (said, made, studies)
    remove(tree, "reports")
    assert planned(tree, "mosei")["train_expert", "audio"] == SEEDS, "but for the strict target"


def test_without_an_expert_under_the_gate_its_gates_lack_in_the_study_alone(tree):
    remove(tree, f"{RESULTS}/mosei/routing.json")
    remove(tree, f"{RESULTS}/mosei/experts/text/seed0/predictions.npz")
    said, made, studies = partial(tree)
    gates = len(list((tree / GRID).glob("**/seed~0")))
    assert said["routing_mosei"].startswith(
        f"{28 - gates} of 28 results; lacking: lambda 0 (seed 0);"
    )
    assert said["table2"] == "28 of 28 results" and studies == {"partial_evaluate_routing"}
    remove(tree, f"{RESULTS}/mosei/experts/text/seed1/predictions.npz")
    said, made, studies = partial(tree)
    assert "routing_mosei" not in made and not studies
    assert said["table2"] == "28 of 28 results; lacking: the routing study"


def test_results_of_other_settings_are_out_of_date(tree):
    change_config(tree, "mosei.experts.late_fusion.training", {"learning_rate": 0.5})
    change_config(tree, "nyuv2.runs.dynmm_b.init_from", "stage1")
    said, made, _ = partial(tree)
    assert "late_fusion (seeds 0, 1: out of date)" in said["table2"]
    assert said["mosei_tradeoff"].startswith("12 of 28 results") and "mosei_tradeoff" not in made
    assert "table2" in made and "figure5" not in made
    lacks = "dynmm_b (seeds 0, 1: out of date)"
    assert said["nyuv2_history"] == f"16 of 18 results; lacking: {lacks}"
    assert lacks in said["table3"] and lacks in said["figure6"]


def test_results_of_weights_that_are_no_longer_there_are_out_of_date(tree):
    """Trained again, and the evaluation did not follow; the training failed."""
    (tree / f"{RESULTS}/nyuv2/models/dynmm_a/seed0/training.json").write_text("others")
    remove(tree, f"{RESULTS}/nyuv2/models/rgb/seed1/training.json")
    said, _, _ = partial(tree)
    lacking = (
        "rgb (seed 1: out of date); dynmm_a (seed 0: out of date); dynmm_b (seed 0: out of date)"
    )
    assert lacking in said["table4"]


def test_a_result_that_holds_other_settings_is_told_without_snakemake_s_records(tree):
    file = tree / f"{RESULTS}/mosei/experts/audio/seed0/metrics.json"
    before = file.stat()
    file.write_text('{"provenance": {"config": {"expert": "another"}}}')
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    shutil.rmtree(tree / ".snakemake")
    said, _, _ = partial(tree)
    assert said["table2"] == "27 of 28 results; lacking: audio (seed 0: out of date)"


def test_of_nothing_no_report_is_made(tree):
    shutil.rmtree(tree / "results")
    said, made, studies = partial(tree)
    assert len(said) == 17 and not made and not studies
    assert all(re.fullmatch(r"0 of \d+ results", words) for words in said.values())
