"""How a preset and the user's values become one configuration."""

import copy
import re

import pytest
import yaml

from dynmm.configuration.presets import with_preset
from dynmm.errors import InputError
from workflow_tree import CONFIG, PRESETS, ROOT, SETTINGS, configured, fresh_tree, snakemake

WHOLE = {
    "preset": "whole",
    "seeds": [0, 1],
    "nyuv2": {"runs": {"rgb": {"model": "rgb"}, "esanet": {"model": "static", "init_from": "x"}}},
    "mosei": {"experts": {"text": {"model": "text", "options": {"width": 20, "layers": 2}}}},
}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "whole", WHOLE)
    return tmp_path


def write(folder, name, content):
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (folder / f"{name}.yaml").write_text(text)


def refusal(given, folder):
    with pytest.raises(InputError) as caught:
        with_preset(given, folder)
    return caught.value


def test_the_user_s_values_go_over_the_preset_key_by_key(folder):
    given = {
        "preset": "whole",
        "seeds": [7],
        "mosei": {"experts": {"text": {"options": {"layers": 5}}, "wide": {"model": "text"}}},
    }
    before = copy.deepcopy(given)
    result = with_preset(given, folder)
    assert result["seeds"] == [7], "a list replaces"
    assert result["mosei"]["experts"] == {
        "text": {"model": "text", "options": {"width": 20, "layers": 5}},
        "wide": {"model": "text"},
    }
    assert result["nyuv2"] == WHOLE["nyuv2"]
    assert given == before


def test_a_null_takes_a_run_or_an_expert_away(folder):
    given = {
        "preset": "whole",
        "nyuv2": {"runs": {"rgb": None}},
        "mosei": {"experts": {"text": None, "wide": {"model": "text"}}},
    }
    result = with_preset(given, folder)
    assert list(result["nyuv2"]["runs"]) == ["esanet"]
    assert list(result["mosei"]["experts"]) == ["wide"]


def test_a_null_elsewhere_is_a_value_or_an_empty_block(folder):
    esanet = {"init_from": None}
    given = {"preset": "whole", "mosei": None, "nyuv2": {"runs": {"esanet": esanet}}}
    result = with_preset(given, folder)
    assert result["mosei"] == WHOLE["mosei"], "a block whose lines are all comments"
    assert result["nyuv2"]["runs"]["esanet"] == {"model": "static", "init_from": None}


def test_a_null_for_what_is_not_there_is_refused(folder):
    error = refusal({"preset": "whole", "nyuv2": {"runs": {"esanett": None}}}, folder)
    assert (error.key, error.expected) == ("nyuv2.runs.esanett", "one of rgb, esanet")
    assert error.fix == "Did you mean esanet?"


def test_a_preset_may_lie_over_another(folder):
    write(
        folder, "small", {"preset": "small", "extends": "whole", "nyuv2": {"runs": {"rgb": None}}}
    )
    result = with_preset({"preset": "small", "seeds": [3]}, folder)
    assert result == {
        **WHOLE,
        "preset": "small",
        "seeds": [3],
        "nyuv2": {"runs": {"esanet": WHOLE["nyuv2"]["runs"]["esanet"]}},
    }
    given_as_a_file = yaml.safe_load((folder / "small.yaml").read_text()) | {"seeds": [3]}
    assert with_preset(given_as_a_file, folder) == result


def test_a_new_name_starts_from_the_preset_that_it_extends(folder):
    result = with_preset({"preset": "mine", "extends": "whole", "seeds": [3]}, folder)
    assert result == {**WHOLE, "preset": "mine", "seeds": [3]}


@pytest.mark.parametrize(
    ("given", "key", "found", "fix"),
    [
        ({"preset": "hole"}, "preset", "hole", "Did you mean whole?"),
        ({"preset": "../whole"}, "preset", "../whole", "Did you mean whole?"),
        ({"preset": "qqq"}, "preset", "qqq", "needs `extends`"),
        ({"preset": ["whole"]}, "preset", "['whole']", "whole"),
        ({}, "preset", "nothing", "extends"),
        ({"preset": "mine", "extends": "wole"}, "extends", "wole", "Did you mean whole?"),
    ],
)
def test_an_unknown_preset_is_named_with_those_near(folder, given, key, found, fix):
    error = refusal(given, folder)
    assert (error.key, str(error.found)) == (key, found)
    assert error.expected == "one of whole"
    assert fix in error.fix


def test_extends_beside_a_preset_with_a_file_is_refused(folder):
    write(folder, "other", {"preset": "other"})
    error = refusal({"preset": "whole", "extends": "other"}, folder)
    assert (error.key, error.found) == ("extends", "other")
    assert "whole" in error.expected


@pytest.mark.parametrize(
    ("content", "found"),
    [("", "nothing"), ("- a\n", "list"), ("text\n", "str"), ("a: [\n", "while parsing")],
)
def test_a_preset_that_is_no_block_of_keys_is_named(folder, content, found):
    write(folder, "bad", content)
    for given in ({"preset": "bad"}, {"preset": "mine", "extends": "bad"}):
        error = refusal(given, folder)
        assert error.file == folder / "bad.yaml"
        assert error.found.startswith(found)
        assert "\n" not in str(error)


def test_presets_that_extend_each_other_are_refused(folder):
    write(folder, "a", {"extends": "b"})
    write(folder, "b", {"extends": "a"})
    assert refusal({"preset": "a"}, folder).found == "a extends b extends a"


@pytest.mark.parametrize(
    "path", sorted((ROOT / PRESETS).glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_committed_preset_bears_its_file_s_name_and_can_be_given_either_way(path):
    content = yaml.safe_load(path.read_text())
    assert content["preset"] == path.stem
    assert configured(content) == configured({"preset": path.stem})


def test_config_yaml_runs_the_sample():
    assert yaml.safe_load((ROOT / CONFIG).read_text())["preset"] == "sample"
    assert SETTINGS["data"]["mosei"]["raw_dir"] == "resources/sample/mosei"


@pytest.mark.slow
def test_a_job_on_another_machine_sees_the_configuration_of_the_command(tmp_path):
    """Executors start a job by the options that the user gave, and the Snakefile runs again."""
    tree = fresh_tree(tmp_path / "tree")
    changes = {
        "runs": {"rgb": None},
        "training": {"epochs": 77},
        "network": {"pretrained": "none"},
    }
    mine = {"data": SETTINGS["data"], "nyuv2": changes}
    (tree / "mine.yaml").write_text(yaml.safe_dump(mine))
    weights = "results/paper/nyuv2/models/esanet/seed0/weights.safetensors"
    given = ("--configfile", "mine.yaml", "--config", "preset=paper")
    job = (
        *("--target-jobs", "train_segmentation:preset=paper,run=esanet,seed=0"),
        *("--allowed-rules", "train_segmentation", "--mode", "remote", "--force", "--nolock"),
    )
    planned = [
        snakemake(tree, "--dry-run", "--printshellcmds", *options, *given).stdout
        for options in ((weights,), job)
    ]
    commands = [re.findall(r'train_segmentation\.py" .*', p) for p in planned]
    assert commands[0] == commands[1]
    assert len(commands[0]) == 1 and '"epochs": 77' in commands[0][0]
    assert "resnet50" in commands[0][0]
    unknown = snakemake(tree, "--dry-run", "--config", "preset=papr", check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.splitlines()[-1] == (
        "error: unknown preset; key: preset; found: papr; expected: one of paper, sample, small. "
        "Did you mean paper?"
    )
