"""What a change plans of MM-IMDB and CMU-MOSEI: dry runs on a tree that is finished."""

import re
import shutil
from collections import Counter

import pytest

import workflow_tree
from workflow_tree import SETTINGS, change_config, configured, edit, finished_tree

MOVIES = SETTINGS["mmimdb"]
SEEDS = len(SETTINGS["seeds"])
LAMBDAS = Counter(map(str, [*MOVIES["grid"]["lambda"], *(p["lambda"] for p in MOVIES["points"])]))
GATES = Counter(list(MOVIES["gates"]))
HALF = "late_fusion_half"
UNDER_GATE = MOVIES["dynamic"]["experts"]

pytestmark = pytest.mark.slow

STUDY = {("evaluate_routing", ""): 1}  # Table 1 shows gains over random choice
REPORTS = STUDY | {("tabulate_modality", "table1"): 1, ("plot_tradeoff", ""): 2}
MADDS = {("count_expert_madds", ""): 1}


def expert_jobs(rules, experts, seeds=SEEDS):
    return {(rule, expert): seeds for rule in rules for expert in experts}


def point_jobs(rules, lambdas, seeds=SEEDS):
    return {(rule, lam): seeds * count for rule in rules for lam, count in lambdas.items()}


def both(points, seeds=SEEDS):
    return point_jobs(["train_dynamic", "evaluate_dynamic"], points, seeds)


ALL_POINTS = LAMBDAS + GATES
EVALUATE_POINTS = point_jobs(["evaluate_dynamic"], ALL_POINTS)
POINTS = both(ALL_POINTS)
FOLDS = expert_jobs(["cross_fit_expert"], UNDER_GATE, SEEDS * MOVIES["dynamic"]["folds"])
EVALUATE_EXPERTS = expert_jobs(["evaluate_expert"], MOVIES["experts"])
STORE = expert_jobs(["store_expert_outputs"], UNDER_GATE)
EXPERTS = expert_jobs(["train_expert"], MOVIES["experts"]) | EVALUATE_EXPERTS | STORE | FOLDS


def planned(tree):
    return workflow_tree.planned(tree, "mmimdb")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_tree(tmp_path_factory.mktemp("finished") / "tree", "mmimdb")


@pytest.fixture
def tree(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "tree")


def test_a_finished_tree_plans_nothing(finished):
    assert not planned(finished)


@pytest.mark.parametrize("value", ["1e-3", 0.5, "0.50"])
def test_a_lambda_more_plans_its_own_jobs_and_the_reports(tree, value):
    change_config(tree, "mmimdb.grid.lambda", [*MOVIES["grid"]["lambda"], value])
    own = both({str(value): 1})
    assert planned(tree) == own | REPORTS


def test_a_lambda_less_plans_the_reports_alone(tree):
    change_config(tree, "mmimdb.grid.lambda", MOVIES["grid"]["lambda"][:-1])
    assert planned(tree) == REPORTS


def test_a_single_point_more_plans_its_own_jobs_and_the_reports(tree):
    point = {"lambda": 0.07, "tau": "1..0.01", "mode": "soft", "freeze": False}
    change_config(tree, "mmimdb.points", [*MOVIES["points"], point])
    own = both({"0.07": 1})
    assert planned(tree) == own | REPORTS


def test_the_example_puts_a_gate_of_ours_beside_the_paper_s_grid(tree):
    given = ("--configfile", "config/examples/cross_fitted.yaml", "--config", "preset=paper")
    jobs = workflow_tree.planned(tree, "reports/table1.csv", *given)
    paper = configured({"preset": "paper"})
    seeds, folds = len(paper["seeds"]), paper["mmimdb"]["dynamic"]["folds"]
    assert jobs["train_dynamic", "cross_fitted"] == seeds
    assert jobs["cross_fit_expert", "late_fusion"] == seeds * folds
    plain = workflow_tree.planned(tree, "reports/table1.csv", "--config", "preset=paper")
    assert not [job for job in plain if "cross_fit" in job[0] or job[1] == "cross_fitted"]


def test_a_gate_more_shares_the_folds_and_plans_its_own_jobs_and_the_reports(tree):
    gate = MOVIES["gates"]["cross_fitted"] | {"title": "DynMM, dear", "lambda": 0.5, "budgets": []}
    change_config(tree, "mmimdb.gates.dear", gate)
    assert planned(tree) == both({"dear": 1}) | REPORTS


def test_a_gate_less_plans_the_reports_alone(tree):
    change_config(tree, "mmimdb.gates.cross_fitted", None)
    assert planned(tree) == REPORTS


def test_a_budget_more_evaluates_its_gate_and_trains_nothing(tree):
    change_config(tree, "mmimdb.gates.cross_fitted.budgets", [{"share": 0.9}])
    own = point_jobs(["evaluate_dynamic"], {"cross_fitted": 1})
    assert planned(tree) == own | REPORTS


def test_a_row_at_a_budget_evaluates_the_point_that_it_names(tree):
    weight = MOVIES["grid"]["lambda"][-1]
    row = {"lambda": weight, "budget": {"share": 0.68}}
    change_config(tree, "mmimdb.table1", {"dynmm_b": row})
    assert planned(tree) == point_jobs(["evaluate_dynamic"], {str(weight): 1}) | REPORTS


def test_a_seed_more_plans_its_own_jobs_and_the_reports(tree):
    change_config(tree, "seeds", [*SETTINGS["seeds"], 7])
    share = {job: count // SEEDS for job, count in (EXPERTS | POINTS).items()}
    assert planned(tree) == share | REPORTS


def test_an_expert_more_plans_its_own_jobs_its_count_and_the_reports(tree):
    change_config(tree, "mmimdb.experts.wide", {"model": "text", "options": {"hidden": 512}})
    own = expert_jobs(["train_expert", "evaluate_expert"], ["wide"])
    assert planned(tree) == own | MADDS | REPORTS


def test_an_expert_less_plans_the_count_and_the_reports(tree):
    change_config(tree, "mmimdb.experts.lrtf", None)
    assert planned(tree) == MADDS | REPORTS


@pytest.mark.parametrize(
    ("key", "value", "jobs"),
    [
        ("mmimdb.experts.lrtf.options.rank", 3, expert_jobs(["train_expert"], ["lrtf"])),
        ("mmimdb.experts.late_fusion_half.width", 0.4, expert_jobs(["train_expert"], [HALF])),
        ("mmimdb.dynamic.learning_rate", 0.5, both(LAMBDAS)),  # gates have their own
        ("mmimdb.dynamic.cost_convention", "authors", POINTS),
        ("mmimdb.gates.cross_fitted.dynamic.weight_decay", 0.7, both({"cross_fitted": 1})),
        (
            "mmimdb.gates.cross_fitted.title",
            "X",
            point_jobs(["evaluate_dynamic"], {"cross_fitted": 1}),
        ),
        ("mmimdb.evaluation.batch_size", 3, EVALUATE_EXPERTS | STORE | FOLDS | POINTS),
        ("data.mmimdb.content", "posters", EVALUATE_EXPERTS | EVALUATE_POINTS),
        ("resources.train_dynamic.mem_mb", 9000, None),
        ("mosei.training.learning_rate", 0.5, None),
    ],
)
def test_a_changed_setting_plans_its_stage_and_what_follows(tree, key, value, jobs):
    change_config(tree, key, value)
    expected = jobs | REPORTS if jobs else {}
    if ".experts." in key:
        expected |= MADDS | expert_jobs(["evaluate_expert"], [key.split(".")[2]])
    assert planned(tree) == expected


@pytest.mark.parametrize(
    ("source", "jobs"),
    [
        ("src/dynmm/models/experts/maxout.py", EXPERTS | MADDS | POINTS | REPORTS),
        ("src/dynmm/models/gate_relaxation.py", EVALUATE_EXPERTS | MADDS | POINTS | REPORTS),
        ("src/dynmm/models/experts/mlp_gate.py", EVALUATE_EXPERTS | MADDS | POINTS | REPORTS),
        ("src/dynmm/inference/timing.py", EVALUATE_EXPERTS | EVALUATE_POINTS | REPORTS),
        ("src/dynmm/training/resource_term.py", POINTS | REPORTS),
        ("src/dynmm/tasks/mmimdb/evaluation.py", EVALUATE_EXPERTS | EVALUATE_POINTS | REPORTS),
        ("src/dynmm/models/experts/mosei.py", {}),
        ("src/dynmm/data/mosei/batches.py", {}),
        ("src/dynmm/metrics/regression.py", {}),
    ],
)
def test_an_edited_module_plans_what_its_code_touches(tree, source, jobs):
    edit(tree, source)
    assert planned(tree) == jobs


@pytest.mark.parametrize("missing", [0, 0.2])
def test_a_gate_on_corrupted_samples_needs_no_stored_outputs_of_them(tree, missing):
    change_config(tree, "mmimdb.gates.cross_fitted", None)  # refuses it
    change_config(tree, "mmimdb.dynamic.augmentation.missing", missing)
    point = "lambda~0/tau~1/mode~straight_through/freeze~true/seed~0"
    target = f"results/sample/mmimdb/dynamic/{point}/weights.safetensors"
    found = workflow_tree.snakemake(tree, "--dry-run", "--force", target).stdout
    assert "outputs_validation.npy" in found
    assert ("outputs_train.npy" in found) == (not missing)


def test_an_evaluation_reads_how_long_everything_behind_it_was_trained(tree):
    point = {"lambda": 0, "tau": 1, "mode": "expected_loss", "freeze": "cross_fitted"}
    change_config(tree, "mmimdb.points", [*MOVIES["points"], point])
    folder = "/".join(f"{key}~{value}" for key, value in point.items())
    target = f"results/sample/mmimdb/dynamic/{folder}/seed~0/metrics.json"
    found = workflow_tree.snakemake(tree, "--dry-run", target).stdout
    (inputs,) = re.findall(r"rule evaluate_dynamic:\n    input: (.*)", found)
    inputs = inputs.split(", ")
    read = [path.rpartition("/experts/")[2] for path in inputs if "training.json" in path]
    assert [path for path in read if path.startswith(tuple(UNDER_GATE))] == [
        f"{expert}/seed0/training.json" for expert in UNDER_GATE
    ]
    folds = sum(path.endswith(".npz") for path in inputs)
    assert folds == MOVIES["dynamic"]["folds"] * len(UNDER_GATE)


def test_a_comment_plans_nothing(tree):
    path = tree / "src/dynmm/models/experts/maxout.py"
    path.write_text(path.read_text() + "\n# a word more\n")
    assert not planned(tree)
