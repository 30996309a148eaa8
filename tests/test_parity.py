"""The authors' numbers, and that the program which compares with them can say no."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fixture_rules as rules
import parity

FIXTURES = Path(__file__).parent / "fixtures"
# one weight of 1 GB; minutes of float64
HEAVY = {"imdb_mim", "train_nyu_resnet18_BasicBlock", "train_nyu_resnet50_BasicBlock"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in HEAVY else ())
        for path in parity.fixture_files(FIXTURES)
    ],
)
def test_fixture(path):
    ok, line = parity.check_file(path)
    assert ok, line


@pytest.mark.parametrize("case", ["baseline:weight_decay", "stages"])
def test_a_segmentation_training(case):
    path = FIXTURES / "train_nyu_resnet18_BasicBlock.json"
    record = rules.read_record(path)
    record["cases"] = {case: record["cases"][case]}
    cases = parity.handler_for(path.stem)(record, FIXTURES)
    assert len(cases) > 30
    assert [found for found in cases if not found[1] <= found[2]] == []


def run(*arguments):
    return subprocess.run(
        [sys.executable, parity.__file__, *map(str, arguments)], capture_output=True, text=True
    )


def test_the_program_exits_with_1_when_a_number_is_off(tmp_path):
    for name in ("exp_decay_temp", "diffsoftmax"):
        shutil.copy(FIXTURES / f"{name}.json", tmp_path)
    record = json.loads((tmp_path / "exp_decay_temp.json").read_text())
    record["values"]["(1, 0.0001, 500)"]["250"] *= 1.01
    (tmp_path / "exp_decay_temp.json").write_text(json.dumps(record))
    result = run(tmp_path)
    assert result.returncode == 1
    first, second = result.stdout.splitlines()
    assert first.startswith("diffsoftmax") and " ok" in first
    assert second.startswith("exp_decay_temp") and "NOT OK" in second
    assert run(tmp_path, "diffsoftmax").returncode == 0


def test_a_file_that_nothing_checks_is_not_ok(tmp_path):
    (tmp_path / "unheard_of.json").write_text("{}")
    result = run(tmp_path)
    assert result.returncode == 1
    assert "nothing here checks" in result.stdout


def test_an_unknown_name_is_refused():
    result = run(FIXTURES, "no_such_fixture")
    assert result.returncode != 0
    assert "no_such_fixture" in result.stderr


def test_comparison_sees_nan_shape_and_mean():
    values = rules.input_for("a large output", (50, 60))
    record = {
        "shape": [50, 60],
        "mean": float(values.mean(dtype=np.float64)),
        "std": float(values.std(dtype=np.float64)),
        "absmax": float(np.abs(values).max()),
        "positions_rng": "positions:large",
        "values_at_positions": values.reshape(-1)[rules.positions_for("large", 3000)].tolist(),
    }
    assert rules.compare(record, "large", values) < 1e-6
    assert rules.compare(record, "large", values + 0.1) > 1e-2
    broken = values.copy()
    broken[0, 0] = np.nan
    assert not rules.compare(record, "large", broken) <= 1.0
    with pytest.raises(ValueError, match="shape"):
        rules.compare(record, "large", values[:-1])


def test_rule_weights_insist_on_the_stored_keys():
    network = torch.nn.Linear(3, 2)
    rules.load_rule_weights(network, keys=[["weight", [2, 3]], ["bias", [2]]])
    assert np.array_equal(network.weight.detach().numpy(), rules.tensor_for("weight", (2, 3)))
    with pytest.raises(ValueError, match="weight"):
        rules.load_rule_weights(network, keys=[["weight", [3, 2]], ["bias", [2]]])
