"""What a change plans of the noise sweeps and their figures: dry runs on a finished tree."""

import shutil

import pytest

from workflow_tree import SETTINGS, change_config, edit, finished_tree, planned

NOISE = SETTINGS["nyuv2"]["noise"]
SEEDS = len(SETTINGS["seeds"])

pytestmark = pytest.mark.slow

AREAS = {("tabulate_robustness", ""): 1}
FIGURE6 = {("plot_figure6", ""): 1} | AREAS
FIGURE7 = {("plot_figure7", ""): 1}
FRAMES = {("predict_frames", ""): 1} | FIGURE7


# both experts and the dynamic models of a task, and a figure
SWEPT = 2 + len(SETTINGS["mosei"]["noise"]["points"])
FEATURES = {("evaluate_feature_noise", ""): SWEPT * SEEDS, ("plot_robustness", ""): 1} | AREAS

# a second point: its training, which the targets here did not need, and its sweeps
LAST = SETTINGS["mosei"]["grid"]["lambda"][-1]
CHEAP = SETTINGS["mosei"]["noise"]["points"]["dynmm"] | {"title": "cheap", "lambda": LAST}
OWN = {("train_dynamic", str(LAST)): SEEDS, ("evaluate_feature_noise", ""): SEEDS}
SECOND = FEATURES | OWN

BOTH_TASKS = {job: 2 * count for job, count in FEATURES.items()} | AREAS


def sweeps(models=NOISE["models"], seeds=SEEDS):
    return {("evaluate_noise", model): seeds for model in models}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_tree(tmp_path_factory.mktemp("finished") / "tree", "nyuv2", "robustness")


@pytest.fixture
def tree(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "tree")


def test_a_finished_tree_plans_nothing(finished):
    assert not planned(finished, "robustness")


@pytest.mark.parametrize(
    ("key", "value", "jobs"),
    [
        ("nyuv2.noise.levels", [0, 0.25, 0.5, 1.0], sweeps() | FIGURE6),
        ("nyuv2.noise.runs", 10, sweeps() | FIGURE6),
        ("nyuv2.noise.per", "sample", sweeps() | FIGURE6),
        ("nyuv2.noise.batch_size", 4, sweeps() | FIGURE6),
        ("nyuv2.noise.settings", ["both"], sweeps() | FIGURE6),
        ("nyuv2.noise.models", ["esanet"], FIGURE6),
        ("nyuv2.noise.models", [*NOISE["models"], "rgb"], sweeps(["rgb"]) | FIGURE6),
        ("nyuv2.predicted_frames.frames", 4, FRAMES),
        ("nyuv2.predicted_frames.level", 0.4, FRAMES),
        ("nyuv2.predicted_frames.dynamic", "dynmm_a", FRAMES),
        ("data.nyuv2.content", "other rooms", {("plot_figure6", ""): 1} | FIGURE7),
        ("mmimdb.noise.levels", [0, 3], FEATURES),
        ("mosei.noise.settings", ["all"], FEATURES),
        ("mosei.noise.points.cheap", CHEAP, SECOND),
        ("mosei.noise.points.dynmm.title", "ours", {("plot_robustness", ""): 1}),
        ("mosei.noise.score", "mae", {("plot_robustness", ""): 1} | AREAS),
        ("nyuv2.evaluation.batch_size", 3, {}),
        ("resources.evaluate_noise.mem_mb", 9000, {}),
    ],
)
def test_a_changed_setting_trains_nothing_and_plans_what_reads_it(tree, key, value, jobs):
    change_config(tree, key, value)
    # with the tables too: nothing but the noise's own jobs
    targets = ["nyuv2", "robustness"] if "noise" in key or "frames" in key else ["robustness"]
    assert planned(tree, *targets) == jobs


def test_the_example_adds_networks_trained_with_noise_to_the_paper_s_preset(tree):
    given = ("--configfile", "config/examples/noise_trained.yaml", "--config", "preset=paper")
    jobs = planned(tree, "reports/figure6.pdf", *given)
    trained = {run for rule, run in jobs if rule == "train_segmentation"}
    paper = {"esanet", "stage1", "dynmm_a", "dynmm_b"}
    assert trained - paper == {
        *("stage1_noise", "dynmm_noise_1", "dynmm_noise"),
        *("esanet_noise_1", "esanet_noise_2", "esanet_noise"),
    }
    assert jobs["evaluate_noise", "dynmm_noise"] == 3  # seeds
    without = planned(tree, "reports/figure6.pdf", "--config", "preset=paper")
    assert {run for rule, run in without if rule == "train_segmentation"} == paper


@pytest.mark.parametrize(
    ("source", "jobs"),
    [
        ("src/dynmm/evaluation/segmentation/noise.py", sweeps() | FIGURE6),
        ("src/dynmm/reporting/noise_areas.py", AREAS),
        ("src/dynmm/evaluation/segmentation/frames.py", FRAMES),
        ("src/dynmm/reporting/frame_figure.py", FIGURE7),
        ("src/dynmm/evaluation/modality/noise.py", BOTH_TASKS),
    ],
)
def test_an_edited_module_plans_what_runs_it(tree, source, jobs):
    edit(tree, source)
    assert planned(tree, "robustness") == jobs
