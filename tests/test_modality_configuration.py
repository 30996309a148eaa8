"""Points of the grid, slices and refusals of the modality level's configuration."""

import copy
import re

import pytest
import yaml

from dynmm.configuration import modality
from dynmm.configuration.grid import (
    FOLDERS,
    all_points,
    grid_points,
    inference_mode,
    named_gates,
    point_path,
    points_by_folder,
    spelled,
    temperatures,
)
from dynmm.configuration.validation import validate
from dynmm.errors import InputError
from test_configuration import CONFIG, SCHEMA, changed, refusal
from workflow_tree import ROOT, configured

POINT = {"lambda": "0.1", "tau": "1", "mode": "straight_through", "freeze": "true"}
TASKS = ("mmimdb", "mosei")


def test_points_are_every_combination_and_the_single_ones_each_once():
    section = {
        "grid": {"lambda": [0, "1e-3"], "tau": [1], "mode": ["soft"], "freeze": [True, False]},
        "points": [
            {"lambda": 0.5, "tau": "1..0.1", "mode": "soft", "freeze": False},
            {"lambda": 0, "tau": 1, "mode": "soft", "freeze": True},  # one of the grid
        ],
    }
    found = [tuple(point.values()) for point in grid_points(section)]
    assert found == [
        ("0", "1", "soft", "true"),
        ("0", "1", "soft", "false"),
        ("1e-3", "1", "soft", "true"),
        ("1e-3", "1", "soft", "false"),
        ("0.5", "1..0.1", "soft", "false"),
    ]


def test_paths_spell_values_as_typed():
    assert [spelled(value) for value in ("1e-3", 0.001, "0.10", 1, True)] == [
        *("1e-3", "0.001", "0.10", "1", "true"),
    ]
    assert point_path(POINT) == "lambda~0.1/tau~1/mode~straight_through/freeze~true"


@pytest.mark.parametrize("task", TASKS)
def test_a_point_is_found_by_its_folder(task):
    found = points_by_folder(CONFIG[task])
    assert list(found.values()) == all_points(CONFIG[task])
    for folder, point in found.items():
        assert folder == point_path(point) and re.fullmatch(FOLDERS, folder)
        assert not re.fullmatch(FOLDERS, f"{folder}/seed~0")
    assert point_path(named_gates(CONFIG[task])[0]) == "gate~cross_fitted"


GATED = {
    "title": "Ours",
    "lambda": 0.3,
    "tau": 1,
    "mode": "expected_loss",
    "freeze": "cross_fitted",
    "budgets": [{"share": 0.5}, {"ms": 2}],
}


def with_gate(**own):
    return changed(("mmimdb", "gates"), {"mine": GATED | own})


def test_a_gate_s_own_keys_go_over_the_shared_block():
    gate = {"model": "mlp", "options": {"hidden": 3}}
    config = with_gate(dynamic={"learning_rate": 0.5, "gate": gate})
    (point,) = named_gates(config["mmimdb"])
    assert point == {
        "gate": "mine",
        "lambda": "0.3",
        "tau": "1",
        "mode": "expected_loss",
        "freeze": "cross_fitted",
    }
    own = modality.dynamic_training(config, "mmimdb", point)
    assert own["training"]["learning_rate"] == 0.5 and own["gate"] == gate
    assert own["training"]["patience"] == CONFIG["mmimdb"]["dynamic"]["patience"]
    other = modality.dynamic_training(config, "mmimdb", POINT)
    assert other == modality.dynamic_training(CONFIG, "mmimdb", POINT)
    evaluated = modality.dynamic_evaluation(config, "mmimdb", point)
    assert evaluated["budgets"] == GATED["budgets"] and evaluated["title"] == "Ours"
    assert evaluated["gate"] == gate and evaluated["point"] == point


def test_budgets_of_a_grid_point_are_those_of_the_rows_that_name_it():
    weight = CONFIG["mmimdb"]["grid"]["lambda"][1]
    rows = {
        "dynmm_a": {"lambda": f"{weight}0", "budget": {"share": 0.1}},
        "dynmm_b": {"lambda": weight, "budget": {"share": 0.5}},
        "dynmm_c": {"share": 0.9},
    }
    config = changed(("mmimdb", "table1"), rows)
    validate(config, SCHEMA)
    found = {
        point["lambda"]: modality.budgets_of(config["mmimdb"], "mmimdb", point)
        for point in grid_points(config["mmimdb"])
        if point["mode"] == "straight_through"
    }
    assert found.pop(str(weight)) == [{"share": 0.1}, {"share": 0.5}]
    assert not any(found.values())


@pytest.mark.parametrize(
    ("path", "value", "key", "expected"),
    [
        (("gates", "x"), GATED | {"title": ""}, "gates.x.title", "a few words"),
        (("gates", "x"), GATED | {"budgets": [{"shar": 1}]}, "gates.x.budgets.0.shar", "share"),
        (("gates", "x"), GATED | {"budgets": [{}]}, "gates.x.budgets.0", "one cost"),
        (("gates", "x"), GATED | {"dynamic": {"folds": 2}}, "gates.x.dynamic.folds", "gate"),
        (
            ("gates", "x"),
            GATED | {"mode": "soft"},
            "budget of gate x, lambda 0.3, tau 1, mode soft, freeze cross_fitted",
            "a gate that chooses",
        ),
        (("table1", "dynmm_a"), {"budget": {"share": 0.5}}, "table1.dynmm_a", "exactly one"),
        (
            ("table1", "dynmm_a"),
            {"lambda": 0.02, "share": 0.4, "budget": {"share": 0.5}},
            "table1.dynmm_a.share",
            "nothing beside a budget",
        ),
        (
            ("table1", "dynmm_a"),
            {"lambda": 0.02, "share": 0.4},
            "table1.dynmm_a.share",
            "nothing beside a lambda",
        ),
        (("table1", "dynmm_a"), {"lambda": 0.5}, "table1.dynmm_a", "such as lambda 0, tau 1"),
        (("table1", "dynmm_a"), {"tau": 1}, "table1.dynmm_a", "exactly one point"),
        (("table1", "dynmm_a"), {"share": 0.5, "tau": 2}, "table1.dynmm_a", "exactly one point"),
        (("gates", "x"), GATED | {"title": "DynMM, cross-fitted"}, "gates.x.title", "cross_fitted"),
        (
            ("noise", "points", "x"),
            {"title": "DynMM", "gate": "hardened"},
            "noise.points.x.title",
            "that of dynmm",
        ),
        (("training", "to_beat"), 1.0, "training.to_beat", "an F1"),
        (("experts", "text", "training"), {"to_beat": 2}, "experts.text.training.to_beat", "an F1"),
        (
            ("gates", "x"),
            GATED | {"dynamic": {"to_beat": 0}},
            "gates.x.dynamic.to_beat",
            "at least",
        ),
        (("grid", "lambda"), ["1e999"], "lambda", "at most 1e+06"),
    ],
)
def test_bad_gates_and_budgets_are_refused(path, value, key, expected):
    error = refusal(changed(("mmimdb", *path), value))
    assert error.key in (f"mmimdb.{key}", f"mmimdb: {key}")
    assert expected in error.expected


def test_rows_show_hard_gates_unless_they_say_otherwise():
    validate(changed(("mmimdb", "table1"), {"dynmm_a": {"lambda": 0}}), SCHEMA)
    for soft in ({"inference": "soft"}, {"mode": "soft"}, {"share": 0.3, "mode": "soft"}):
        validate(changed(("mmimdb", "table1"), {"dynmm_d": soft}), SCHEMA)
    error = refusal(changed(("mmimdb", "table1"), {"dynmm_a": {"lambda": 0.02, "mode": "soft"}}))
    assert error.found == "settings of 0 points of the grid"


def test_figure_5_needs_a_row_that_some_point_can_show():
    config = changed(("mosei", "grid", "tau"), [1])  # soft gates that are never annealed
    config["mosei"]["noise"]["points"]["dynmm"]["tau"] = 1
    assert refusal(config).key == "mosei.figure5.row"
    config["mosei"]["table2"] = {config["mosei"]["figure5"]["row"]: {"mode": "soft", "share": 0.5}}
    validate(config, SCHEMA)


def test_a_loss_to_beat_may_be_any_above_0():
    validate(changed(("mosei", "training", "to_beat"), 3), SCHEMA)
    assert refusal(changed(("mosei", "training", "to_beat"), 0)).key == "mosei.training.to_beat"


@pytest.mark.parametrize(
    ("tau", "expected"), [("1", (1, 1)), ("1..0.001", (1, 0.001)), ("1e0..1e-3", (1, 0.001))]
)
def test_tau_is_a_temperature_or_a_schedule(tau, expected):
    assert temperatures(tau) == expected


@pytest.mark.parametrize("tau", ["0", "1..0", "1e-7", "1..1e9", "x", "1..x"])
def test_other_taus_are_refused(tau):
    with pytest.raises(ValueError, match=r"temperature|convert"):
        temperatures(tau)


@pytest.mark.parametrize(
    ("mode", "tau", "expected"),
    [
        ("straight_through", "1", "hard"),
        ("soft", "1", "soft"),
        ("soft", "1..1", "soft"),
        ("soft", "1..0.001", "hard"),
    ],
)
def test_a_soft_gate_stays_soft_unless_it_is_annealed(mode, tau, expected):
    assert inference_mode({**POINT, "mode": mode, "tau": tau}) == expected


def test_an_expert_overrides_the_shared_training():
    config = changed(("mmimdb", "experts", "text", "training"), {"epochs": 77})
    own = modality.expert_training(config, "mmimdb", "text")
    assert own["training"]["epochs"] == 77
    assert own["training"]["batch_size"] == CONFIG["mmimdb"]["training"]["batch_size"]
    assert "training" not in own["expert"]


def test_a_point_reaches_its_training_in_numbers():
    point = {**POINT, "lambda": "1e-1", "tau": "2..0.5", "mode": "soft", "freeze": "false"}
    training = modality.dynamic_training(CONFIG, "mmimdb", point)["training"]
    expected = {
        "resource_weight": 0.1,
        "temperature": [2.0, 0.5],
        "mode": "soft",
        "inference": "hard",
        "freeze": False,
    }
    assert {key: training[key] for key in expected} == expected


def slices(config, task):
    """Every slice of a task, by stage."""
    name = config[task]["dynamic"]["experts"][-1]
    return {
        "expert": modality.expert_training(config, task, name),
        "stored": modality.stored_outputs(config, task, name),
        "expert evaluation": modality.expert_evaluation(config, task, name),
        "point": modality.dynamic_training(config, task, POINT),
        "point evaluation": modality.dynamic_evaluation(config, task, POINT),
        "madds": modality.madds(config, task),
    }


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("path", "value", "stages"),
    [
        (("training", "learning_rate"), 0.5, {"expert"}),
        (("dynamic", "learning_rate"), 0.5, {"point"}),
        (("dynamic", "cost_convention"), "authors", {"point"}),
        (("dynamic", "select_by"), "score", {"point"}),
        (("dynamic", "gate", "options"), {}, {"point", "point evaluation", "madds"}),
        (("evaluation", "batch_size"), 3, {"stored", "expert evaluation", "point evaluation"}),
        (("grid", "lambda"), [7], set()),
        (("points",), [], set()),
    ],
)
def test_a_slice_changes_with_what_its_stage_reads_alone(task, path, value, stages):
    before, after = slices(CONFIG, task), slices(changed((task, *path), value), task)
    assert {stage for stage, found in after.items() if found != before[stage]} == stages


def test_what_the_data_is_reaches_the_evaluations_alone():
    before = slices(CONFIG, "mosei")
    after = slices(changed(("data", "mosei", "content"), "other"), "mosei")
    different = {stage for stage in after if after[stage] != before[stage]}
    assert different == {"expert evaluation", "point evaluation"}


def test_sequences_are_batched_alike_in_every_stage():
    after = slices(changed(("mosei", "by_length"), False), "mosei")
    assert not any(
        after[stage][block]["by_length"]
        for stage, block in (
            *(("expert", "training"), ("point", "training")),
            *(("stored", "evaluation"), ("point evaluation", "evaluation")),
        )
    )


def test_added_python_files_are_named_once():
    entries = [{"model": "a", "module": "x.py"}, {"model": "b"}, {"model": "c", "module": "x.py"}]
    assert modality.added_modules(entries) == ["x.py"]


@pytest.mark.parametrize(
    ("path", "value", "key", "found", "expected"),
    [
        (("dynamic", "experts"), ["text", "txt"], "dynamic.experts.1", "txt", "one of text"),
        (("dynamic", "experts"), ["text"], "dynamic.experts", "['text']", "two or more"),
        (("dynamic", "gumbel"), 1, "dynamic.gumbel", "1", "true or false"),
        (("grid", "lambda"), [0.1, "1e-1"], "grid.lambda", "0.1 and 1e-1", "differ as numbers"),
        (("grid", "lambda"), [-1], "grid.lambda.0", "-1", "from 0 to 1e6"),
        (("grid", "lambda"), ["a"], "grid.lambda.0", "a", "a number from 0"),
        (("grid", "tau"), [0], "grid.tau.0", "0", "from 1e-6"),
        (("grid", "tau"), ["1.."], "grid.tau.0", "1..", "1..0.001"),
        (("grid", "mode"), ["hard"], "grid.mode.0", "hard", "soft, straight_through"),
        (("grid", "freeze"), [], "grid.freeze", "[]", "a list"),
        (("training", "patience"), -1, "training.patience", "-1", "null for never"),
        (("experts", "text", "module"), "x", "experts.text.module", "x", ".py"),
        (("experts", "text", "training", "epoch"), 1, "experts.text.training.epoch", None, "epo"),
    ],
)
def test_a_bad_value_is_refused_with_its_path_and_what_is_allowed(
    path, value, key, found, expected
):
    config = copy.deepcopy(CONFIG)
    config["mmimdb"]["experts"]["text"].setdefault("training", {})
    block = config["mmimdb"]
    for part in path[:-1]:
        block = block[part]
    block[path[-1]] = value
    error = refusal(config)
    assert error.key == f"mmimdb.{key}"
    assert found is None or error.found == found
    assert expected in error.expected


def test_a_temperature_that_falls_to_zero_is_refused():
    config = changed(("mosei", "grid", "tau"), ["1..0"])
    with pytest.raises(InputError, match=r"mosei: tau; found: 1\.\.0"):
        validate(config, SCHEMA)


def test_the_example_of_the_page_is_the_file():
    page = (ROOT / "docs" / "routing.md").read_text()
    name = "config/examples/cross_fitted.yaml"
    (block,) = re.findall(rf"```yaml\n# {re.escape(name)}[^\n]*\n(.*?)```", page, re.S)
    example = yaml.safe_load((ROOT / name).read_text())
    assert yaml.safe_load(block)["mmimdb"] == example["mmimdb"]
    validate(configured({"preset": "paper"}, example), SCHEMA)
