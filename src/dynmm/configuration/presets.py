"""The configuration from its layers: a preset, and over it what the user says.

A preset is a file `<name>.yaml` in one folder that stands whole, or that names by `extends` the
preset over which it lies. The user's layer is what Snakemake makes of config.yaml, the files of
--configfile and the values of --config.
"""

from pathlib import Path

from dynmm.configuration.strict_yaml import read_yaml
from dynmm.errors import InputError, did_you_mean, shown
from dynmm.vocabulary import MODALITY_TASKS

# blocks whose entries a null takes away
REMOVABLE = (
    ("nyuv2", "runs"),
    *((task, block) for task in MODALITY_TASKS for block in ("experts", "gates")),
    *((task, "noise", "points") for task in MODALITY_TASKS),
)


def with_preset(given, folder):
    """The whole configuration: the preset that `given` names, with `given` over it.

    Mappings meet key by key; lists and single values replace. A block left empty (null) changes
    nothing, but an entry of `runs`, `experts`, `gates` or `noise.points` that is null is taken
    away. `preset` may be a new name where `extends` says which preset to start from.

    Args:
        given: the user's layer, a dict; it is not changed.
        folder: of the presets.

    Returns:
        A new dict, without `extends`. It follows from the arguments alone: every cluster job
        makes it again.

    Raises:
        InputError: an unknown preset, a preset that is no mapping or extends itself, `extends`
            beside a preset that has a file, or a null for an entry that is not there.
    """
    presets = {path.stem: path for path in Path(folder).glob("*.yaml")}
    name, start = given.get("preset"), given.get("extends")
    known = isinstance(name, str) and name in presets
    if known and start is not None and start != _read(presets[name]).get("extends"):
        raise InputError(
            "a preset with a file of its own starts from that",
            key="extends",
            found=start,
            expected=f"nothing beside preset {name}, or another name for the preset",
        )
    if known or start is None:
        base = _resolved(presets, name, "preset")
    else:
        base = _resolved(presets, start, "extends")
    try:
        result = _overlaid(base, given)
    except RecursionError:
        raise InputError("blocks within blocks without an end", key="config") from None
    result.pop("extends", None)
    for path in REMOVABLE:
        _without_null(result, path)
    return result


def _resolved(presets, name, key, chain=()):
    """A preset over those that it extends."""
    if not isinstance(name, str) or name not in presets:
        raise _unknown(presets, name, key)
    if name in chain:
        raise InputError(
            "a preset extends itself",
            file=presets[name],
            found=" extends ".join([*chain, name]),
            expected="a preset that stands whole at the end",
        )
    own = dict(_read(presets[name]))
    start = own.pop("extends", None)
    if start is None:
        return own
    return _overlaid(_resolved(presets, start, "extends", (*chain, name)), own)


def _read(path):
    content = read_yaml(path, "a preset")
    if not isinstance(content, dict):
        raise InputError(
            "a preset is no block of keys",
            file=path,
            found="nothing" if content is None else type(content).__name__,
            expected="keys as in the other presets",
        )
    return content


def _unknown(presets, name, key):
    return InputError(
        "unknown preset",
        key=key,
        found="nothing" if name is None else shown(name),
        expected=f"one of {', '.join(sorted(presets))}",
        fix=did_you_mean(name, presets)
        or "A new name needs `extends`, with the preset to start from, beside `preset`.",
    )


def _overlaid(base, over, path=()):
    result = dict(base)
    for key, value in over.items():
        under = base.get(key)
        if isinstance(value, dict):
            block = under if isinstance(under, dict) else {}
            result[key] = _overlaid(block, value, (*path, key))
        elif value is None and path in REMOVABLE:
            _check_there(base, key, path)
            result[key] = None
        elif value is not None or not isinstance(under, dict):
            result[key] = value
    return result


def _check_there(block, name, path):
    if name not in block:
        raise InputError(
            "nothing to take away",
            key=".".join([*path, str(name)]),
            found="null",
            expected=f"one of {', '.join(map(str, block))}",
            fix=did_you_mean(name, block),
        )


def _without_null(config, path):
    *parents, last = path
    block = config
    for key in parents:
        block = block.get(key)
        if not isinstance(block, dict):
            return
    entries = block.get(last)
    if isinstance(entries, dict):
        block[last] = {name: entry for name, entry in entries.items() if entry is not None}
