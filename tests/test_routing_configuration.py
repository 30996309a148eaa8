"""What the configuration of the routing study refuses, and what each stage is told."""

import copy

import pytest
import torch
import torchvision
import yaml

from dynmm.configuration import routing
from dynmm.configuration.validation import validate
from dynmm.errors import InputError
from dynmm.models.madds import count_madds
from test_configuration import CONFIG, SCHEMA
from workflow_tree import ROOT


def changed(path, value):
    config = copy.deepcopy(CONFIG)
    block = config
    *parents, last = path.split(".")
    for key in parents:
        block = block[key]
    block[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("routing.draws", 199, r"routing\.draws; found: 199; expected: a whole number of at least"),
        ("routing.bootstrap", 10, r"routing\.bootstrap"),
        ("routing.scores.mosei", "macro_f1", "one of acc2, acc2_nonzero, mae"),
        ("routing.scores.mmimdb", "acc2", "one of micro_f1, macro_f1"),
        ("routing.feature_madds_m.mosei", {}, r"feature_madds_m\.mosei; found: an unknown key"),
        ("routing.feature_madds_m.mmimdb.image", -1, r"mmimdb\.image; found: -1"),
        ("routing.feature_madds_m.mmimdb.sound", 1, r"mmimdb\.sound; found: an unknown key"),
    ],
)
def test_bad_settings_are_refused(path, value, words):
    with pytest.raises(InputError, match=words):
        validate(changed(path, value), SCHEMA)


def test_gates_that_choose_are_those_that_learn_and_those_released():
    config = changed("nyuv2.runs.released", {"model": "dynamic", "weights": "ckpt_best.pth"})
    validate(config, SCHEMA)
    assert routing.gated_runs(config) == ["dynmm_a", "dynmm_b", "dynmm_noise", "released"]


def test_forced_paths_follow_from_no_training_and_no_description():
    slices = routing.forced_paths(CONFIG, "dynmm_a")
    assert set(slices) == {"network", "prepare", "evaluation"}
    assert "pretrained" not in slices["network"]


def test_the_study_is_told_how_often_it_draws_and_what_features_cost():
    config = changed("routing.draws", 250)
    assert routing.study(config, "nyuv2") == {"draws": 250, "bootstrap": 1000}
    assert routing.study(config, "mosei")["feature_madds_m"] == {}
    assert routing.study(config, "mmimdb")["feature_madds_m"] == {"image": 407}


def test_tables_1_to_3_are_told_a_score_and_table_4_none():
    config = changed("routing.scores.mosei", "mae")
    assert routing.gain_column(config, "table1") == {"gain": "macro_f1"}
    assert (
        routing.gain_column(config, "table2")
        == {"gain": "mae"}
        == {"gain": routing.report(config, "mosei")["score"]}
    )
    assert routing.gain_column(config, "table3") == {"gain": "miou"}
    assert routing.gain_column(config, "table4") == {}


def test_the_papers_posters_cost_a_pass_of_vgg_16():
    paper = yaml.safe_load((ROOT / "config" / "presets" / "paper.yaml").read_text())
    with torch.device("meta"):
        network = torchvision.models.vgg16(weights=None)
        counted = count_madds(network, torch.empty(1, 3, 224, 224))["complete"]
    assert paper["routing"]["feature_madds_m"]["mmimdb"]["image"] == round(counted / 1e6)
