"""What is made again of NYU Depth V2 after which change: dry runs on a tree that is finished."""

import json
import os
import shutil
import time

import pytest

import workflow_tree
from dynmm.configuration.runs import shown_runs, trained_runs
from dynmm.files import sha256
from dynmm.kept_checksums import LARGE
from workflow_tree import PRESETS, SETTINGS, change_config, edit, finished_tree

RUNS = trained_runs(SETTINGS["nyuv2"]["runs"])
SHOWN = shown_runs(SETTINGS["nyuv2"]["runs"])
SEEDS = len(SETTINGS["seeds"])
KINDS = {run["model"] for run in SETTINGS["nyuv2"]["runs"].values()}
GATED = ("dynmm_a", "dynmm_b", "dynmm_noise")
ON_THE_WAY = ("dynmm_noise_1",)  # with a gate that learns

pytestmark = pytest.mark.slow

TABLES = {("tabulate_segmentation", name): 1 for name in ("table3", "table4")}
HISTORY = {("plot_history", ""): 1}
REPORTS = TABLES | HISTORY
STUDY = {("evaluate_path_routing", ""): 1}  # Table 3 shows gains over random choice
RAW = "resources/sample/nyuv2/nyu_depth_v2_labeled.mat"
PREPARE = {("prepare_nyuv2", ""): 1}
COUNTED = ("esanet_small",)  # has a network of its own
MADDS = {("count_segmentation_madds", name): 1 for name in (*KINDS, *COUNTED)}


def train(*runs, seeds=SEEDS):
    return {("train_segmentation", run): seeds for run in runs}


def evaluate(*runs, seeds=SEEDS):
    return {("evaluate_segmentation", run): seeds for run in runs}


def force_paths(*runs, seeds=SEEDS):
    return {("evaluate_paths", run): seeds for run in runs}


FORCED = force_paths(*GATED) | STUDY
BUDGETS = ("dynmm_b_79", "dynmm_b_45")  # set on DynMM-b
OF_B = evaluate("dynmm_b", *BUDGETS)
DYNMM_B = train("dynmm_b") | OF_B | force_paths("dynmm_b") | STUDY
NETWORKS = train(*RUNS) | evaluate(*SHOWN) | FORCED


def planned(tree):
    return workflow_tree.planned(tree, "nyuv2")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_tree(tmp_path_factory.mktemp("finished") / "tree", "nyuv2")


@pytest.fixture
def tree(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "tree")


def test_a_fresh_tree_plans_everything(tree):
    shutil.rmtree(tree / "results")
    shutil.rmtree(tree / "reports")
    assert planned(tree) == PREPARE | MADDS | NETWORKS | REPORTS


def test_a_finished_tree_plans_nothing(finished):
    assert not planned(finished)


def test_touching_every_source_plans_nothing(tree):
    newer = time.time() + 60
    for path in tree.rglob("*"):
        if path.is_file() and path.relative_to(tree).parts[0] not in ("results", "reports"):
            os.utime(path, (newer, newer))
    assert not planned(tree)


def test_copying_the_folder_elsewhere_plans_nothing(finished, tmp_path):
    elsewhere = shutil.copytree(finished, tmp_path / "else where", copy_function=shutil.copy)
    assert not planned(elsewhere)


def test_an_edited_network_is_counted_trained_and_evaluated_again(tree):
    edit(tree, "src/dynmm/models/segmentation/decoder.py")
    assert planned(tree) == MADDS | NETWORKS | REPORTS


def test_an_edited_loss_leaves_preparation_and_counts_alone(tree):
    edit(tree, "src/dynmm/training/segmentation/task.py")
    assert planned(tree) == NETWORKS | REPORTS


def test_an_edited_evaluation_leaves_the_models_alone(tree):
    edit(tree, "src/dynmm/evaluation/segmentation/results.py")
    assert planned(tree) == evaluate(*SHOWN) | STUDY | TABLES


def test_an_edited_table_style_plans_the_tables_alone(tree):
    edit(tree, "src/dynmm/reporting/rendering.py")
    assert planned(tree) == TABLES


def test_an_edited_figure_style_plans_the_figures_alone(tree):
    edit(tree, "src/dynmm/reporting/style.py")
    assert planned(tree) == HISTORY


def test_a_seed_more_plans_its_own_jobs_and_the_reports(tree):
    change_config(tree, "seeds", [*SETTINGS["seeds"], 7])
    own = train(*RUNS, seeds=1) | evaluate(*SHOWN, seeds=1) | force_paths(*GATED, seeds=1)
    assert planned(tree) == own | STUDY | REPORTS


def test_a_seed_less_plans_the_reports_alone(tree):
    change_config(tree, "seeds", SETTINGS["seeds"][:-1])
    assert planned(tree) == STUDY | REPORTS


def test_a_run_less_plans_the_reports_alone(tree):
    change_config(tree, "nyuv2.runs.rgb", None)
    assert planned(tree) == STUDY | REPORTS


def test_a_run_on_the_way_is_trained_and_not_shown_and_goes_with_the_last_one(tree):
    on_the_way = {"esanet_long_1", "esanet_long_2"}
    assert on_the_way.isdisjoint(SHOWN) and "esanet_long" in SHOWN
    shutil.rmtree(tree / "results")
    shutil.rmtree(tree / "reports")
    assert {("train_segmentation", run): SEEDS for run in on_the_way}.items() <= dict(
        planned(tree)
    ).items()
    change_config(tree, "nyuv2.runs.esanet_long", None)
    without = planned(tree)
    assert not {run for rule, run in without if run.startswith("esanet_long")}
    assert without["train_segmentation", "dynmm_b"] == SEEDS


def test_another_preset_has_results_of_its_own_and_the_reports_follow(tree):
    change_config(tree, "extends", "sample")
    change_config(tree, "preset", "other")
    assert planned(tree) == PREPARE | MADDS | NETWORKS | REPORTS
    change_config(tree, "extends", None)
    change_config(tree, "preset", "sample")
    assert not planned(tree)


def test_a_value_changed_in_the_preset_plans_its_stage_and_what_follows(tree):
    preset = tree / PRESETS / "sample.yaml"
    text = preset.read_text()
    preset.write_text(text.replace("temperature: [1.0, 0.0001]", "temperature: [1.0, 0.5]", 1))
    forced = force_paths("dynmm_b") | STUDY
    assert planned(tree) == train("dynmm_b") | OF_B | forced | REPORTS
    change_config(tree, "nyuv2.runs.dynmm_b.temperature", [1.0, 0.0001])  # goes over the preset
    assert not planned(tree)


@pytest.mark.parametrize(
    ("key", "value", "jobs"),
    [
        ("nyuv2.prepare.depth", "raw", PREPARE | NETWORKS | REPORTS),
        ("nyuv2.network.fusion", "add", MADDS | NETWORKS | REPORTS),
        (
            "nyuv2.network.pretrained",
            "imagenet",
            {job: n for job, n in NETWORKS.items() if job[1] not in COUNTED} | REPORTS,
        ),
        (
            "nyuv2.runs.esanet_small.network.encoder",
            "resnet34",
            {("count_segmentation_madds", "esanet_small"): 1}
            | train("esanet_small")
            | evaluate("esanet_small")
            | STUDY
            | REPORTS,
        ),
        (
            "nyuv2.runs.dynmm_b_45.budget",
            {"depth_share": 0.4},
            evaluate("dynmm_b_45") | STUDY | TABLES,
        ),
        ("nyuv2.augmentation.hsv", "authors", NETWORKS | REPORTS),
        ("nyuv2.training.learning_rate", 0.0123, NETWORKS | REPORTS),
        ("nyuv2.training.workers", 4, {}),
        ("nyuv2.training.pin_memory", True, {}),
        (
            "nyuv2.training.resource_weight",
            0.123,
            train(*GATED, *ON_THE_WAY) | evaluate(*GATED, *BUDGETS) | FORCED | REPORTS,
        ),
        (
            "nyuv2.runs.dynmm_b.temperature",
            [0.0001, 1.0],  # the same two values in another order
            DYNMM_B | REPORTS,
        ),
        (
            "nyuv2.runs.dynmm_b.init_from",
            "stage1",
            DYNMM_B | REPORTS,
        ),
        ("nyuv2.evaluation.batch_size", 3, evaluate(*SHOWN) | FORCED | TABLES),
        ("data.nyuv2.content", "other rooms", evaluate(*SHOWN) | STUDY | REPORTS),
        ("resources.train_segmentation.mem_mb", 9000, {}),
    ],
)
def test_a_changed_setting_plans_its_stage_and_what_follows(tree, key, value, jobs):
    change_config(tree, key, value)
    assert planned(tree) == jobs


def test_released_weights_are_one_more_model_to_evaluate(tree):
    (tree / "ckpt_best.pth").write_text("weights")
    run = {"model": "dynamic", "weights": "ckpt_best.pth"}
    change_config(tree, "nyuv2.runs.released", run)
    own = evaluate("released", seeds=1) | force_paths("released", seeds=1)
    assert planned(tree) == own | STUDY | TABLES


def sparse(path, size):
    """A file of `size` zero bytes that takes no space."""
    with open(path, "wb") as file:
        file.truncate(size)


def renew(path):
    """Give a file a time stamp above that of everything made."""
    later = time.time() + 100
    os.utime(path, (later, later))


def test_a_large_raw_file_with_a_new_time_stamp_alone_prepares_nothing(tree):
    raw = tree / RAW
    sparse(raw, LARGE + 1)
    manifest = tree / "results/sample/nyuv2/prepared/manifest.json"
    entry = {"file": raw.name, "bytes": LARGE + 1, "sha256": sha256(raw)}
    manifest.write_text(json.dumps({"raw": {"labeled": entry}}))
    workflow_tree.snakemake(tree, "--touch", "--forceall", "nyuv2")
    renew(raw)
    assert not planned(tree)
    kept = json.loads((raw.parent / f".{raw.name}.sha256").read_text())
    assert kept["sha256"] == entry["sha256"]
    with open(raw, "r+b") as file:
        file.write(b"x")
    renew(raw)
    assert planned(tree) == PREPARE | NETWORKS | REPORTS


def test_large_weights_with_a_new_time_stamp_alone_plan_nothing(tree):
    """Later stages depend on training.json beside them, which has their digest."""
    for weights in tree.glob("results/sample/nyuv2/models/*/*/weights.safetensors"):
        sparse(weights, 200_000_000)
        renew(weights)
        renew(weights.with_name("training.json"))
    assert not planned(tree)
    (training,) = tree.glob("results/sample/nyuv2/models/esanet_long/seed0/training.json")
    training.write_text("of another training")
    renew(training)
    jobs = evaluate("esanet_long", seeds=1) | STUDY | TABLES
    assert planned(tree) == jobs


def test_released_weights_are_known_by_their_content(tree):
    run = {"model": "dynamic", "weights": "ckpt_best.pth"}
    sparse(tree / "ckpt_best.pth", LARGE + 1)
    change_config(tree, "nyuv2.runs.released", run)
    workflow_tree.make(tree, "nyuv2")
    assert not planned(tree)
    renew(tree / "ckpt_best.pth")
    assert not planned(tree)
    with open(tree / "ckpt_best.pth", "r+b") as file:
        file.write(b"x")
    own = evaluate("released", seeds=1) | force_paths("released", seeds=1)
    assert planned(tree) == own | STUDY | TABLES


@pytest.mark.parametrize("key", ["execution.checkpoint_seconds", "execution.deterministic"])
def test_how_jobs_are_executed_plans_nothing(tree, key):
    change_config(tree, key, 7 if key.endswith("seconds") else True)
    assert not planned(tree)
