"""What a change plans of the routing study and its reports: dry runs on a finished tree."""

import shutil

import pytest

from workflow_tree import SETTINGS, change_config, edit, finished_tree, planned

SEEDS = len(SETTINGS["seeds"])
GATED = ("dynmm_a", "dynmm_b", "dynmm_noise")

pytestmark = pytest.mark.slow

REPORTS = {("tabulate_routing", ""): 3, ("plot_routing", ""): 3}
ONE = {("tabulate_routing", ""): 1, ("plot_routing", ""): 1}
PATHS = {("evaluate_paths", run): SEEDS for run in GATED}
OF_PATHS = {("evaluate_path_routing", ""): 1}
OF_EXPERTS = {("evaluate_routing", ""): 2}
TABLES = {
    ("tabulate_modality", "table1"): 1,
    ("tabulate_modality", "table2"): 1,
    ("tabulate_segmentation", "table3"): 1,
}
TABLE_1, TABLE_2, TABLE_3 = ({job: 1} for job in TABLES)
TARGETS = ("routing", *(f"reports/table{number}.csv" for number in (1, 2, 3, 4)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finished_tree(tmp_path_factory.mktemp("finished") / "tree", *TARGETS)


@pytest.fixture
def tree(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "tree")


def test_a_finished_tree_plans_nothing(finished):
    assert not planned(finished, *TARGETS)


@pytest.mark.parametrize(
    ("key", "value", "jobs"),
    [
        ("routing.draws", 300, OF_PATHS | OF_EXPERTS | REPORTS | TABLES),
        ("routing.bootstrap", 300, OF_PATHS | OF_EXPERTS | REPORTS | TABLES),
        ("routing.scores.mmimdb", "micro_f1", ONE | TABLE_1),
        ("routing.scores.mosei", "mae", ONE | TABLE_2),
        (
            "routing.feature_madds_m.mmimdb.image",
            100,
            {("evaluate_routing", ""): 1} | ONE | TABLE_1,
        ),
        ("resources.evaluate_paths.mem_mb", 9000, {}),
        ("resources.evaluate_routing.threads", 2, {}),
    ],
)
def test_a_changed_setting_runs_no_network_and_plans_what_reads_it(tree, key, value, jobs):
    change_config(tree, key, value)
    assert planned(tree, *TARGETS) == jobs


@pytest.mark.parametrize(
    ("source", "jobs"),
    [
        ("src/dynmm/evaluation/routing/policies.py", OF_PATHS | OF_EXPERTS | REPORTS | TABLES),
        ("src/dynmm/evaluation/segmentation/routing.py", OF_PATHS | ONE | TABLE_3),
        (
            "src/dynmm/evaluation/segmentation/forced_paths.py",
            PATHS | OF_PATHS | ONE | TABLE_3,
        ),
        (
            "src/dynmm/tasks/mosei/routing.py",
            {("evaluate_routing", ""): 1} | ONE | TABLE_2,
        ),
        ("src/dynmm/reporting/routing_figure.py", {("plot_routing", ""): 3}),
        ("src/dynmm/reporting/routing_markdown.py", {("tabulate_routing", ""): 3}),
    ],
)
def test_an_edited_module_plans_what_runs_it(tree, source, jobs):
    edit(tree, source)
    assert planned(tree, *TARGETS) == jobs


def test_experts_that_train_with_the_gate_need_no_stored_outputs(tree):
    for task in ("mmimdb", "mosei"):
        change_config(tree, f"{task}.grid.freeze", [False])
        change_config(tree, f"{task}.points", [])
        for gate in SETTINGS[task]["gates"]:
            change_config(tree, f"{task}.gates.{gate}", None)
        for model, entry in SETTINGS[task]["noise"]["points"].items():
            if "gate" in entry:
                change_config(tree, f"{task}.noise.points.{model}", None)
        change_config(tree, f"{task}.noise.points.dynmm.freeze", False)
    shutil.rmtree(tree / "results")
    rules = {rule for rule, _ in planned(tree, "routing")}
    assert "evaluate_routing" in rules and "store_expert_outputs" not in rules
