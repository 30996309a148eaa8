"""No preset leaves a value to another place, and the paper's preset is the authors' recipe.

`resources/recipes.yaml` holds the recipes, the differences and the keys without a counterpart.
"""

import inspect
from fnmatch import fnmatch
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from dynmm.models.experts import registry
from dynmm.tasks import load_gating
from dynmm.tasks.mmimdb.task import TASK as MMIMDB
from dynmm.tasks.mosei.task import TASK as MOSEI
from dynmm.training.modality.experts import ExpertTraining
from dynmm.training.segmentation.task import SegmentationTask
from workflow_tree import CONFIG, PRESETS, ROOT, configured

FILE = yaml.safe_load((ROOT / "resources" / "recipes.yaml").read_text())
DIFFERENCES = {entry["path"]: entry for entry in FILE["differences"]}
PATTERNS = [entry["pattern"] for entry in FILE["without_counterpart"]]
SHARED = yaml.safe_load((ROOT / CONFIG).read_text())  # what config.yaml says for every preset
DISPLAY = (
    *("preset", "nyuv2.predicted_frames.*", "m*.noise.score"),
    *("*.table?", "*.tradeoff.*", "mosei.figure5.*"),
)
WHOLE = ("sample", "paper")
SCHEMA = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text())
MAY_BE_ABSENT = {  # keys of the schema that a whole preset need not name
    "nyuv2.runs.*.weights": "a run that is not trained",
    "nyuv2.runs.*.gate": "dynamic runs alone, which the schema's check asks for it",
    "nyuv2.runs.*.temperature": "a test below asks dynamic runs for it",
    "nyuv2.runs.*.init_from": "nothing to start from",
    "nyuv2.runs.*.intermediate": "a run that is shown",
    "nyuv2.runs.*.augmentation": "the augmentation that all share",
    "nyuv2.runs.*.augmentation.*": "the rest stands in the augmentation that all share",
    "nyuv2.runs.*.weights_of": "a run with weights of its own",
    "nyuv2.runs.*.budget": "a run that is trained",
    "nyuv2.runs.*.budget.*": "one unit of three",
    "nyuv2.runs.*.network": "the network that all share",
    "nyuv2.runs.*.network.*": "the rest stands in the network that all share",
    "nyuv2.runs.*.title": "a run that the paper names, or that is not shown",
    "*.training": "nothing of its own beside the block that all share",
    "nyuv2.runs.*.training.*": "the rest stands in the block that all share",
    "m*.experts.*.training.*": "the rest stands in the block that all share",
    "*.module": "a class of this package",
    "m*.gates.*": "ours: a preset may have none",
    "m*.noise.points.*": "the settings of a point, or the name of a gate",
    "m*.experts.*.width": "an expert of the width that its options say",
    "mosei.figure5.review": "whichever the data offer",
    "routing.feature_madds_m.*.text": "not known: word vectors are looked up",
    "resources.*.gpu": "a rule that uses none",
}


def leaves(block, path=()):
    """Dotted path -> value of everything that is no mapping; an empty mapping is a leaf too."""
    if not isinstance(block, dict) or not block:
        return {".".join(map(str, path)): block}
    found = {}
    for key, value in block.items():
        found |= leaves(value, (*path, key))
    return found


def recipe():
    return {k: v for k, v in leaves(FILE["recipes"]).items() if k.rpartition(".")[2] != "source"}


def preset(name):
    return yaml.safe_load((ROOT / PRESETS / f"{name}.yaml").read_text())


def same(first, second):
    return first == second and isinstance(first, bool) == isinstance(second, bool)


def test_every_leaf_of_the_paper_s_preset_is_the_authors_or_a_stated_difference():
    authors, ours, wrong = recipe(), leaves(configured({"preset": "paper"})), []
    for path, value in ours.items():
        patterns = [pattern for pattern in PATTERNS if fnmatch(path, pattern)]
        places = (path in authors) + (path in DIFFERENCES) + bool(patterns)
        if places != 1:
            wrong.append(f"{path}: {value!r} stands in {places} places of recipes.yaml")
        elif path in authors and not same(value, authors[path]):
            wrong.append(f"{path}: {value!r}, the authors have {authors[path]!r}")
        elif path in DIFFERENCES and not same(value, DIFFERENCES[path]["ours"]):
            wrong.append(f"{path}: {value!r}, stated is {DIFFERENCES[path]['ours']!r}")
    assert not wrong, "\n".join(wrong)


def test_every_entry_of_the_recipes_is_used():
    ours = leaves(configured({"preset": "paper"}))
    assert sorted({*recipe(), *DIFFERENCES} - set(ours)) == []
    unused = [pattern for pattern in PATTERNS if not any(fnmatch(path, pattern) for path in ours)]
    assert unused == []


def test_every_entry_of_the_recipes_has_a_source_or_a_reason():
    for entry in FILE["differences"]:
        assert not same(entry["authors"], entry["ours"]), entry["path"]
    assert all(entry["reason"] for entry in FILE["differences"] + FILE["without_counterpart"])
    assert [p for p in recipe() if not has_source(FILE["recipes"], p.split("."))] == []


def has_source(block, keys):
    for key in keys:
        if "source" in block:
            return True
        block = block[key]
    return False


@pytest.mark.parametrize("name", ["sample", "small", "paper"])
def test_every_leaf_of_a_preset_is_named_in_it_or_shared(name):
    """A preset that says `extends` names the values of that one with it."""
    named = {**leaves(preset(name))}
    if "extends" in preset(name):
        named |= leaves(preset(preset(name)["extends"]))
    found = set(leaves(configured({"preset": name})))
    assert sorted(found - set(named) - set(leaves(SHARED))) == []
    assert sorted(set(named) - found - {"extends"}) == [], "named, but not what the rules see"


def test_config_yaml_says_how_results_are_shown_and_nothing_that_changes_them():
    shared = leaves(SHARED)
    assert [path for path in shared if not any(fnmatch(path, word) for word in DISPLAY)] == []
    for name in WHOLE:
        assert set(shared) & set(leaves(preset(name))) == {"preset"}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_preset_names_every_key_of_the_schema(name):
    """What the schema allows to leave out, a default in the code would decide."""
    absent = absent_keys(SCHEMA, configured({"preset": name}))
    known = [path for path in absent if any(fnmatch(path, word) for word in MAY_BE_ABSENT)]
    assert sorted(set(absent) - set(known)) == []
    for run, entry in preset(name)["nyuv2"]["runs"].items():
        if entry["model"] == "dynamic" and entry.get("gate") not in (None, "random"):
            assert "temperature" in entry, run


def absent_keys(rule, block, path=()):
    """Dotted paths of the keys that the schema knows and the block does not name."""
    if "$ref" in rule:
        target = SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]]
        rule = (
            target
            | rule
            | {"properties": target.get("properties", {}) | rule.get("properties", {})}
        )
        del rule["$ref"]
    if not isinstance(block, dict):
        return []
    known, others = rule.get("properties", {}), rule.get("additionalProperties", {})
    found = [".".join([*path, key]) for key in known if key not in block]
    for key, value in block.items():
        inner = known.get(key, others)
        found += absent_keys(inner, value, (*path, str(key))) if isinstance(inner, dict) else []
    return found


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("task", [MMIMDB, MOSEI], ids=lambda task: task.name)
def test_no_option_of_an_expert_or_a_gate_is_left_to_its_class(name, task):
    section = preset(name)[task.name]
    gate = section["dynamic"]["gate"]
    load_gating(task.name)
    entries = [(f"experts.{key}", registry._EXPERTS, e) for key, e in section["experts"].items()]
    for key, known, entry in [*entries, ("dynamic.gate", registry._GATES, gate)]:
        options = list(inspect.signature(known[task.name, entry["model"]]).parameters)[2:]
        assert sorted(entry["options"]) == sorted(options), f"{task.name}.{key}.options"


def test_small_says_that_it_is_the_sample():
    assert preset("small")["extends"] == "sample"
    assert [name for name in WHOLE if "extends" in preset(name)] == []


def test_the_segmentation_is_trained_by_the_authors_optimizer_and_schedule():
    authors = FILE["in_code"]["nyuv2"]
    settings = configured({"preset": "paper"})["nyuv2"]["training"] | {"channels_last": False}
    double = settings | {"batch_size": 2 * authors["learning_rate_at_batch"]}
    task, large = segmentation_task(settings), segmentation_task(double)
    assert type(task.optimizer).__name__ == authors["optimizer"]
    assert task.optimizer.defaults["nesterov"] is authors["nesterov"]
    assert rate(large) == pytest.approx(2 * rate(task)), "linear in the batch"
    rates = []
    for _ in range(settings["epochs"]):
        rates.append(rate(task))
        task.optimizer.step()
        task.scheduler.step() if len(rates) < settings["epochs"] else None
    shares = [value / settings["learning_rate"] for value in rates]
    cycle = authors["schedule"]
    assert max(shares) == pytest.approx(1)
    assert shares.index(max(shares)) + 1 == cycle["warmup_share"] * settings["epochs"]
    assert (shares[0], shares[-1]) == pytest.approx((cycle["first"], cycle["last"]))


def segmentation_task(settings):
    return SegmentationTask(
        "x",
        nn.Conv2d(3, 2, 1),
        "static",
        settings,
        class_weights=torch.ones(2),
        path_madds=None,
        train_batches=None,
        validation_batches=None,
        validation_labels=None,
        device=torch.device("cpu"),
    )


def rate(task):
    return task.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("task", [MMIMDB, MOSEI], ids=lambda task: task.name)
def test_experts_are_trained_by_the_authors_optimizer_loss_and_score(task):
    authors = FILE["in_code"][task.name]
    split = SimpleNamespace(to=lambda device: split)
    data = {"train": split, "validation": split, "seed": 0, "device": torch.device("cpu")}
    settings = configured({"preset": "paper"})[task.name]["training"]
    training = ExpertTraining("x", task, nn.Linear(2, 2), settings, **data)
    assert type(training.optimizer).__name__ == authors["optimizer"]
    outputs, targets = torch.tensor([[0.3, -2.0]]), torch.tensor([[1.0, 0.0]])
    expected = getattr(F, authors["loss"])(outputs, targets)
    assert task.loss(outputs, targets) == pytest.approx(expected.item())
    assert training.score_name == authors["score"]
    assert training.higher_is_better is (task is MMIMDB)
