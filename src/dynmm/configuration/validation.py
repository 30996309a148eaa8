"""Checking the configuration against its schema and for what a schema cannot say."""

import difflib
import math

import jsonschema

from dynmm.configuration import segmentation
from dynmm.configuration.modality_validation import check_modality, refused
from dynmm.configuration.robustness_validation import check_robustness
from dynmm.configuration.runs import shown_runs
from dynmm.vocabulary import MODALITY_TASKS, TEST

TEXT_NOT_NUMBER = (
    "It is a text: in YAML write 1.0e-4, not 1e-4; below --config every nested value is a text, "
    "so use --configfile."
)

KINDS = ("rgb", "depth", "static", "dynamic")
# a dynamic network has the static one's parameters and a gate; others start from their like
_STARTS = {"dynamic": {"dynamic", "static"}}


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
    _check_blocks(config["nyuv2"]["network"], "nyuv2.network")
    _check_rescale(config["nyuv2"]["augmentation"]["rescale"], "nyuv2.augmentation.rescale")
    _check_runs(config["nyuv2"], "nyuv2.runs")
    _check_networks(config, "nyuv2.runs")
    for task in MODALITY_TASKS:
        check_modality(config[task], task)
    check_robustness(config)


def _check_blocks(network, key):
    """ResNet-50 alone is made of bottlenecks; nobody publishes weights of ResNet-10."""
    if (network["encoder"] == "resnet50") != (network["block"] == "Bottleneck"):
        wanted = "Bottleneck" if network["encoder"] == "resnet50" else "BasicBlock, NonBottleneck1D"
        raise refused(f"{key}.block", network["block"], f"{wanted} with {network['encoder']}")
    if network["encoder"] == "resnet10" and network["pretrained"] != "none":
        raise refused(f"{key}.pretrained", network["pretrained"], "none with resnet10")


def _check_rescale(factors, key):
    if factors[0] > factors[1]:
        raise refused(key, factors, "the smaller factor first")


def _check_runs(task, key):
    """What a schema cannot say: keys that go together, and runs that start from one another."""
    runs = task["runs"]
    for name, run in runs.items():
        path = f"{key}.{name}"
        released, dynamic = "weights" in run, run["model"] == "dynamic"
        if "weights_of" in run or "budget" in run:
            _check_budget(task, name, path)
            continue
        if dynamic and not released and "gate" not in run:
            raise refused(f"{path}.gate", "nothing", "random, soft or straight_through")
        for word in ("init_from", "training", "temperature"):
            if released and word in run:
                raise refused(f"{path}.{word}", "a value", "nothing: released weights are final")
        if "augmentation" in run:
            if released:
                raise refused(f"{path}.augmentation", "a value", "nothing: it is not trained")
            if "rescale" in run["augmentation"]:
                _check_rescale(run["augmentation"]["rescale"], f"{path}.augmentation.rescale")
        if run.get("intermediate") and "title" in run:
            raise refused(f"{path}.title", "a value", "nothing: an intermediate run is not shown")
        for word in ("gate", "temperature"):
            if not dynamic and word in run:
                raise refused(f"{path}.{word}", "a value", "nothing: only a dynamic model has it")
        _check_start(runs, name, f"{path}.init_from")


def _check_budget(task, name, path):
    """A budget set after training: on the weights of another run, which held frames out."""
    runs, run = task["runs"], task["runs"][name]
    for word, other in (("weights_of", "budget"), ("budget", "weights_of")):
        if word not in run:
            raise refused(f"{path}.{word}", "nothing", f"a value, beside {other}")
    for word in sorted(set(run) - {"model", "weights_of", "budget", "title"}):
        raise refused(f"{path}.{word}", "a value", "nothing: the run takes those of weights_of")
    gated = [
        other
        for other in shown_runs(runs)
        if runs[other]["model"] == "dynamic"
        and runs[other].get("gate") != "random"
        and not {"weights", "weights_of"} & set(runs[other])
    ]
    source = run["weights_of"]
    if source not in gated:
        raise refused(f"{path}.weights_of", source, f"one of {', '.join(gated)}")
    if run["model"] != "dynamic":
        raise refused(f"{path}.model", run["model"], "dynamic, as the run whose weights it takes")
    if segmentation.select_on(task, runs[source]) == TEST:
        raise refused(
            f"{path}.budget",
            f"a value, and select_on: test in the training of {source}",
            "select_on: validation, whose frames set the offset",
            f"Set {path}: null to leave the run out.",
        )


def _check_networks(config, key):
    """Networks of single runs: shapes that go together, along init_from too."""
    runs = config["nyuv2"]["runs"]
    for name, run in runs.items():
        path, start = f"{key}.{name}", run.get("init_from")
        if "network" in run:
            if run["model"] == "dynamic":
                allowed = (
                    "nothing: networks with a gate share nyuv2.network, to be compared by path"
                )
                raise refused(f"{path}.network", "a value", allowed)
            if name in KINDS:
                raise refused(
                    path, "a network of its own", f"a run that is not named {name} for it"
                )
            _check_blocks(segmentation.network(config, name), f"{path}.network")
        if start is not None:
            ours, theirs = (segmentation.shape(config, one) for one in (name, start))
            differ = [word for word in ours if ours[word] != theirs[word]]
            if differ:
                found = f"{start}, of another {', '.join(differ)}"
                raise refused(f"{path}.init_from", found, "a run of the same network")


def _check_start(runs, name, path):
    chain = [name]
    while (earlier := runs[chain[-1]].get("init_from")) is not None:
        if earlier not in runs:
            others = ", ".join(other for other in runs if other != name)
            raise refused(path, earlier, f"one of {others}")
        if "weights_of" in runs[earlier]:
            raise refused(path, earlier, f"{runs[earlier]['weights_of']}, whose weights it has")
        if earlier in chain:
            circle = " from ".join([*chain, earlier])
            raise refused(path, circle, "a run that does not itself start from this one")
        chain.append(earlier)
    if len(chain) > 1:
        start, model = chain[1], runs[name]["model"]
        if runs[start]["model"] not in _STARTS.get(model, {model}):
            found = f"{start}, whose model is {runs[start]['model']}"
            raise refused(path, found, f"a run whose weights fit a model that is {model}")


def _finite_number(_, value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
    return refused(path, found, expected, fix)


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
    text = text if text.isprintable() else repr(text)  # one line whatever a text holds
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
