import copy
from pathlib import Path

import pytest
import yaml

from dynmm.configuration import segmentation
from dynmm.configuration.runs import chain_of, run_seeds, trained_runs
from dynmm.configuration.validation import validate
from dynmm.errors import InputError
from workflow_tree import SETTINGS as CONFIG
from workflow_tree import configured

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
TRAINING = ("nyuv2", "training")
RUNS = ("nyuv2", "runs")
LEARNED = {"dynmm_a", "dynmm_b", "dynmm_noise_1", "dynmm_noise"}  # gates that learn
NOISY = {"stage1_noise", "esanet_noise_1", "esanet_noise_2", "esanet_noise"} | LEARNED - {
    "dynmm_a",
    "dynmm_b",
}


def changed(path, value):
    config = copy.deepcopy(CONFIG)
    block = config
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    return config


def refusal(config):
    with pytest.raises(InputError) as caught:
        validate(config, SCHEMA)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return caught.value


@pytest.mark.parametrize("preset", ["sample", "small", "paper"])
def test_committed_configurations_are_valid(preset):
    validate(configured({"preset": preset}), SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "key", "found", "expected"),
    [
        (("preset",), "a/b", "preset", "a/b", "letters, digits"),
        (("seeds",), [], "seeds", "[]", "a list of different whole numbers"),
        (("seeds",), [1, 1], "seeds", "[1, 1]", "a list of different whole numbers"),
        (("seeds",), [0, -1], "seeds.1", "-1", "at least 0"),
        (("seeds",), [1.0], "seeds.0", "1.0", "a whole number"),
        (("seeds",), [2**64], "seeds.0", str(2**64), "at most 4294967295"),
        (("preset",), "a\n", "preset", r"'a\n'", "letters, digits"),
        (("preset",), "a" * 300, "preset", "a" * 57 + "...", "letters, digits"),
        ((*TRAINING, "epochs"), 3.0, "nyuv2.training.epochs", "3.0", "a whole number"),
        (
            ("nyuv2", "augmentation", "rescale"),
            [1e-9, 1],
            "nyuv2.augmentation.rescale.0",
            "1e-09",
            "0.1",
        ),
        (
            ("mmimdb", "training", "clip_norm"),
            1e-300,
            "mmimdb.training.clip_norm",
            "1e-300",
            "1e-6",
        ),
        (
            ("mmimdb", "experts", "dynmm"),
            {"model": "text"},
            "mmimdb.experts.dynmm",
            "dynmm",
            "another name",
        ),
        ((*TRAINING, "epochs"), 0, "nyuv2.training.epochs", "0", "a whole number of at least 1"),
        ((*TRAINING, "epochs"), True, "nyuv2.training.epochs", "true", "a whole number"),
        ((*TRAINING, "learning_rate"), float("nan"), "nyuv2.training.learning_rate", "nan", "fini"),
        (
            (*TRAINING, "select_on"),
            "train",
            "nyuv2.training.select_on",
            "train",
            "validation, test",
        ),
        ((*TRAINING, "momentum"), 1, "nyuv2.training.momentum", "1", "below 1"),
        ((*TRAINING,), {}, "nyuv2.training.epochs", "nothing", "a value"),
        (("nyuv2", "network", "height"), 100, "nyuv2.network.height", "100", "divisible by 32"),
        (("nyuv2", "network", "block"), "Bottleneck", "nyuv2.network.block", "Bottleneck", "Basic"),
        ((*RUNS, "a b"), {"model": "rgb"}, "nyuv2.runs", "a b", "a name of letters"),
        ((*RUNS, "x"), {"model": "sgb"}, "nyuv2.runs.x.model", "sgb", "rgb, depth, static"),
        ((*RUNS, "x"), {"model": "dynamic"}, "nyuv2.runs.x.gate", "nothing", "random, soft"),
        ((*RUNS, "rgb", "gate"), "soft", "nyuv2.runs.rgb.gate", "a value", "dynamic"),
        ((*RUNS, 1), {"model": "rgb"}, "nyuv2.runs", "1", "a name of letters"),
        (
            (*RUNS, "x"),
            {"model": "rgb", "weights": "a.ckpt"},
            "nyuv2.runs.x.weights",
            "a.ckpt",
            ".pth",
        ),
        (
            (*RUNS, "esanet", "init_from"),
            "rgb",
            "nyuv2.runs.esanet.init_from",
            "rgb, whose model is rgb",
            "static",
        ),
        (
            ("nyuv2", "augmentation", "rescale"),
            [1.4, 1],
            "nyuv2.augmentation.rescale",
            [1.4, 1],
            "the smaller factor first",
        ),
        (("resources", "train"), {}, "resources", "train", "prepare_nyuv2, train_segmentation"),
        (("data", "nyuv2", "download"), "yes", "data.nyuv2.download", "yes", "true or false"),
        (
            ("data", "nyuv2", "raw_dir"),
            "data/{task}",
            "data.nyuv2.raw_dir",
            "data/{task}",
            "braces",
        ),
        (("data", "nyuv2", "raw_dir"), "-x", "data.nyuv2.raw_dir", "-x", "a leading dash"),
        (("data", "nyuv2", "raw_dir"), "a\n", "data.nyuv2.raw_dir", r"'a\n'", "line ends"),
        (("data", "nyuv2", "raw_dir"), "a" * 5000, "data.nyuv2.raw_dir", "a" * 57 + "...", "1000"),
        (("data", "nyuv2", "content"), "a\tb", "data.nyuv2.content", r"'a\tb'", "one line"),
        (("data", "nyuv2", "content"), " ", "data.nyuv2.content", "' '", "a few words"),
        ((*RUNS, "rgb", "title"), "\ud800", "nyuv2.runs.rgb.title", r"'\ud800'", "a few words"),
        ((*RUNS, "a" * 101), {"model": "rgb"}, "nyuv2.runs", "a" * 57 + "...", "at most 100"),
        ((*TRAINING, "epochs"), 10**6 + 1, "nyuv2.training.epochs", "1000001", "at most 1000000"),
        ((*TRAINING, "learning_rate"), 1e300, "nyuv2.training.learning_rate", "1e+300", "1000"),
        ((*TRAINING, "learning_rate"), 10**400, "nyuv2.training.learning_rate", None, "1000"),
        ((*TRAINING, "epochs"), 10**400, "nyuv2.training.epochs", None, "at most 1000000"),
        ((*TRAINING, "to_beat"), 1, "nyuv2.runs.rgb: to_beat", 1, "a mean IoU"),
        (
            (*RUNS, "dynmm_b", "temperature"),
            [1.0, 1e-300],
            "nyuv2.runs.dynmm_b.temperature.1",
            "1e-300",
            "1e-06",
        ),
        (
            ("nyuv2", "predicted_frames", "frames"),
            21,
            "nyuv2.predicted_frames.frames",
            "21",
            "at most 20",
        ),
        (
            ("mmimdb", "tradeoff", "scores"),
            ["nonsense"],
            "mmimdb.tradeoff.scores.0",
            "nonsense",
            "one of micro_f1, macro_f1",
        ),
        (
            ("mosei", "tradeoff", "scores"),
            ["macro_f1"],
            "mosei.tradeoff.scores.0",
            "macro_f1",
            "one of acc2, acc2_nonzero, mae, pearson_r",
        ),
    ],
)
def test_a_bad_value_is_refused_with_its_path_and_what_is_allowed(
    path, value, key, found, expected
):
    error = refusal(changed(path, value))
    assert error.key == key
    assert found is None or error.found == found
    assert expected in error.expected


@pytest.mark.parametrize("block", [(), ("data", "nyuv2"), TRAINING, (*RUNS, "dynmm_b")])
def test_an_unknown_key_is_refused_anywhere(block):
    error = refusal(changed((*block, "colour"), 1))
    assert error.key == ".".join([*block, "colour"])
    assert error.found == "an unknown key"


def test_what_cannot_even_be_shown_is_refused():
    """Blocks within blocks without an end, and numbers of more digits than Python writes."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, 16**5000):
        error = refusal(changed(TRAINING, {"epochs": value}))
        assert (error.key, error.expected) == ("config", "a few levels of blocks, and plain values")


def test_two_runs_of_one_title_are_refused():
    title = CONFIG["nyuv2"]["runs"]["esanet_long"]["title"]
    error = refusal(changed((*RUNS, "esanet_small", "title"), title))
    assert (error.key, error.found) == ("nyuv2.runs.esanet_small.title", title)
    assert "that of esanet_long" in error.expected


def test_a_misspelt_key_is_put_right():
    config = changed((*TRAINING, "epoch"), 3)
    del config["nyuv2"]["training"]["epochs"]
    error = refusal(config)
    assert error.key == "nyuv2.training.epoch"
    assert error.fix == "Did you mean epochs?"


def test_a_number_that_yaml_reads_as_text_is_explained():
    value = yaml.safe_load("1e-4")
    assert "1.0e-4" in refusal(changed((*TRAINING, "learning_rate"), value)).fix


def test_init_from_must_name_another_run():
    error = refusal(changed((*RUNS, "dynmm_a", "init_from"), "stage2"))
    assert error.key == "nyuv2.runs.dynmm_a.init_from"
    assert error.expected == "one of " + ", ".join(
        r for r in CONFIG["nyuv2"]["runs"] if r != "dynmm_a"
    )


@pytest.mark.parametrize("start", ["stage1", "dynmm_a", "dynmm_b"])
def test_runs_that_start_from_each_other_are_refused(start):
    error = refusal(changed((*RUNS, "stage1", "init_from"), start))
    assert error.key == "nyuv2.runs.stage1.init_from"
    assert error.found.startswith("stage1 from ") and error.found.endswith("stage1")


@pytest.mark.parametrize(("key", "value"), [("init_from", "rgb"), ("training", {"epochs": 3})])
def test_released_weights_are_not_trained_further(key, value):
    run = {"model": "static", "weights": "ckpt_best.pth", key: value}
    assert refusal(changed((*RUNS, "released"), run)).key == f"nyuv2.runs.released.{key}"


def test_released_weights_are_evaluated_once_and_not_trained():
    config = changed((*RUNS, "released"), {"model": "dynamic", "weights": "ckpt_best.pth"})
    validate(config, SCHEMA)
    assert "released" not in trained_runs(config["nyuv2"]["runs"])
    seeds = run_seeds(config, "nyuv2")
    assert [seed for run, seed in seeds if run == "released"] == [0]
    assert [seed for run, seed in seeds if run == "rgb"] == CONFIG["seeds"]
    evaluation = segmentation.evaluation(config, "released")
    assert evaluation["run"] == {"model": "dynamic", "select_on": "released weights"}


def test_epochs_in_all_are_those_of_the_runs_that_a_run_starts_from_too():
    epochs = {run: segmentation.epochs_total(CONFIG, run) for run in ("rgb", "stage1", "dynmm_b")}
    assert epochs == {"rgb": 12, "stage1": 12 + 5, "dynmm_b": 12 + 5 + 4 + 4}
    paper = configured({"preset": "paper"})
    assert segmentation.epochs_total(paper, "dynmm_b") == 1500
    config = changed((*RUNS, "released"), {"model": "dynamic", "weights": "ckpt_best.pth"})
    config["nyuv2"]["runs"]["more"] = {"model": "dynamic", "gate": "soft", "init_from": "released"}
    assert segmentation.epochs_total(config, "released") is None
    assert segmentation.epochs_total(config, "more") is None


def test_an_intermediate_run_is_trained_and_not_shown():
    assert "esanet_long_1" in trained_runs(CONFIG["nyuv2"]["runs"])
    assert "esanet_long_1" not in {run for run, _ in run_seeds(CONFIG, "nyuv2")}
    assert "esanet_long_1" not in segmentation.table(CONFIG)["runs"]
    assert segmentation.table(CONFIG)["runs"]["esanet_long"].startswith("ESANet, trained as long")
    error = refusal(changed((*RUNS, "esanet_long_1", "title"), "half as long"))
    assert (error.key, "intermediate" in error.expected) == (
        "nyuv2.runs.esanet_long_1.title",
        True,
    )
    hidden = changed((*RUNS, "dynmm_a", "intermediate"), True)
    assert refusal(hidden).key == "nyuv2.noise.models"


@pytest.mark.parametrize("preset", ["sample", "small", "paper"])
def test_the_control_is_trained_as_long_as_dynmm_b_with_as_many_starts(preset):
    config = configured({"preset": preset})
    runs = config["nyuv2"]["runs"]
    chains = {run: chain_of(runs, run) for run in ("dynmm_b", "esanet_long")}
    for run in chains:
        assert {runs[name]["model"] for name in chains[run]} <= {"static", "dynamic"}
    if preset == "paper":
        total = {run: segmentation.epochs_total(config, run) for run in chains}
        assert total == {"dynmm_b": 1500, "esanet_long": 1500}
    else:
        epochs = {
            run: [segmentation.training(config, n)["training"]["epochs"] for n in chain]
            for run, chain in chains.items()
        }
        assert epochs["dynmm_b"] == epochs["esanet_long"]
    assert len(chains["dynmm_b"]) == len(chains["esanet_long"])


def test_a_budget_is_set_on_the_frames_that_its_network_held_out():
    config = changed((*RUNS, "dynmm_b", "training"), {"validation_share": 0.3})
    validate(config, SCHEMA)
    found = segmentation.evaluation(config, "dynmm_b_45")["run"]
    assert found == {
        "model": "dynamic",
        "select_on": "validation",
        "weights_of": "dynmm_b",
        "budget": {"depth_share": 0.449},
        "validation_share": 0.3,
        "epochs_total": 25,
    }
    assert segmentation.evaluation(CONFIG, "dynmm_b_45")["run"]["validation_share"] == 0.1
    assert "dynmm_b_45" not in trained_runs(CONFIG["nyuv2"]["runs"])
    assert {seed for run, seed in run_seeds(CONFIG, "nyuv2") if run == "dynmm_b_45"} == {0, 1}


def test_the_sample_s_budgets_are_the_paper_s_reductions():
    paper = yaml.safe_load((ROOT / "resources" / "paper.yaml").read_text())["table3"]["rows"]
    published = {row["key"]: row.get("reduction_pct") for row in paper}
    runs = CONFIG["nyuv2"]["runs"]
    for run, row in (("dynmm_b_79", "dynmm_b"), ("dynmm_b_45", "dynmm_a")):
        share = runs[run]["budget"]["depth_share"]
        assert share == pytest.approx(1 - published[row] / 100)
        assert f"at {100 * share:.0f} %" in runs[run]["title"]


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"budget": None}, "budget", "nothing"),
        ({"weights_of": None}, "weights_of", "nothing"),
        ({"budget": {"watts": 3}}, "budget.watts", "one of depth_share"),
        ({"budget": {"ms": 3, "depth_share": 0.5}}, "budget", "one of depth_share"),
        ({"weights_of": "stage1"}, "weights_of", "one of dynmm_a, dynmm_b, dynmm_noise"),
        ({"weights_of": "dynmm_b_79"}, "weights_of", "one of dynmm_a"),
        ({"training": {"epochs": 3}}, "training", "takes those of weights_of"),
        ({"gate": "soft"}, "gate", "takes those of weights_of"),
        ({"model": "static"}, "model", "dynamic"),
    ],
)
def test_bad_budgets_are_refused(changes, key, words):
    run = {**CONFIG["nyuv2"]["runs"]["dynmm_b_45"], **changes}
    run = {name: value for name, value in run.items() if value is not None}
    error = refusal(changed((*RUNS, "dynmm_b_45"), run))
    assert error.key == f"nyuv2.runs.dynmm_b_45.{key}"
    assert words in f"{error.found} {error.expected}"


def test_without_held_out_frames_no_budget_can_be_set():
    for path in (TRAINING, (*RUNS, "dynmm_b", "training")):
        block = {**CONFIG["nyuv2"]["training"], "select_on": "test"}
        error = refusal(changed(path, block))
        assert error.key == "nyuv2.runs.dynmm_b_79.budget"
        assert "select_on: test" in error.found


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (("nyuv2", "noise", "models"), "nyuv2.noise.models"),
        ((*RUNS, "dynmm_a", "init_from"), "nyuv2.runs.dynmm_a.init_from"),
    ],
)
def test_a_budget_is_no_network_of_its_own(path, key):
    value = ["dynmm_b_45"] if key.endswith("models") else "dynmm_b_45"
    assert refusal(changed(path, value)).key == key


def test_a_run_s_augmentation_goes_over_the_shared_one():
    noise = {"share": 0.5, "level": 1.5}
    for run in NOISY:
        found = segmentation.training(CONFIG, run)["augmentation"]
        assert found == CONFIG["nyuv2"]["augmentation"] | {"noise": noise}
    assert segmentation.training(CONFIG, "esanet")["augmentation"]["noise"] is None
    config = changed(("nyuv2", "augmentation", "noise"), noise)
    config["nyuv2"]["runs"]["esanet"]["augmentation"] = {"noise": None}
    validate(config, SCHEMA)
    assert segmentation.training(config, "esanet")["augmentation"]["noise"] is None
    assert segmentation.training(config, "rgb")["augmentation"]["noise"] == noise


def test_networks_trained_with_noise_are_trained_as_long_as_their_control():
    runs = CONFIG["nyuv2"]["runs"]
    epochs = {
        run: [segmentation.training(CONFIG, n)["training"]["epochs"] for n in chain_of(runs, run)]
        for run in ("dynmm_noise", "esanet_noise")
    }
    assert epochs["dynmm_noise"] == epochs["esanet_noise"] == [12, 5, 4, 6]


@pytest.mark.parametrize(
    ("noise", "key"),
    [
        ({"share": 0, "level": 1.0}, "noise.share"),
        ({"share": 0.5}, "noise.level"),
        ({"share": 0.5, "level": 0}, "noise.level"),
        (0.5, "noise"),
    ],
)
def test_bad_noise_in_training_is_refused(noise, key):
    error = refusal(changed((*RUNS, "rgb", "augmentation"), {"noise": noise}))
    assert error.key == f"nyuv2.runs.rgb.augmentation.{key}"


def test_a_run_overrides_the_shared_training():
    config = changed((*RUNS, "dynmm_a", "training"), {"epochs": 77, "select_on": "test"})
    validate(config, SCHEMA)
    assert segmentation.training(config, "dynmm_a")["training"]["epochs"] == 77
    assert segmentation.evaluation(config, "dynmm_a")["run"]["select_on"] == "test"
    assert segmentation.training(config, "dynmm_b") == segmentation.training(CONFIG, "dynmm_b")


def test_the_gate_reaches_the_training_and_defaults_to_a_constant_temperature():
    training = {
        run: segmentation.training(CONFIG, run)["training"]
        for run in trained_runs(CONFIG["nyuv2"]["runs"])
    }
    assert "gate" not in training["esanet"] and "temperature" not in training["esanet"]
    assert (training["stage1"]["gate"], training["stage1"]["gumbel"]) == ("random", False)
    assert training["dynmm_a"]["temperature"] == [1.0, 1.0]
    assert training["dynmm_b"]["temperature"] == [1.0, 0.0001]


@pytest.mark.parametrize(
    ("path", "value", "runs"),
    [
        ((*TRAINING, "resource_weight"), 0.123, LEARNED),
        ((*TRAINING, "gumbel"), True, LEARNED),
        ((*TRAINING, "weight_decay"), 0.123, set(trained_runs(CONFIG["nyuv2"]["runs"]))),
        ((*RUNS, "dynmm_b", "temperature"), [0.0001, 1.0], {"dynmm_b"}),
        (
            ("nyuv2", "augmentation", "noise"),
            {"share": 0.1, "level": 1.0},
            set(trained_runs(CONFIG["nyuv2"]["runs"])) - NOISY,
        ),
        (("nyuv2", "evaluation", "batch_size"), 3, set()),
        (("data", "nyuv2", "content"), "photographs", set()),
        (("data", "nyuv2", "raw_dir"), "elsewhere", set()),
        (("seeds",), [5], set()),
        (("preset",), "other", set()),
    ],
)
def test_a_training_slice_changes_with_what_it_trains_on_alone(path, value, runs):
    config = changed(path, value)
    different = {
        run
        for run in trained_runs(CONFIG["nyuv2"]["runs"])
        if segmentation.training(config, run) != segmentation.training(CONFIG, run)
    }
    assert different == runs


def test_multiply_adds_follow_from_the_shape_and_not_from_the_weights():
    config = changed(("nyuv2", "network", "pretrained"), "imagenet")
    assert segmentation.madds(config, "static") == segmentation.madds(CONFIG, "static")
    config = changed(("nyuv2", "network", "width"), 64)
    assert segmentation.madds(config, "static") != segmentation.madds(CONFIG, "static")


def test_a_run_s_own_network_goes_over_the_one_that_all_share():
    runs = CONFIG["nyuv2"]["runs"]
    small = segmentation.training(CONFIG, "esanet_small")["network"]
    assert small == CONFIG["nyuv2"]["network"] | {"encoder": "resnet10"}
    assert segmentation.evaluation(CONFIG, "esanet_small")["network"]["encoder"] == "resnet10"
    assert segmentation.counted_as(runs, "esanet_small") == "esanet_small"
    assert segmentation.counted_as(runs, "esanet_long") == "static"
    counted = {name: segmentation.madds(CONFIG, name) for name in ("esanet_small", "static")}
    assert {name: slice_["kind"] for name, slice_ in counted.items()} == dict.fromkeys(
        counted, "static"
    )
    assert [c["network"]["encoder"] for c in counted.values()] == ["resnet10", "resnet18"]
    assert segmentation.training(CONFIG, "esanet")["network"] == CONFIG["nyuv2"]["network"]


@pytest.mark.parametrize(
    ("run", "changes", "key", "words"),
    [
        ("esanet_long", {"network": {"encoder": "resnet34"}}, "init_from", "of another encoder"),
        ("dynmm_a", {"network": {"encoder": "resnet10"}}, "network", "share nyuv2.network"),
        ("rgb", {"network": {"encoder": "resnet34"}}, "", "not named rgb"),
        ("esanet_small", {"network": {"encoder": "resnet50"}}, "network.block", "Bottleneck"),
        (
            "esanet_small",
            {"network": {"encoder": "resnet10", "pretrained": "imagenet"}},
            "network.pretrained",
            "none with resnet10",
        ),
        ("esanet_small", {"network": {"height": 96}}, "network.height", "one of encoder"),
    ],
)
def test_networks_that_do_not_go_together_are_refused(run, changes, key, words):
    error = refusal(changed((*RUNS, run), CONFIG["nyuv2"]["runs"][run] | changes))
    assert error.key == ".".join(["nyuv2.runs", run, *([key] if key else [])])
    assert words in f"{error.found} {error.expected}"
