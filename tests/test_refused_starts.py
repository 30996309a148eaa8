"""A start that cannot end well is refused at once: one message, exit code 1, nothing begun."""

import json
import re
import shutil

import pytest
import yaml

import mmimdb_files
from dynmm.data.mmimdb.raw import FILE as MOVIES
from dynmm.data.nyuv2.raw import LABELED
from fixture_rules import tiny_nyu
from nyu_files import write_raw
from workflow_tree import (
    SETTINGS,
    change_config,
    copy_workflow,
    finished_tree,
    fresh_tree,
    snakemake,
)

pytestmark = pytest.mark.slow
FEW_RUNS = ("esanet", "stage1", "dynmm_a", "dynmm_b")
MODULE = """
from dynmm.models.experts.registry import register_expert


@register_expert("mmimdb", "linear")
class Linear:
    def __init__(self, input_sizes, outputs):
        pass
"""


def refused(tree, *options):
    """The message of a start that is refused; Snakemake has begun nothing."""
    result = snakemake(tree, *options, check=False)
    assert result.returncode == 1
    said = result.stdout + result.stderr
    assert "Nothing to be done" not in said and "Traceback" not in said
    assert not re.search(r"^(local)?rule \w+:", said, re.MULTILINE)
    (message,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return message


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return fresh_tree(tmp_path_factory.mktemp("fresh") / "tree")


@pytest.mark.parametrize(
    ("options", "found", "near"),
    [
        (["reports/tabel3.csv"], "reports/tabel3.csv", "reports/table3.csv"),
        (["--dry-run", "mimdb"], "mimdb", "mmimdb"),
        (["--dry-run", "--forcerun", "train_expart", "--", "all"], "train_expart", "train_expert"),
        (
            [
                "-n",
                "--config",
                "preset=sample",
                "--",
                "results/sample/mosei/experts/txt/seed0/metrics.json",
            ],
            "results/sample/mosei/experts/txt/seed0/metrics.json",
            "results/sample/mosei/experts/text/seed0/metrics.json",
        ),
    ],
)
def test_a_target_that_no_rule_makes_is_answered_with_near_ones(fresh, options, found, near):
    message = refused(fresh, *options)
    assert f"no rule makes the target; found: {found};" in message
    assert f"Did you mean {near}" in message


def test_a_file_that_is_there_and_that_no_rule_makes_is_no_target(fresh):
    (fresh / "reports").mkdir(exist_ok=True)
    (fresh / "reports" / "table.csv").write_text("of another time")
    assert "Did you mean reports/table" in refused(fresh, "reports/table.csv")
    whole = str(fresh / "reports" / "table3.csv")
    assert "Did you mean reports/table3.csv" in refused(fresh, whole)


def test_a_key_that_stands_twice_in_a_given_file_is_refused(fresh):
    (fresh / "twice.yaml").write_text("seeds: [0]\nnyuv2: {}\nseeds: [1]\n")
    message = refused(fresh, "--dry-run", "--configfile", "twice.yaml")
    assert "a key is given twice" in message and "key: seeds; found: in lines 1 and 3" in message


def test_texts_may_hold_braces(fresh):
    content = "rooms {preset} of {nobody}"
    (fresh / "braces.yaml").write_text(yaml.safe_dump({"data": {"nyuv2": {"content": content}}}))
    given = ("--configfile", "braces.yaml", "--", "reports/sample/figure6.pdf")
    planned = snakemake(fresh, "--dry-run", "--printshellcmds", *given).stdout
    (slice_,) = re.findall(r"plot_figure6.py.* --config '(\{.*\})' --log", planned)
    assert json.loads(slice_)["content"] == content


# everything is made, and something that it follows from is gone or cannot be


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    (folder / "linear.py").write_text(MODULE)
    (folder / "ckpt.pth").write_bytes(b"weights")
    expert = {"model": "linear", "module": str(folder / "linear.py")}
    released = {"model": "dynamic", "weights": str(folder / "ckpt.pth")}
    few = dict.fromkeys([run for run in SETTINGS["nyuv2"]["runs"] if run not in FEW_RUNS])
    unnamed = dict.fromkeys(SETTINGS["mmimdb"]["gates"])
    overlay = {
        "seeds": [0],
        "mmimdb": {
            "experts": {"linear": expert},
            "gates": unnamed,
            "noise": {"points": {"hardened": None}},
        },
        "nyuv2": {"runs": few | {"released": released}, "noise": {"models": ["esanet"]}},
    }
    (folder / "given.yaml").write_text(yaml.safe_dump(overlay))
    return folder


TARGETS = ("reports/sample/table1.csv", "reports/sample/table3.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, given):
    tree = tmp_path_factory.mktemp("finished") / "tree"
    return finished_tree(tree, *TARGETS, "--configfile", str(given / "given.yaml"))


@pytest.fixture
def tree(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "tree")


def asked(tree, given):
    return (tree, *TARGETS, "--configfile", str(given / "given.yaml"))


def test_what_is_made_needs_nothing(finished, given):
    assert "Nothing to be done" in snakemake(*asked(finished, given)).stderr


@pytest.mark.parametrize("name", ["linear.py", "ckpt.pth"])
def test_a_file_that_config_names_and_that_is_gone_is_missed(finished, given, name):
    kept = (given / name).read_bytes()
    (given / name).unlink()
    try:
        assert str(given / name) in refused(*asked(finished, given))
    finally:
        (given / name).write_bytes(kept)


def test_a_raw_file_that_is_gone_is_missed(tree, given):
    (tree / "resources/sample/mmimdb" / MOVIES).unlink()
    assert f"a raw file is missing: resources/sample/mmimdb/{MOVIES}" in refused(
        *asked(tree, given)
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mmimdb.training.epochs", 9.0),
        ("data.mmimdb.raw_dir", "a" * 5000),
        ("data.mmimdb.raw_dir", "ä" * 200),
    ],
)
def test_values_that_no_file_can_follow_from_are_refused(tree, given, path, value):
    change_config(tree, path, value)
    assert f"key: {path}" in refused(*asked(tree, given))


def test_an_input_function_that_fails_ends_the_start(tree, given):
    rules = tree / "rules" / "common.smk"
    looks = "        path = raw_path(task, name)\n"
    assert rules.read_text().count(looks) == 1
    rules.write_text(rules.read_text().replace(looks, looks + "        os.stat('/no/such')\n"))
    assert "FileNotFoundError" in refused(*asked(tree, given))


# raw files, at a start that would prepare them


def test_raw_files_are_looked_at_before_any_job_starts(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    arrays = dict(tiny_nyu())
    del arrays["rawDepths"]
    write_raw(tree / "resources/sample/nyuv2", arrays)
    message = refused(tree, "nyuv2")
    assert LABELED in message and "key: rawDepths" in message
    assert not list(tree.glob("results/sample/nyuv2/*"))
    assert "No GPU" not in message


def test_the_published_size_is_that_of_the_paper_s_data(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    write_raw(tree / "resources/sample/nyuv2")
    change_config(tree, "data.nyuv2", {"paper_data": True})
    assert "expected: 2972037809 bytes" in refused(tree, "nyuv2")


def test_experts_out_of_order_are_refused_before_any_training(tmp_path):
    tree = copy_workflow(tmp_path / "tree")
    raw = tree / "resources/sample/mmimdb" / MOVIES
    raw.parent.mkdir(parents=True)
    mmimdb_files.write(raw, mmimdb_files.arrays())
    change_config(tree, "mmimdb.prepare.splits", mmimdb_files.SPLITS)
    change_config(tree, "mmimdb.dynamic.experts", ["late_fusion", "text"])
    result = snakemake(tree, "mmimdb", check=False)
    assert result.returncode == 1
    assert "expected: the cheapest first: [text, late_fusion]" in result.stderr
    started = re.findall(r"^(?:local)?rule (\w+):", result.stderr, re.MULTILINE)
    assert started == ["prepare_mmimdb", "count_expert_madds"]


def test_frames_and_a_review_that_config_names_are_looked_for_early(fresh):
    (fresh / "named.yaml").write_text(
        "nyuv2: {predicted_frames: {frames: [3, 7]}}\nmosei: {figure5: {review: x}}\n"
    )
    targets = ("--", "reports/sample/figure5.pdf", "reports/sample/figure7.pdf")
    given = snakemake(fresh, "--dry-run", "--configfile", "named.yaml", *targets).stdout
    looked = re.findall(r"rule check_selection:\n(?:    .*\n)*?    output: (\S+)", given)
    assert sorted(looked) == [f"results/sample/{t}/selection.json" for t in ("mosei", "nyuv2")]
    assert "check_selection" not in snakemake(fresh, "--dry-run", *targets[:2]).stdout
