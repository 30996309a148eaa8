"""The house: what each room may import. Imports point one way, against the flow of the data."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "dynmm"
GROUND = {
    "errors",
    "files",
    "locks",
    "vocabulary",
    "budget_records",
    "carried_provenance",
    "execution",
    "kept_checksums",
    "options",
    "published_weights",
    "stop_signals",
    "stored_arrays",
    "stored_records",
}
WITHIN = {  # room -> rooms it may import beside itself and the ground floor
    "code_meaning": set(),
    "code_closure": {"code_meaning"},
    "gpu_presence": set(),
    "device_lease": set(),
    "device": {"device_lease", "gpu_presence"},
    "program": set(),
    "provenance": {"code_closure"},
    "raw_check": {"data"},
    "configuration": set(),
    "metrics": set(),
    "data": set(),
    "models": set(),
    "tasks": {"data", "metrics", "models"},
    "inference": {"data", "metrics", "models"},
    "training": {"data", "device", "inference", "metrics", "models", "provenance"},
    "evaluation": {"data", "inference", "metrics", "models"},
    "reporting": {"configuration", "data"},
    "planning": {"models", "tasks"},
    "leftovers": {"configuration", "evaluation", "provenance"},
}
PROGRAMS = {  # what the name of a program says it may use, beside program, provenance and device
    "prepare_": {"data"},
    "expand_": {"data"},
    "download_": {"data"},
    "train_": {"tasks", "training"},
    "store_": {"data", "inference", "models", "tasks", "training"},
    "cross_fit_": {"data", "inference", "models", "tasks", "training"},
    "count_": {"data", "models", "tasks"},
    "evaluate_": {"data", "evaluation", "inference", "models", "tasks"},
    "predict_": {"data", "evaluation", "models"},
    "check_": {"data", "evaluation", "reporting"},
    "tabulate_": {"reporting"},
    "plot_": {"configuration", "reporting"},
    "find_": {"configuration", "leftovers"},
}
EVERY_PROGRAM = {"program", "provenance", "device"}


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path):
    """(room, line) of every import of the package in a file, inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            whole = [alias.name for alias in node.names]
        else:
            continue
        for name in whole:
            parts = name.split(".")
            if parts[0] == "dynmm" and len(parts) > 1 and parts[1] != "__version__":
                found.append((parts[1], node.lineno))
    return found


def wrong(path, allowed):
    return [
        f"{path.relative_to(ROOT)}:{line} imports {room}"
        for room, line in imported_rooms(path)
        if room not in allowed | GROUND
    ]


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_its_own_room_and_those_below(path):
    room = room_of(path)
    if room in GROUND:
        assert wrong(path, set()) == []
    else:
        assert wrong(path, WITHIN[room] | {room}) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "workflow" / "scripts").glob("*.py")), ids=lambda path: path.stem
)
def test_a_program_uses_the_rooms_its_verb_stands_for(path):
    (verb,) = (verb for verb in PROGRAMS if path.stem.startswith(verb))
    assert wrong(path, PROGRAMS[verb] | EVERY_PROGRAM) == []


def test_the_rooms_have_an_order():
    placed, waiting = set(GROUND), dict(WITHIN)
    while waiting:
        ready = [room for room, below in waiting.items() if below <= placed]
        assert ready, f"a circle among {sorted(waiting)}"
        placed |= set(ready)
        waiting = {room: below for room, below in waiting.items() if room not in ready}


def test_one_task_s_room_imports_nothing_of_another_s():
    tasks = {"nyuv2", "mmimdb", "mosei"}
    for path in MODULES:
        own = tasks & set(path.relative_to(PACKAGE).parts)
        if not own:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("dynmm."):
                others = tasks & set(node.module.split(".")) - own
                assert not others, f"{path}:{node.lineno} imports {node.module}"
