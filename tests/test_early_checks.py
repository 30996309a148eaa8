"""What only the prepared data can tell is told by the first jobs after them, not by the last."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from dynmm.configuration import modality
from dynmm.configuration.selection import selection
from dynmm.errors import InputError
from dynmm.files import sha256
from dynmm.models.experts.cost_order import check_cost_order
from dynmm.stored_records import sealed
from test_configuration import CONFIG, changed
from workflow_tree import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"
MMIMDB = {"task": "mmimdb", "input_sizes": {"text": 6, "image": 9}, "genres": ["a", "b"]}


@pytest.fixture
def run(tmp_path):
    def function(program, task, manifest, config):
        """(exit code, standard error, what was written) of a program on prepared data."""
        (tmp_path / "manifest.json").write_text(json.dumps(sealed(manifest)))
        out = tmp_path / "out.json"
        command = [sys.executable, SCRIPTS / f"{program}.py", "--task", task, "--out", out]
        command += ["--prepared", tmp_path / "manifest.json", "--config", json.dumps(config)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        return done.returncode, done.stderr, json.loads(out.read_text()) if out.exists() else None

    return function


def test_frames_that_config_names_are_looked_for_in_the_test_split(run):
    manifest = {"task": "nyuv2", "splits": {"train": [1], "test": [2, 5]}}
    assert run("check_selection", "nyuv2", manifest, {"frames": [5]})[0] == 0
    code, said, _ = run("check_selection", "nyuv2", manifest, {"frames": [5, 1, 9]})
    assert code == 1 and "found: 1, 9; expected: official numbers such as 2, 5" in said
    assert "Traceback" not in said


def test_a_review_that_config_names_is_looked_for_in_the_test_split(run, tmp_path):
    np.save(tmp_path / "test_ids.npy", np.array([b"film[0]", b"film[1]", b"other[0]"]))
    arrays = {"test_ids.npy": {"sha256": sha256(tmp_path / "test_ids.npy")}}
    manifest = {"task": "mosei", "arrays": arrays}
    code, _, written = run("check_selection", "mosei", manifest, {"review": "other"})
    assert (code, written) == (0, {"task": "mosei", "review": "other"})
    code, said, _ = run("check_selection", "mosei", manifest, {"review": "films"})
    assert code == 1 and "found: films; expected: a review of the test split, such as film" in said


def test_nothing_is_looked_for_where_config_names_nothing():
    assert selection(CONFIG, "nyuv2") == selection(CONFIG, "mosei") == {}
    path = ("nyuv2", "predicted_frames", "frames")
    assert selection(changed(path, [7, 3]), "nyuv2") == {"frames": [7, 3]}
    path = ("mosei", "figure5", "review")
    assert selection(changed(path, "x"), "mosei") == {"review": "x"}


@pytest.mark.parametrize("experts", [["late_fusion", "text"], ["text", "text2"]])
def test_experts_under_the_gate_that_are_out_of_order_are_refused_when_they_are_counted(
    run, experts
):
    config = changed(("mmimdb", "dynamic", "experts"), experts)
    config["mmimdb"]["experts"]["text2"] = config["mmimdb"]["experts"]["text"]
    code, said, written = run(
        "count_expert_madds", "mmimdb", MMIMDB, modality.madds(config, "mmimdb")
    )
    assert (code, written) == (1, None)
    assert "key: mmimdb.dynamic.experts" in said and f"{experts[0]} with" in said
    assert "expected: the cheapest first: [text, " in said


def test_the_order_is_that_of_complete_multiply_adds():
    counts = {
        "a": {"complete": 5, "per_module": 1},
        "b": {"complete": 4, "per_module": 2},
        "c": {"complete": 9, "per_module": 0},
    }
    check_cost_order("mosei", ["b", "a", "c"], counts)
    with pytest.raises(InputError, match=r"cheapest first: \[b, a, c\]"):
        check_cost_order("mosei", ["a", "b", "c"], counts)
