"""What a changed leaf of the configuration plans: as `plans/leaves.yaml` says, held here."""

import copy
import json
import shutil
import subprocess
import sys

import pytest
import yaml

import attack_config
from attack_config import ROWS, SCHEMA, block_at
from workflow_tree import RAW_FILES, ROOT

FILE = yaml.safe_load((ROOT / "tests/plans/leaves.yaml").read_text())
CHANGES, FIXED = FILE["changes"], set(FILE["fixed"])
TASKS = ("mmimdb", "mosei")
EXPERTS = ROOT / "src/dynmm/models/experts"


def leaves(rule=SCHEMA, path=()):
    """(leaf with `*` for names that users give, its rule) of the whole schema."""
    while "$ref" in rule:
        target = SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]]
        both = target.get("properties", {}) | rule.get("properties", {})
        rule = target | {k: v for k, v in rule.items() if k != "$ref"} | {"properties": both}
    blocks = {key: inner for key, inner in rule.get("properties", {}).items() if inner is not False}
    if isinstance(rule.get("additionalProperties"), dict):
        blocks["*"] = rule["additionalProperties"]
    if not blocks:
        yield ".".join(path), rule
    for key, inner in blocks.items():
        yield from leaves(inner, (*path, key))


LEAVES = dict(leaves())


def told():
    """Leaf -> the rules that the table says, "every" for all of them."""
    found = {}
    for entry in FILE["planned"]:
        for name in entry["leaves"]:
            for leaf in _of_each_task(name):
                assert leaf not in found, f"{leaf} stands twice"
                found[leaf] = entry["rules"]
    return found


def _of_each_task(name):
    block, _, rest = name.partition(".")
    return [f"{task}.{rest}" for task in TASKS] if block == "m*" else [name]


def test_every_leaf_of_the_schema_has_its_place_in_the_table():
    there, known = set(LEAVES), {*told(), *FIXED}
    assert sorted(there - known) == [], "add them to tests/plans/leaves.yaml"
    assert sorted(known - there) == [], "they are gone: take them out of tests/plans/leaves.yaml"
    assert FIXED.isdisjoint(told()) and set(CHANGES) <= set(told())


def test_how_a_run_is_executed_plans_nothing():
    silent = {leaf for leaf, rules in told().items() if not rules}
    loading = {f"nyuv2.{b}training.{k}" for b in ("", "runs.*.") for k in ("workers", "pin_memory")}
    assert silent >= loading | {leaf for leaf in LEAVES if leaf.startswith(("resources", "execut"))}


def whole_config():
    """A configuration with a value at every leaf, and points that settings of rows can mean."""
    config = attack_config.full()
    config["seeds"] = [0]
    for task, mode in zip(TASKS, ("soft", "straight_through"), strict=True):
        section, (point,) = config[task], config[task]["points"]
        others = [{"tau": 2}, {"mode": mode}, {"mode": "expected_loss"}, {"freeze": False}]
        section["points"] = [point, *(point | other for other in others)]
        row = section[ROWS[task]]["dynmm_c"]
        section[ROWS[task]]["dynmm_c"] = point | row
    return config


def changed(config, leaf):
    """The configuration with another value at a leaf."""
    config, change = copy.deepcopy(config), CHANGES.get(leaf, {})
    for path, value in change.get("with", {}).items():
        _put(config, path.split("."), value)
    place = change["at"].split(".") if "at" in change else _first(leaf.split("."), config)
    value = change["to"] if "to" in change else other(block_at(config, place), LEAVES[leaf])
    return _put(config, place, value)


def other(value, rule):
    """Another value of a leaf, near to the one that it has."""
    if "enum" in rule:
        return next(each for each in rule["enum"] if each is not value and each != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rule.get("multipleOf", 1)
    if isinstance(value, float):
        return value / 2 if value else 0.5
    if isinstance(value, str):
        return f"{value}x"
    return value[:-1] if isinstance(value, list) else 2


def _first(parts, block):
    """The first place of a leaf that has a value."""
    if not parts:
        return []
    for key in block if parts[0] == "*" else parts[:1]:
        rest = _first(parts[1:], block[key]) if isinstance(block, dict) and key in block else None
        if rest is not None:
            return [key, *rest]
    return None


def _put(config, place, value):
    *parents, last = place
    block = config
    for key in parents:
        block = block.setdefault(key, {})
    block[last] = value
    return config


@pytest.fixture
def folder(tmp_path):
    """A working folder with the files that the configurations name."""
    names = ["ckpt_best.pth", "other.pth", "data/imagenet/resnet18-f37072fd.pth"]
    names += ["data/imagenet/resnet34-b627a593.pth"]
    names += [f"elsewhere/{name}" for names in RAW_FILES.values() for name in names]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in TASKS:
        shutil.copy(EXPERTS / f"{name}.py", tmp_path / f"my_{name}.py")
    for name, gate in (("mlp_gate", "mlp"), ("transformer_gate", "transformer")):
        text = (EXPERTS / f"{name}.py").read_text()
        both = text + text.replace(f'"{gate}"', '"other"')
        (tmp_path / f"my_{name}.py").write_text(both)
    return tmp_path


@pytest.mark.slow
def test_a_changed_leaf_changes_the_params_of_the_rules_in_the_table(folder):
    expected, base = told(), whole_config()
    configs = {leaf: changed(base, leaf) for leaf in expected}
    ran = subprocess.run(
        [sys.executable, ROOT / "tests/planned_params.py"],
        input=json.dumps({"base": base, "others": list(configs.values())}),
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    every, *answers = json.loads(ran.stdout)
    wrong = []
    for leaf, jobs in zip(configs, answers, strict=True):
        rules = {job[0] for job in jobs} if isinstance(jobs, list) else jobs
        if rules != set(every if expected[leaf] == "every" else expected[leaf]):
            wrong.append(f"{leaf}: {rules if isinstance(rules, str) else sorted(rules)}")
        elif leaf.startswith(TASKS):
            foreign = f"task={next(task for task in TASKS if not leaf.startswith(task))}"
            wrong += [f"{leaf}: {job}" for job in jobs if foreign in job]
    assert not wrong, "\n".join(wrong)
