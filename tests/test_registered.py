"""Names and options of experts and gates are checked from their source, before any planning."""

import copy
import textwrap

import pytest

from dynmm.configuration import registered
from dynmm.configuration.registered import EXPERT, GATE, package_sources
from dynmm.configuration.validation import validate
from dynmm.errors import InputError
from dynmm.models.experts import registry
from dynmm.options import ANY, Kind
from dynmm.tasks import load_gating, load_task
from dynmm.vocabulary import MODALITY_TASKS
from test_configuration import CONFIG, SCHEMA, refusal

MODULE = """
from dynmm.models.experts.mmimdb import LateFusionExpert
from dynmm.models.experts.registry import register_expert
from dynmm.options import Size
from dynmm.vocabulary import MMIMDB
from torch import nn


@register_expert("mmimdb", "linear")
class Linear(nn.Module):
    modalities = ("text",)

    def __init__(self, input_sizes, outputs, hidden: Size, bias=True):
        super().__init__()


@register_expert(MMIMDB, "wide")
class Wide(LateFusionExpert):
    pass


@register_expert("mmimdb", "open")
class Open(nn.Module):
    def __init__(self, input_sizes, outputs, **options):
        super().__init__()
"""


def test_the_source_says_of_every_class_what_the_class_itself_does():
    for task in MODALITY_TASKS:
        load_task(task)
        load_gating(task)
    classes = {
        (kind, *key): cls
        for kind, known in ((EXPERT, registry._EXPERTS), (GATE, registry._GATES))
        for key, cls in known.items()
        if cls.__module__.startswith("dynmm.")
    }
    found = package_sources().registered
    assert set(found) == set(classes)
    for key, cls in classes.items():
        assert found[key].options == registry.options_of(cls), key
        assert found[key].has_widths == bool(getattr(cls, "width_options", {})), key


def test_every_option_says_what_it_may_be():
    for key, declared in package_sources().registered.items():
        for name, option in declared.options.items():
            assert isinstance(option.kind, Kind), (key, name)


def with_entry(path, **changes):
    config = copy.deepcopy(CONFIG)
    block = config
    for key in path.split("."):
        block = block[key]
    block |= changes
    return config


TEXT, FUSION = "mmimdb.experts.text.options", "mosei.experts.late_fusion.options"


@pytest.mark.parametrize(
    ("path", "name", "value", "words"),
    [
        *((TEXT, "hidden", value, "a whole number from 1") for value in (0, -1, 2.0, "64", True)),
        (TEXT, "hidden", 10**6, "to 100000"),
        (TEXT, "hidden", None, "a whole number"),
        (TEXT, "hiden", 3, "hidden"),
        (TEXT, "outputs", 3, "hidden, features, head_hidden"),
        (TEXT, "a\nb", 3, "hidden"),
        ("mmimdb.experts.lrtf.options", "untrained", ["bias"], "among factors"),
        ("mmimdb.experts.lrtf.options", "untrained", "factors", "a list"),
        ("mmimdb.experts.lrtf.options", "dropout", 1, "below 1"),
        ("mmimdb.experts.lrtf.options", "dropout", float("nan"), "below 1"),
        ("mosei.experts.text.options", "width", 21, "a multiple of heads"),
        ("mosei.experts.text.options", "heads", 0, "from 1 to 1000"),
        ("mosei.experts.text.options", "readout", "first", "one of last_valid, authors"),
        ("mosei.experts.text.options", "readout", ["authors"], "one of last_valid, authors"),
        (FUSION, "widths", [20, 40], "a list of three"),
        (FUSION, "widths", [20, 40, 21], "a multiple of heads"),
        (FUSION, "widths", 20, "a list of three"),
        ("mosei.dynamic.gate.options", "availability", 1, "true or false"),
        ("mosei.gates.hardened.dynamic.gate.options", "layers", 0, "from 1"),
        ("mmimdb.gates.cross_fitted.dynamic.gate.options", "probes", [["text"]], "two or one"),
        (
            "mmimdb.gates.cross_fitted.dynamic.gate.options",
            "probes",
            [["text"], ["sound"]],
            "modalities",
        ),
        (
            "mosei.gates.cross_fitted.dynamic.gate.options",
            "first_expert",
            False,
            "two or one beside first_expert",
        ),
    ],
)
def test_a_bad_option_is_refused_with_its_path_and_what_is_allowed(path, name, value, words):
    error = refusal(with_entry(path, **{name: value}))
    assert error.key.startswith(f"{path}.")
    assert words in error.expected


def test_an_option_without_a_default_has_to_be_given():
    config = with_entry("mmimdb.gates.cross_fitted.dynamic.gate", options={})
    error = refusal(config)
    assert (error.problem, error.found) == ("missing option", "nothing")
    assert error.key == "mmimdb.gates.cross_fitted.dynamic.gate.options.probes"


@pytest.mark.parametrize(
    ("path", "model", "fix"),
    [
        ("mmimdb.experts.text", "txt", "Did you mean text?"),
        ("mmimdb.experts.text", "transformer", "needs its `module`"),  # a gate, of the other task
        ("mosei.dynamic.gate", "mlp", "needs its `module`"),
        ("mosei.dynamic.gate", "transformers", "Did you mean transformer?"),
    ],
)
def test_an_unknown_model_is_refused_with_those_there_are(path, model, fix):
    error = refusal(with_entry(path, model=model))
    assert error.key == f"{path}.model"
    assert fix in error.fix


def test_a_class_without_widths_takes_no_factor(tmp_path):
    path = tmp_path / "added.py"
    path.write_text(MODULE)
    entry = {"model": "linear", "module": str(path), "options": {"hidden": 3}}
    error = refusal(with_entry("mmimdb.experts", new=entry | {"width": 0.5}))
    assert (error.key, error.found) == ("mmimdb.experts.new.width", 0.5)
    wide = {"model": "wide", "module": str(path), "width": 0.5}
    validate(with_entry("mmimdb.experts", new=wide), SCHEMA)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"model": "linear", "options": {"hidden": 3, "bias": "any"}}, None),  # bias is not said
        ({"model": "linear"}, "options.hidden"),
        ({"model": "linear", "options": {"hidden": 0}}, "options.hidden"),
        ({"model": "linear", "options": {"hidden": 3, "size": 1}}, "options.size"),
        ({"model": "wide", "options": {"features": 8}}, None),
        ({"model": "wide", "options": {"features": 0}}, "options.features"),
        ({"model": "open", "options": {"anything": 0}}, None),
        ({"model": "lineal"}, "model"),
        ({"model": "text"}, None),  # of the package
    ],
)
def test_a_class_of_the_user_s_own_is_read_as_ours_are(tmp_path, entry, key):
    path = tmp_path / "added.py"
    path.write_text(MODULE)
    config = with_entry("mmimdb.experts", new=entry | {"module": str(path)})
    if key is None:
        validate(config, SCHEMA)
    else:
        assert refusal(config).key == f"mmimdb.experts.new.{key}"


@pytest.mark.parametrize(
    "text",
    [
        "import torch\n",  # registers, if at all, through what it imports
        """
        for name in ("a", "new"):
            register_expert("mmimdb", name)(make(name))
        """,
        """
        @register_expert("mmimdb", f"{prefix}new")
        class New(Base):
            pass
        """,
    ],
)
def test_what_the_source_does_not_tell_is_left_to_the_job(tmp_path, text):
    path = tmp_path / "added.py"
    path.write_text(textwrap.dedent(text))
    entry = {"model": "new", "module": str(path), "options": {"any": 1}, "width": 0.5}
    validate(with_entry("mmimdb.experts", new=entry), SCHEMA)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no such Python file"), (b"def f(:\n", "not a Python file"), (b"\xff", "not a Python")],
)
def test_a_module_that_is_not_there_or_no_python_is_named(tmp_path, content, problem):
    path = tmp_path / "added.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        validate(with_entry("mmimdb.experts.text", module=str(path)), SCHEMA)
    assert caught.value.file == path and "\n" not in str(caught.value)


def test_two_modules_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / folder / "added.py" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(MODULE)
    config = with_entry("mmimdb.experts.text", module=str(paths[0]))
    config["mmimdb"]["dynamic"]["gate"]["module"] = str(paths[1])
    error = refusal(config)
    assert (error.key, error.found) == ("mmimdb.dynamic.gate.module", str(paths[1]))


def test_options_of_any_name_are_known_as_such():
    sources = registered.Sources([])
    assert not sources.told and not sources.registered
    assert ANY not in package_sources().registered[EXPERT, "mmimdb", "text"].options
