"""What reports of the modality level depend on: their slices of the config and their code."""

import copy
from pathlib import Path

import pytest

from dynmm.code_closure import code_closure
from dynmm.configuration import modality_reports
from dynmm.configuration.validation import validate
from dynmm.errors import InputError
from test_configuration import CONFIG, SCHEMA

ROOT = Path(__file__).resolve().parents[1]


def changed(task, **entries):
    config = copy.deepcopy(CONFIG)
    config[task] |= entries
    return config


def test_table_slices_hold_the_named_points():
    config = changed("mmimdb", table1={"dynmm_a": {"lambda": 0.07}})
    validate(config, SCHEMA)
    named = modality_reports.table(config, "table1")
    assert named == {"points": {"dynmm_a": {"lambda": 0.07}}, "paper_data": False}
    assert modality_reports.table(config, "table2")["points"] == {}


def test_figures_have_the_panels_of_the_paper():
    config = changed("mosei", tradeoff={"scores": ["mae"]})
    slices = {name: modality_reports.tradeoff(config, name) for name in modality_reports.TRADEOFFS}
    assert slices["figure4a"] == {"scores": ["micro_f1", "macro_f1"], "shares": False}
    assert slices["figure4b"] == {"scores": [], "shares": True}
    assert slices["mosei_tradeoff"] == {"scores": ["mae"], "shares": True}


def test_figure_5_shows_the_point_that_its_row_of_table_2_shows():
    config = changed("mosei", table2={"dynmm_b": {"share": 0.5}}, figure5={"row": "dynmm_b"})
    validate(config, SCHEMA)
    assert modality_reports.sentences(config) == {
        "row": "dynmm_b",
        "points": {"dynmm_b": {"share": 0.5}},
        "seed": CONFIG["seeds"][0],
    }


@pytest.mark.parametrize(
    ("task", "entries", "key"),
    [
        ("mmimdb", {"table1": {"dynmm_e": {"share": 0.5}}}, "mmimdb.table1"),
        ("mmimdb", {"table1": {"dynmm_a": {"share": 2}}}, "mmimdb.table1.dynmm_a.share"),
        ("mosei", {"table2": {"dynmm_d": {"lambda": 0}}}, "mosei.table2"),
        ("mosei", {"table2": {"dynmm_a": {"lamda": 0}}}, "mosei.table2.dynmm_a.lamda"),
        ("mosei", {"figure5": {"row": "text"}}, "mosei.figure5.row"),
        ("mosei", {"tradeoff": {"scores": []}}, "mosei.tradeoff.scores"),
    ],
)
def test_bad_entries_are_refused_by_their_path(task, entries, key):
    with pytest.raises(InputError) as caught:
        validate(changed(task, **entries), SCHEMA)
    assert caught.value.key == key


@pytest.mark.parametrize("program", ["tabulate_modality", "plot_tradeoff", "plot_sentences"])
def test_reports_depend_on_no_model_training_or_data(program):
    closure = code_closure(ROOT / "workflow" / "scripts" / f"{program}.py", ROOT / "src")
    data = {path.name for path in closure if path.parent.name == "data"}
    assert data <= {"__init__.py", "manifest.py", "array_digests.py"}, "they hold the sentences"
    folders = {path.parent.name for path in closure[1:]}
    assert folders - {"data"} == {"dynmm", "reporting", "configuration"}
    names = {path.name for path in closure}
    assert ("rendering.py" in names) == (program == "tabulate_modality")
    assert ("style.py" in names) == (program != "tabulate_modality")
