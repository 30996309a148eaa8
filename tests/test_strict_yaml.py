"""Configuration files are read whole, and a key that stands twice in one is refused."""

import pytest
import yaml

from dynmm.configuration.presets import with_preset
from dynmm.configuration.strict_yaml import read_yaml
from dynmm.errors import InputError
from workflow_tree import PRESETS, ROOT


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_yaml(path, "a file")
    assert caught.value.file == path and "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("a: 1\na: 2\n", "a", "in lines 1 and 2"),
        ("a:\n  b: {c: 1}\n  d: [{e: 1}, {e: 1, f: 2,\n e: 3}]\n", "a.d.1.e", "in lines 3 and 4"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x\n", "c.<<", "in lines 3 and 4"),
        ('a: 1\n"a": 2\n', "a", "in lines 1 and 2"),
        ('{"a": {"b": 1, "b": 1}}', "b", None),
    ],
)
def test_a_key_that_stands_twice_is_named(tmp_path, text, key, found):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    error = refusal(path)
    assert error.problem == "a key is given twice"
    assert (error.key, error.found) == (key, found)


@pytest.mark.parametrize(
    "content",
    [b"a: [", b"\xff\xfe", b"a: " + b"1" * 5000, b"[" * 10_000, b"a: *b", b"\ta: 1"],
)
def test_a_file_that_cannot_be_read_is_one_message(tmp_path, content):
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    assert refusal(path).problem == "cannot read a file"


def test_a_file_that_is_missing_is_one_message(tmp_path):
    assert refusal(tmp_path / "none.yaml").problem == "cannot read a file"


def test_aliases_that_circle_are_read_and_go_no_further(tmp_path):
    path = tmp_path / "circle.yaml"
    path.write_text("nyuv2: &a {within: *a}\n")
    given = read_yaml(path, "a file") | {"preset": "sample"}
    with pytest.raises(InputError, match="without an end"):
        with_preset(given, ROOT / PRESETS)


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda p: p.name)
def test_the_committed_files_are_read_as_yaml_reads_them(path):
    assert read_yaml(path, "a file") == yaml.safe_load(path.read_text())


def test_merges_and_aliases_are_allowed(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text("a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: *x\n")
    assert read_yaml(path, "a file") == {"a": {"b": 1}, "c": {"b": 2}, "d": {"b": 1}}


def test_a_preset_with_a_key_twice_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("preset: mine\nseeds: [0]\nseeds: [1]\n")
    with pytest.raises(InputError, match=r"key: seeds; found: in lines 2 and 3"):
        with_preset({"preset": "mine"}, tmp_path)
