"""YAML whose keys stand once: of two, a reader would take the last without a word."""

import json
from pathlib import Path

import yaml

from dynmm.errors import InputError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ONCE = "each key once: of two, the last would win without a word"


def read_yaml(path, what):
    """The content of a YAML or JSON file.

    Args:
        path: of the file.
        what: it is, for messages: "a preset".

    Raises:
        InputError: an unreadable file, no YAML, or a key that stands twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        try:
            return json.loads(text, object_pairs_hook=lambda pairs: _mapping(pairs, path))
        except json.JSONDecodeError:
            return _loaded(text, path)
    except (OSError, yaml.YAMLError, ValueError) as error:
        found = " ".join(str(error).split())
        raise InputError(f"cannot read {what}", file=path, found=found) from None
    except RecursionError:
        found = "blocks within blocks without an end"
        raise InputError(f"cannot read {what}", file=path, found=found) from None


def _mapping(pairs, path):
    mapping = {}
    for key, value in pairs:
        if key in mapping:
            raise InputError("a key is given twice", file=path, key=key, expected=ONCE)
        mapping[key] = value
    return mapping


def _loaded(text, path):
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repeated(node, path, (), set())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_repeated(node, path, keys, seen):
    """Look at every mapping below a node; `keys` lead to it, `seen` keeps aliases from circling."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            _refuse_repeated(item, path, (*keys, str(place)), seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines = {}
    for key, value in node.value:
        name, line = (key.tag, str(key.value)), key.start_mark.line + 1
        if name in lines:
            raise InputError(
                "a key is given twice",
                file=path,
                key=".".join([*keys, name[1]]),
                found=f"in lines {lines[name]} and {line}",
                expected=ONCE,
            )
        lines[name] = line
        _refuse_repeated(value, path, (*keys, name[1]), seen)
