"""Hostile values at every leaf of the configuration: each is refused in one message, or reviewed.

python tests/attack_config.py [--cases N] [--seed S] [--write]

A case is a kind of value at one place. It is refused by an InputError, or accepted; then every
slice of the configuration can be made of it, and accepted_values.yaml has this kind at this place.
Without --cases all of them are tried; --write prints what is accepted, to be reviewed.
"""

import argparse
import collections
import copy
import functools
import json
import random
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from config_slices import every_slice  # noqa: E402 (found by the line above)
from dynmm.configuration import presets  # noqa: E402
from dynmm.configuration.modality import ROWS  # noqa: E402
from dynmm.configuration.strict_yaml import read_yaml  # noqa: E402
from dynmm.configuration.validation import validate  # noqa: E402
from dynmm.errors import InputError  # noqa: E402
from workflow_tree import PRESETS, configured  # noqa: E402

presets.read_yaml = functools.cache(read_yaml)  # thousands of times the same file
SCHEMA = read_yaml(ROOT / "workflow/schemas/config.schema.yaml", "the schema")
REVIEWED = Path(__file__).with_name("accepted_values.yaml")
SAMPLE = configured()
NOISE = {"share": 0.5, "level": 1.0}
NOISY = {"augmentation": {"noise": NOISE, "missing": 0.1}}
EXPERTS = str(ROOT / "src/dynmm/models/experts")


def _task(task, module):
    """What the sample leaves out of a task's section."""
    section = SAMPLE[task]
    own = {
        key: value for key, value in section["dynamic"].items() if key not in ("experts", "folds")
    }
    module_of_gate = {"module": f"{EXPERTS}/{GATE_MODULES[task]}.py"}
    own["gate"] = own["gate"] | module_of_gate
    gate = {"lambda": 0, "tau": 1, "mode": "straight_through", "freeze": False}
    point = {key: section["noise"]["points"]["dynmm"][key] for key in gate}
    return {
        "training": NOISY,
        "experts": {
            "text": {"training": section["training"] | NOISY, "module": f"{EXPERTS}/{module}.py"}
        },
        "dynamic": NOISY | {"gate": module_of_gate},
        "points": [point],
        "gates": {
            "whole": gate | {"title": "All keys", "dynamic": own | NOISY, "budgets": [{"ms": 3}]},
            "cross_fitted": {"dynamic": {"augmentation": {"noise": None, "missing": 0}}},
            "counted": gate | {"title": "Counted", "budgets": [{"madds_m": 3}]},
        },
        ROWS[task]: {
            "dynmm_a": point | {"inference": "hard"},
            "dynmm_b": {"share": 0.5, "inference": "hard"},
            "dynmm_c": {"lambda": section["grid"]["lambda"][1], "budget": {"share": 0.5}},
        },
    }


GATE_MODULES = {"mmimdb": "mlp_gate", "mosei": "transformer_gate"}
EXTRA = {  # what the sample leaves out, so that every leaf of the schema has a value
    "routing": {"feature_madds_m": {"mmimdb": {"text": 3}}},
    "nyuv2": {
        "augmentation": {"noise": NOISE},
        "predicted_frames": {"frames": [3, 7]},
        "runs": {
            "released": {"model": "dynamic", "weights": "ckpt_best.pth"},
            "at_milliseconds": {"model": "dynamic", "weights_of": "dynmm_b", "budget": {"ms": 3}},
            "at_madds": {
                "model": "dynamic",
                "weights_of": "dynmm_b",
                "budget": {"depth_madds_m": 3},
            },
            "scheduled": {
                "model": "dynamic",
                "gate": [["random", 1], ["soft", 2]],
                "temperature": [1.0, 0.01],
                "init_from": "stage1",
                "augmentation": {"rescale": [0.8, 1.2], "hsv": "authors", "noise": NOISE},
                "training": SAMPLE["nyuv2"]["training"],
            },
            "narrow": {
                "model": "static",
                "network": {
                    "encoder": "resnet34",
                    "block": "BasicBlock",
                    "channels_decoder": [64, 32, 16],
                    "nr_decoder_blocks": [1, 1, 1],
                    "fusion": "add",
                    "pretrained": "none",
                },
            },
        },
    },
    "mmimdb": _task("mmimdb", "mmimdb"),
    "mosei": _task("mosei", "mosei") | {"figure5": {"review": "a_review"}},
}
USER_NAMED = (  # blocks whose keys are names that users give, and what a further entry may be
    ("nyuv2.runs", {"model": "rgb"}),
    *((f"{task}.experts", {"model": "text"}) for task in ("mmimdb", "mosei")),
    *(
        (
            f"{task}.gates",
            {"title": "T", "lambda": 0, "tau": 1, "mode": "regret", "freeze": True, "budgets": []},
        )
        for task in ("mmimdb", "mosei")
    ),
    *(
        (f"{task}.noise.points", {"title": "T", "gate": "cross_fitted"})
        for task in ("mmimdb", "mosei")
    ),
)
STARRED = [  # blocks whose entries are all alike
    ["resources"],
    *(block.split(".") for block, _ in USER_NAMED),
    *([task, table] for task, table in ROWS.items()),
]


def deep(levels=3000):
    """Lists in a list in a list, deeper than any recursion goes."""
    value = []
    for _ in range(levels):
        value = [value]
    return value


TEXTS = {
    "text": "a",
    "empty text": "",
    "space": " ",
    "spaces around": " a ",
    "line end": "a\n",
    "line end alone": "\n",
    "tab": "a\tb",
    "null byte": "a\x00b",
    "escape": "a\x1b[31m",
    "braces": "{preset}",
    "other braces": "a{{b}}",
    "accents": "äé😀",
    "half a character": "\ud800",
    "300 characters": "a" * 300,
    "5000 characters": "a" * 5000,
    "dash": "-x",
    "upwards": "../../x",
    "absolute": "/dev/null",
    "words": "a b",
    "dollars": "$5 and $6_{",
    "underscore": "_a",
    "slash": "a/b",
    "shell": "$(touch x);`y`'\"",
    "pattern": "a|b.*",
    "tilde": "lambda~1",
    "dynmm": "dynmm",
    "Python file": "no/such.py",
    "weights file": "no/such.pth",
    "whole number as text": "1",
    "number as text": "0.5",
    "exponent as text": "1e-4",
    "negative as text": "-1",
    "nan as text": "nan",
    "huge as text": "1e999",
    "schedule": "1..0.001",
    "backward schedule": "..1",
    "true as text": "true",
    "null as text": "null",
}
NUMBERS = {
    "0": 0,
    "1": 1,
    "2": 2,
    "-1": -1,
    "0.5": 0.5,
    "1.5": 1.5,
    "1.0": 1.0,
    "-0.5": -0.5,
    "-0.0": -0.0,
    "1e-300": 1e-300,
    "1e-5": 1e-5,
    "1e300": 1e300,
    "1000": 1000,
    "1e6": 10**6,
    "1e9": 10**9,
    "1e30": 10**30,
    "1e400": 10**400,
    "5000 digits": 16**4200,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
}
OTHERS = {
    "null": None,
    "true": True,
    "false": False,
    "empty list": [],
    "list of null": [None],
    "list of 0": [0],
    "list of a text": ["a"],
    "list of lists": [[1]],
    "list of blocks": [{}],
    "deep": deep(),
    "empty block": {},
    "block": {"a": 1},
    "block of a number": {1: 2},
    "block of null": {None: None},
    "date": yaml.safe_load("2024-01-01"),
    "bytes": yaml.safe_load("!!binary aGVsbG8="),
    "set": yaml.safe_load("!!set {a}"),
}
MADE = {  # of the value that stands there
    "as text": str,
    "in a list": lambda value: [value],
    "twice": lambda value: value * 2 if isinstance(value, list) else [value, value],
    "one entry less": lambda value: value[:-1] if isinstance(value, list) else None,
    "backwards": lambda value: value[::-1] if isinstance(value, list) else {"value": value},
    "unknown key beside": lambda value: (
        {**value, "unknown": 1} if isinstance(value, dict) else {"unknown": 1}
    ),
}
KINDS = {**TEXTS, **NUMBERS, **OTHERS}
NAMES = {**TEXTS, "number": 1, "null": None, "true": True}


def full():
    """A configuration with a value at every leaf of the schema."""
    return configured(EXTRA)


def places(config):
    """Pattern -> the first such place (a tuple) of every leaf, list and block."""
    found = {}

    def walk(value, path):
        if path:
            found.setdefault(pattern_of(path, config), path)
        if isinstance(value, dict):
            for key, entry in value.items():
                walk(entry, (*path, key))
        elif isinstance(value, list) and value:
            walk(value[0], (*path, 0))

    walk(config, ())
    return found


def pattern_of(path, config):
    """A place without names that users give: "nyuv2.runs.*.model"; options say of which model."""
    parts = list(map(str, path))
    for block in STARRED:
        if parts[: len(block)] == block and len(parts) > len(block):
            parts[len(block)] = "*"
    if "options" in path:
        place = path.index("options")
        parts[place] = f"options({block_at(config, path[:place])['model']})"
    return ".".join(parts)


def cases():
    """Every (place, kind), places as patterns, in a fixed order."""
    spots = [(pattern, kind) for pattern in places(full()) for kind in [*KINDS, *MADE]]
    return spots + [(f"{block} (name)", kind) for block, _ in USER_NAMED for kind in NAMES]


def attacked(config, spots, place, kind):
    """A configuration with a kind of value at a place, as a user's layer has it."""
    if place.endswith(" (name)"):
        path = (*place.removesuffix(" (name)").split("."), NAMES[kind])
        value = dict(USER_NAMED)[place.removesuffix(" (name)")]
    else:
        path = spots[place]
        value = MADE[kind](block_at(config, path)) if kind in MADE else KINDS[kind]
    config = block = dict(config)
    for key in path[:-1]:
        block[key] = copy.copy(block[key])
        block = block[key]
    block[path[-1]] = value
    return config


def block_at(config, path):
    for key in path:
        config = config[key]
    return config


def outcome(given):
    """ "refused" or "accepted"; what else happens is the message of a fault."""
    try:
        config = presets.with_preset(given, ROOT / PRESETS)
        validate(config, SCHEMA)
    except InputError as error:
        message = str(error)
        return "refused" if message.isprintable() and len(message) < 1200 else f"said: {message!r}"
    except Exception as error:
        return f"{type(error).__name__} in the check: {error}"
    try:
        for part in every_slice(config):
            json.dumps(part, allow_nan=False).encode()
    except Exception as error:
        return f"{type(error).__name__} in a slice: {error}"
    return "accepted"


def reviewed():
    """Pattern -> kinds that are allowed there."""
    groups = read_yaml(REVIEWED, "the reviewed values")["groups"]
    found = {}
    for group in groups:
        for place in group["places"]:
            found[place] = set(group["accepts"])
    return found


def attack(chosen, allowed):
    """(counts by outcome, faults) of the chosen cases."""
    config, counts, faults = full(), collections.Counter(), []
    spots = places(config)
    for place, kind in chosen:
        found = outcome(attacked(config, spots, place, kind))
        counts[found if found in ("refused", "accepted") else "fault"] += 1
        expected = "accepted" if kind in allowed.get(place, ()) else "refused"
        if found != expected:
            faults.append(f"{place}: {kind}: {found}, {expected} is expected")
    return counts, faults


def main(options):
    chosen = cases()
    if options.cases:
        chosen = random.Random(options.seed).sample(chosen, min(options.cases, len(chosen)))
    counts, faults = attack(chosen, reviewed() if REVIEWED.exists() else {})
    if options.write:
        write(faults)
        return
    print(*faults, sep="\n")
    print(f"{len(chosen)} cases: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    sys.exit(bool(faults))


def write(faults):
    """Print what differs from the review, as groups of places that accept the same kinds."""
    accepted = (
        {place: set(kinds) for place, kinds in reviewed().items()} if REVIEWED.exists() else {}
    )
    for fault in faults:
        place, kind, rest = fault.split(": ", 2)
        kinds = accepted.setdefault(place, set())
        if rest.startswith("accepted"):
            kinds.add(kind)
        elif rest.startswith("refused"):
            kinds.discard(kind)
        else:
            print(f"# {fault}")
    order = [*KINDS, *MADE, *NAMES]
    groups = collections.defaultdict(list)
    for place, kinds in accepted.items():
        groups[tuple(sorted(kinds, key=order.index))].append(place)
    content = [
        {"because": "?", "accepts": list(kinds), "places": found} for kinds, found in groups.items()
    ]
    print(yaml.safe_dump({"groups": content}, sort_keys=False, allow_unicode=True, width=100))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, help="how many, drawn at random (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="print what is accepted")
    main(parser.parse_args())
