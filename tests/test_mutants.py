"""The list of planted mistakes fits the code, and the run of them can say no."""

import subprocess
import sys

import pytest
import yaml

from mutants import run

EDITS = run.read_edits()
ASKED_FOR = {  # mistakes that were once planted by hand and that no test noticed
    "class_weights_of_one",
    "learning_rate_not_scaled",
    "temperature_never_annealed",
    "full_scale_loss_only",
    "lambda_dropped",
    "selection_on_training_frames",
    "weight_decay_dropped",
    "patience_ignored",
    "no_clipping",
    "mse_for_l1",
}


def test_every_edit_fits_the_code_and_its_tests_exist():
    wrong = []
    for edit in EDITS:
        text = (run.ROOT / run.PACKAGE / edit.file).read_text(encoding="utf-8")
        if text.count(edit.find) != 1:
            wrong.append(f"{edit.name}: found {text.count(edit.find)} times in {edit.file}")
        if edit.find == edit.replace:
            wrong.append(f"{edit.name}: changes nothing")
        files = [run.ROOT / "tests" / name.partition("::")[0] for name in edit.tests]
        wrong += [f"{edit.name}: no {path}" for path in files if not path.is_file()]
    assert not wrong, "\n".join(wrong)


def test_the_list_is_long_enough_and_has_ten_most_telling():
    assert len(EDITS) >= 200
    assert {edit.name for edit in EDITS if edit.telling} == ASKED_FOR
    survivors = [edit.name for edit in EDITS if edit.survives]
    assert len(survivors) <= (1 - run.SHARE) * len(EDITS)


# the run itself, on a tree of one module


@pytest.fixture
def tree(tmp_path):
    """A folder like the project's, with a module of two functions of which one is tested well."""
    files = {
        "pytest.ini": "[pytest]\nmarkers = slow\n",
        "src/dynmm/__init__.py": "",
        "src/dynmm/sums.py": """
def add(a, b):
    return a + b

def half(a):
    return a / 2
""",
        "tests/test_sums.py": """
from dynmm.sums import add, half

def test_add():
    assert add(1, 3) == 4

def test_half():
    assert half(8) < 8
""",
        "tests/test_others.py": """
from dynmm.sums import half

def test_half_of_nothing():
    assert half(0) == 0
""",
    }
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "tree"


WRONG_SIGN = {"find": "a + b", "replace": "a - b"}
PLUS_TWO = {"find": "a / 2", "replace": "a / 2 + 0.1"}  # the tests it names do not notice
SMALLER = {"find": "a / 2", "replace": "a / 3"}  # none does


def mutants(tree, **changes):
    """The exit code of a run of these edits of `sums.py`."""
    same = {"file": "sums.py", "breaks": "it", "tests": ["test_sums.py"]}
    entries = [{"name": name, **same, **change} for name, change in changes.items()]
    (tree / "edits.yaml").write_text(yaml.safe_dump(entries))
    options = {"root": tree, "edits": tree / "edits.yaml", "jobs": 1, "out": tree / "out"}
    return run.main([text for key, value in options.items() for text in (f"--{key}", str(value))])


def test_a_mutant_is_killed_by_the_first_test_that_notices(tree):
    assert mutants(tree, wrong_sign=WRONG_SIGN, plus_two=PLUS_TWO) == 0
    table = (tree / "out" / "table.csv").read_text().splitlines()
    assert table[0] == "name,file,breaks,killed by,survives,seconds"
    assert table[1].startswith("wrong_sign,sums.py,it,test_sums.py::test_add,")
    assert table[2].startswith("plus_two,sums.py,it,test_others.py::test_half_of_nothing,")
    summary = (tree / "out" / "table.md").read_text().splitlines()
    assert "| together | 2 | 2 |" in summary
    assert (tree / "src" / "dynmm" / "sums.py").read_text().count("a + b") == 1


def test_a_survivor_must_be_said_to_be_one(tree, capsys):
    said = {"survives": "equivalent"}
    assert mutants(tree, smaller=SMALLER, wrong_sign=WRONG_SIGN | said) == 1
    printed = capsys.readouterr().out
    assert "smaller: survives" in printed
    assert "wrong_sign: dies and is said to survive" in printed
    assert "NOT NOTICED" in (tree / "out" / "table.md").read_text()


def test_what_does_not_run_is_an_error_and_not_a_kill(tree):
    with pytest.raises(ValueError, match=r"missing: found 0 times in sums\.py"):
        mutants(tree, wrong_sign=WRONG_SIGN, missing={"find": "a + c", "replace": "a - c"})
    with pytest.raises(ValueError, match="twice: found 2 times"):
        mutants(tree, twice={"find": "return a", "replace": "return b"})
    with pytest.raises(RuntimeError, match="broken: the tests do not run"):
        mutants(tree, broken={"find": "def half(a):", "replace": "def halve(a):"})
    with pytest.raises(ValueError, match="unknown keys"):
        mutants(tree, wrong_sign=WRONG_SIGN | {"reason": "none"})
    (tree / "tests" / "test_sums.py").write_text("def test_add():\n    assert False\n")
    with pytest.raises(RuntimeError, match=r"this test fails: test_sums\.py::test_add"):
        mutants(tree, wrong_sign=WRONG_SIGN)


@pytest.mark.slow
def test_the_most_telling_mistakes_are_noticed(tmp_path):
    command = [sys.executable, run.__file__, "--telling", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 killed" in done.stdout
