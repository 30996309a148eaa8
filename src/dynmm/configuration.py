"""The configuration: checked once as a whole, then handed to each stage as a slice.

A slice holds what changes a stage's result and nothing else, so that a change of the configuration
plans exactly the jobs it touches.
"""

import difflib
import math

import jsonschema

from dynmm.errors import InputError

RELEASED_SEED = 0  # released weights were trained once, elsewhere
LEARNED_GATE_KEYS = ("resource_weight", "cost_convention", "gumbel")
CONSTANT_TEMPERATURE = [1.0, 1.0]  # from the first epoch to the last


TEXT_NOT_NUMBER = (
    "It is a text: in YAML write 1.0e-4, not 1e-4; below --config every nested value is a text, "
    "so use --configfile."
)


def validate(config, schema):
    """Refuse a configuration with unknown keys, bad values or runs that cannot be ordered.

    Args:
        config: the merged configuration as a dict.
        schema: the JSON schema as a dict.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    errors = list(_Validator(schema).iter_errors(config))
    if errors:
        raise _explain(min(errors, key=_rank))
    _check_runs(config["nyuv2"]["runs"], "nyuv2.runs")


def trained_runs(runs):
    """Names of the runs that are trained here: all but those with released weights."""
    return [name for name, run in runs.items() if "weights" not in run]


def run_seeds(config, task):
    """All (run, seed) pairs of a task; released weights have one seed, `RELEASED_SEED`."""
    return [
        (name, seed)
        for name, run in config[task]["runs"].items()
        for seed in ([RELEASED_SEED] if "weights" in run else config["seeds"])
    ]


def segmentation_training(config, run):
    """What the training of the run `run` follows from, beside its data, seed, start and code.

    The run's own keys and its `training` block go over the shared training block. Keys that only
    a gate reads are left out for networks without one, and fixed where paths are drawn at random,
    so that a sweep of the resource weight leaves those runs alone.
    """
    task = config["nyuv2"]
    own = task["runs"][run]
    training = {**task["training"], **own.get("training", {}), "model": own["model"]}
    if own["model"] != "dynamic":
        training = _without(training, LEARNED_GATE_KEYS)
    elif own["gate"] == "random":
        training = _without(training, LEARNED_GATE_KEYS)
        training |= {"gate": "random", "gumbel": False, "temperature": CONSTANT_TEMPERATURE}
    else:
        training |= {
            "gate": own["gate"],
            "temperature": own.get("temperature", CONSTANT_TEMPERATURE),
        }
    if training["select_on"] == "test":
        training = _without(training, ("validation_share",))
    return {
        "network": task["network"],
        "prepare": task["prepare"],
        "augmentation": task["augmentation"],
        "training": training,
    }


def segmentation_madds(config):
    """What the multiply-adds of a network follow from: its shape, whatever its weights."""
    return {"network": _without(config["nyuv2"]["network"], ("pretrained",))}


def segmentation_evaluation(config, run):
    """What the evaluation of the run `run` follows from, beside its weights, data and code."""
    task, data = config["nyuv2"], config["data"]["nyuv2"]
    own = task["runs"][run]
    settings = {"model": own["model"], "select_on": _select_on(task, own)}
    if own.get("gate") == "random":
        settings["gate"] = "random"  # such a network draws its paths in the evaluation too
    return {
        "preset": config["preset"],
        "content": data["content"],
        "paper_data": data["paper_data"],
        "network": segmentation_madds(config)["network"],
        "prepare": task["prepare"],
        "evaluation": task["evaluation"],
        "run": settings,
    }


def segmentation_table(config):
    """What a table of the segmentation runs says beside their metrics."""
    return {"preset": config["preset"], "paper_data": config["data"]["nyuv2"]["paper_data"]}


def segmentation_history(config):
    """What the figure of the trainings says beside their histories."""
    return {
        "preset": config["preset"],
        "content": config["data"]["nyuv2"]["content"],
        "select_on": config["nyuv2"]["training"]["select_on"],
    }


def _select_on(task, own):
    if "weights" in own:
        return "released weights"
    return own.get("training", {}).get("select_on", task["training"]["select_on"])


def _without(settings, keys):
    return {key: value for key, value in settings.items() if key not in keys}


def _check_runs(runs, key):
    """What a schema cannot say: keys that go together, and runs that start from one another."""
    for name, run in runs.items():
        path = f"{key}.{name}"
        released, dynamic = "weights" in run, run["model"] == "dynamic"
        if dynamic and not released and "gate" not in run:
            raise _refused(f"{path}.gate", "nothing", "random, soft or straight_through")
        for word in ("init_from", "training", "temperature"):
            if released and word in run:
                raise _refused(f"{path}.{word}", "a value", "nothing: released weights are final")
        for word in ("gate", "temperature"):
            if not dynamic and word in run:
                raise _refused(f"{path}.{word}", "a value", "nothing: only a dynamic model has it")
        _check_start(runs, name, f"{path}.init_from")


def _check_start(runs, name, path):
    chain = [name]
    while "init_from" in runs[chain[-1]]:
        earlier = runs[chain[-1]]["init_from"]
        if earlier not in runs:
            others = ", ".join(other for other in runs if other != name)
            raise _refused(path, earlier, f"one of {others}")
        if earlier in chain:
            circle = " from ".join([*chain, earlier])
            raise _refused(path, circle, "a run that does not itself start from this one")
        chain.append(earlier)


def _refused(key, found, expected, fix=None):
    return InputError("bad configuration", key=key, found=found, expected=expected, fix=fix)


def _finite_number(_, value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("number", _finite_number),
)


def _rank(error):
    """Unknown keys first, the shallowest first: a misspelt key often explains a missing one."""
    return (error.validator != "additionalProperties", len(error.absolute_path))


def _explain(error):
    """One short InputError from one schema violation."""
    path = ".".join(str(part) for part in error.absolute_path)
    rule, found, fix = error.schema, _shown(error.instance), None
    if error.validator == "additionalProperties":
        known = list(rule.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        close = difflib.get_close_matches(str(unknown), known, n=1)
        path = f"{path}.{unknown}" if path else str(unknown)
        found, expected = "an unknown key", f"one of {', '.join(known)}"
        fix = f"Did you mean {close[0]}?" if close else None
    elif error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        path = f"{path}.{missing}" if path else missing
        found = "nothing"
        expected = _allowed(rule.get("properties", {}).get(missing, {}))
    else:
        expected = _allowed(rule)
        if isinstance(error.instance, str) and _is_number(error.instance):
            fix = TEXT_NOT_NUMBER
    return _refused(path, found, expected, fix)


def _allowed(rule):
    """In words, what a schema allows; a `description` in it speaks for the whole."""
    if "description" in rule:
        return rule["description"]
    if "enum" in rule:
        return "one of " + ", ".join(_shown(value) for value in rule["enum"])
    if "anyOf" in rule:
        return " or ".join(_allowed(option) for option in rule["anyOf"])
    words = [_TYPES.get(rule.get("type"), "a value")]
    words += [f"{text} {rule[key]}" for key, text in _BOUNDS.items() if key in rule]
    if rule.get("type") == "array" and "items" in rule:
        words.append(f"of {_allowed(rule['items'])} each")
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


def _shown(value):
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
