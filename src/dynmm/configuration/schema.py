"""Checking a configuration against its schema, with one message in the words of the schema."""

import math

import jsonschema

from dynmm.configuration.refusal import refused
from dynmm.errors import did_you_mean, shown

TEXT_NOT_NUMBER = (
    "It is a text: in YAML write 1.0e-4, not 1e-4; below --config every nested value is a text, "
    "so use --configfile."
)


def check_schema(config, schema):
    """Refuse unknown keys and values that the schema does not allow.

    Args:
        config: the merged configuration as a dict.
        schema: the JSON schema as a dict.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    try:
        errors = list(_Validator(schema).iter_errors(config))
        if errors:
            refusal = _explain(min(errors, key=_rank), schema.get("$defs", {}))
    except (RecursionError, ValueError) as error:  # messages show what was found
        expected = "a few levels of blocks, and plain values"
        raise refused("config", f"a value that cannot be shown ({error})", expected) from None
    if errors:
        raise refusal


def _finite_number(_, value):
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


def _whole_number(_, value):
    return isinstance(value, int) and not isinstance(value, bool)  # 1.0 would be spelled in paths


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _finite_number, "integer": _whole_number}
    ),
)


def _rank(error):
    """Unknown keys first, the shallowest first: a misspelt key often explains a missing one."""
    return (error.validator != "additionalProperties", len(error.absolute_path))


def _explain(error, defs):
    """One short InputError from one schema violation."""
    path = ".".join(shown(part) for part in error.absolute_path)
    rule, found, fix = error.schema, shown(error.instance), None
    if error.validator == "additionalProperties":
        known = list(rule.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        path = f"{path}.{shown(unknown)}" if path else shown(unknown)
        found, expected = "an unknown key", f"one of {', '.join(known)}"
        fix = did_you_mean(unknown, known)
    elif error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        path = f"{path}.{missing}" if path else missing
        found = "nothing"
        expected = _allowed(rule.get("properties", {}).get(missing, {}), defs)
    else:
        expected = _allowed(rule, defs)
        if isinstance(error.instance, str) and _is_number(error.instance):
            fix = TEXT_NOT_NUMBER
    return refused(path, found, expected, fix)


def _allowed(rule, defs):
    """In words, what a schema allows; a `description` in it speaks for the whole."""
    if "description" in rule:
        return rule["description"]
    if "$ref" in rule:
        return _allowed(defs[rule["$ref"].rpartition("/")[2]], defs)
    if "enum" in rule:
        return "one of " + ", ".join(shown(value) for value in rule["enum"])
    if "anyOf" in rule:
        return " or ".join(_allowed(option, defs) for option in rule["anyOf"])
    words = [_TYPES.get(rule.get("type"), "a value")]
    words += [f"{text} {rule[key]}" for key, text in _BOUNDS.items() if key in rule]
    if rule.get("type") == "array" and "items" in rule:
        words.append(f"of {_allowed(rule['items'], defs)} each")
    return " ".join(words)


_TYPES = {
    "integer": "a whole number",
    "number": "a finite number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a block of keys",
}
_BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "and at most",
    "exclusiveMaximum": "below",
    "multipleOf": "divisible by",
    "minItems": "with at least this many entries:",
    "maxItems": "and at most:",
}


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
