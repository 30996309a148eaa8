"""JSON files that one stage leaves for the next, held against the form that readers need.

A sealed one holds a digest of what it says, by which a changed number is noticed too.
"""

import hashlib
import json

import jsonschema

from dynmm.errors import InputError
from dynmm.files import AGAIN, read_json

SHOWN = 60  # characters of what was found or expected
SEAL = "seal"

_FRACTION = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_CORRELATION = {"type": ["number", "null"], "minimum": -1.001, "maximum": 1.001}  # it is rounded
_FRACTIONS = {"type": "object", "additionalProperties": _FRACTION}
_EPOCHS = {"type": "integer", "minimum": 0}
_COUNT = {"type": "number", "minimum": 0}
_RESULTS = {  # of a model, or of a gate at one of its budgets
    "metrics": {
        "type": "object",
        "properties": {
            **dict.fromkeys(("miou", "miou_present", "pixel_accuracy"), _FRACTION),
            **dict.fromkeys(("micro_f1", "macro_f1", "acc2", "acc2_nonzero"), _FRACTION),
            **dict.fromkeys(("class_iou", "genre_f1"), _FRACTIONS),
            **dict.fromkeys(("pearson_r", "corr_binarised"), _CORRELATION),
            "mae": {"type": ["number", "null"], "minimum": 0},
        },
    },
    "madds": {
        "type": "object",
        "required": ["complete"],
        "properties": {
            "complete": {
                "type": "object",
                "required": ["total"],
                "properties": {"experts": {"type": "object", "additionalProperties": _COUNT}},
                "additionalProperties": _COUNT,
            }
        },
        "additionalProperties": {"$ref": "#/$defs/counts"},
    },
    "expert_shares": _FRACTIONS,
    "path_shares": {"type": "array", "items": _FRACTION},
    "samples": {"type": "integer", "minimum": 1},
    "seconds_per_sample": _COUNT,
    "budget": {"type": "object", "required": ["unit", "asked"]},
}
_TEXTS = ("task", "run", "preset", "content", "select_on")
METRICS = {  # docs/architecture.md says what the keys are
    "type": "object",
    "required": [*_TEXTS, "seed", "metrics", "madds"],
    "properties": {
        **{key: {"type": "string"} for key in (*_TEXTS, "modality")},
        "seed": {"type": "integer", "minimum": 0},
        "point": {"type": "object", "additionalProperties": {"type": "string"}},
        "epochs": {"type": "object", "properties": {"own": _EPOCHS, "in_all": _EPOCHS}},
        **_RESULTS,
        "budgets": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["metrics", "madds", "expert_shares", "budget"],
                "properties": _RESULTS,
            },
        },
    },
    "dependentRequired": {
        "inference": ["point", "expert_shares", "reads_first", "modality", "paper_data"],
        "budgets": ["point"],
    },
    "dependentSchemas": {  # a gate that chooses: what it and its experts cost
        "inference": {
            "properties": {
                "madds": {"properties": {"complete": {"required": ["total", "gate", "experts"]}}}
            }
        }
    },
    "$defs": {
        "counts": {
            "type": ["number", "object"],
            "minimum": 0,
            "additionalProperties": {"$ref": "#/$defs/counts"},
        }
    },
}
MODALITY_METRICS = {
    **METRICS,
    "required": [*METRICS["required"], "modality", "paper_data"],
}
TRAINING = {  # of a training.json, what evaluations read
    "type": "object",
    "required": ["epochs"],
    "properties": {"epochs": _EPOCHS},
}

# a whole number in JSON has no point: 2.0 would be a seed of another name
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    ),
)


def read_record(path, form, fix=AGAIN):
    """The value stored in a JSON file, of a known form.

    Args:
        path: of the file.
        form: a JSON schema, such as `METRICS`.
        fix: what to do about a file of another form, for the message.

    Raises:
        InputError: the file is missing, no JSON, or of another form; names the key.
    """
    value = read_json(path, fix)
    error = jsonschema.exceptions.best_match(_Validator(form).iter_errors(value))
    if error is None:
        return value
    lacks = error.validator in ("required", "dependentRequired")
    raise InputError(
        "not the form of this file",
        file=path,
        key=".".join(map(str, error.absolute_path)) or None,
        found=error.message if lacks else _words(error.instance),
        expected=None if lacks else f"{error.validator} {error.validator_value}"[:SHOWN],
        fix=fix,
    )


def require_numbers(record, key, numbers, names):
    """Raise InputError where a metrics file lacks numbers.

    Args:
        record: its content, for the message.
        key: under which the numbers stand.
        numbers: name -> number.
        names: those that are needed.
    """
    missing = [name for name in names if not isinstance(numbers.get(name), int | float)]
    if missing:
        raise InputError(
            "a metrics file lacks numbers",
            key=f"{key} of {record['run']}, seed {record['seed']}",
            found=f"nothing for {', '.join(missing)}",
            expected=", ".join(names),
            fix="Evaluate the run again.",
        )


def sealed(record):
    """A dict with the SHA-256 of what it says, under `SEAL`."""
    said = {key: value for key, value in record.items() if key != SEAL}
    text = json.dumps(said, sort_keys=True, allow_nan=False)
    return {**said, SEAL: hashlib.sha256(text.encode()).hexdigest()}


def read_sealed(path, fix=AGAIN):
    """A dict that was stored as `sealed`, with its seal.

    Raises:
        InputError: the file is missing, no JSON, or does not say what was written into it.
    """
    record = read_json(path, fix)
    expected = sealed(record)[SEAL] if isinstance(record, dict) else None
    if expected is None or record.get(SEAL) != expected:
        raise InputError(
            "the file does not say what was written into it",
            file=path,
            key=SEAL,
            found=_words(record.get(SEAL) if expected else record),
            expected=expected and f"{expected}, the SHA-256 of the rest",
            fix=fix,
        )
    return record


def _words(value):
    """A found value in short: of lists and mappings, which may be anything, the size alone."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return str(value)[:SHOWN]
