"""What the configuration of the noise refuses, and what each sweep is told."""

import copy

import pytest
import yaml

from dynmm.configuration import robustness
from dynmm.configuration.validation import validate
from dynmm.errors import InputError
from dynmm.vocabulary import DYNAMIC
from workflow_tree import ROOT, SETTINGS

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def changed(path, value):
    config = copy.deepcopy(SETTINGS)
    block = config
    *parents, last = path.split(".")
    for key in parents:
        block = block[key]
    block[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("nyuv2.noise.levels", [0.2, 0.4], "0 \\(clean\\) and above"),
        ("nyuv2.noise.models", ["stage1"], "found: stage1.*esanet"),  # random paths
        ("nyuv2.noise.models", ["nobody"], "nyuv2.noise.models; found: nobody"),
        ("nyuv2.noise.per", "frame", "one of batch, sample"),
        ("nyuv2.predicted_frames.dynamic", "esanet", "found: esanet; expected: one of dynmm_a"),
        ("nyuv2.predicted_frames.static", "dynmm_a", "predicted_frames.static"),
        ("nyuv2.predicted_frames.frames", [0], "predicted_frames.frames.0; found: 0"),
        ("mmimdb.noise.settings", ["audio"], "one of image, text, both"),
        ("mosei.noise.score", "micro_f1", "mosei.noise.score"),
        ("mosei.noise.points.dynmm.lambda", 0.123, "mosei.noise.points.dynmm; found: lambda 0.123"),
        ("mosei.noise.points.text", SETTINGS["mosei"]["noise"]["points"]["dynmm"], "another name"),
        ("mmimdb.noise.points", {}, "mmimdb.noise.points"),
    ],
)
def test_bad_settings_of_the_noise_are_refused(path, value, words):
    with pytest.raises(InputError, match=words):
        validate(changed(path, value), SCHEMA)


def test_every_model_is_told_its_own_network():
    assert robustness.noise(SETTINGS, "esanet")["model"] == "static"
    expert = robustness.feature_noise(SETTINGS, "mmimdb", "text")
    assert expert["expert"]["model"] == "text" and "gate" not in expert
    dynamic = robustness.feature_noise(SETTINGS, "mmimdb", DYNAMIC)
    assert [entry["name"] for entry in dynamic["experts"]] == ["text", "late_fusion"]
    assert dynamic["inference"] == "hard" and dynamic["freeze"] is True


def test_a_second_dynamic_model_is_swept_under_its_name_and_drawn_by_its_title():
    entry = {"title": "cheap", "lambda": 0.15, "tau": 1, "mode": "straight_through", "freeze": True}
    config = changed("mmimdb.noise.points.cheap", entry)
    validate(config, SCHEMA)
    assert robustness.feature_models(config, "mmimdb") == [
        *("text", "late_fusion", "dynmm", "hardened", "cheap"),
    ]
    point = robustness.noise_point(config, "mmimdb", "cheap")
    assert (point["lambda"], point["freeze"]) == ("0.15", "true")
    assert robustness.noise_point(config, "mmimdb", "text") is None
    drawn = robustness.feature_figure(config, "mmimdb")
    assert drawn["dynamic"][-1] == {"model": "cheap", "title": "cheap", "point": point}
    assert [entry["model"] for entry in drawn["dynamic"]] == ["dynmm", "hardened", "cheap"]
    assert drawn["dynamic"][1]["point"]["gate"] == "hardened"
