"""Experts and gates by name: a configuration entry and one registered class add another."""

import inspect

from dynmm.errors import InputError
from dynmm.models.experts.width import scaled_options
from dynmm.options import ANY, REQUIRED, Kind, Option, check_options

OUTPUTS = "outputs"
_EXPERTS = {}
_GATES = {}


def register_expert(task, name):
    """Class decorator: make an expert known under `name` to one task ("mmimdb", "mosei").

    The class is built as `Class(input_sizes, outputs, **options)`: `input_sizes` maps each modality
    of the data to its feature size, `outputs` is the number of output values, the options come from
    the configuration. It declares `modalities`, the inputs that it reads, and is called with a dict
    of tensors `(B, ...)` (and `lengths`, `(B,)` int64, where the data are sequences); it returns
    `(B, outputs)`. A class that can be built narrower or wider also declares `width_options`, see
    `dynmm.models.experts.width`.
    """
    return _register(_EXPERTS, (task, name))


def register_gate(task, name):
    """Class decorator: make a gate known under `name` to one task.

    The class is built as `Class(input_sizes, experts, **options)`, `experts` being their number,
    is called with the same dict of inputs as an expert and returns logits `(B, experts)`. Where its
    arguments name `outputs`, it is told the number of output values too. One with methods `read`
    and `fit` is fitted to the training split before it is trained, see `ProbeGate`; one with a true
    `reads_first` is told what the first expert says, see `DynamicExperts`.
    """
    return _register(_GATES, (task, name))


def build_expert(task, name, input_sizes, outputs, options=None, width=1):
    """The expert registered as `name` for `task`, with fresh weights.

    Args:
        task: "mmimdb" or "mosei"; the module that registers its experts must have been imported.
        name: the registered name (configuration key `model` of an expert).
        input_sizes: feature size of each modality of the data.
        outputs: number of output values (23 genres, 1 sentiment score).
        options: further keyword arguments of the class, as the configuration gives them.
        width: factor of those options that are widths.

    Raises:
        InputError: unknown name, unknown or bad option, a modality that the data lack, or a factor
            for a class without widths.
    """
    cls = _find(_EXPERTS, task, name, "expert")
    missing = [m for m in cls.modalities if m not in input_sizes]
    if missing:
        raise InputError(
            f"the expert {name} reads inputs that the data lack",
            found=", ".join(input_sizes),
            expected=", ".join(cls.modalities),
        )
    options = options or {}
    check_options(options, options_of(cls), task, f"{task}.{name}")
    return cls(input_sizes, outputs, **scaled_options(cls, options, width, f"{task}.{name}"))


def build_gate(task, name, input_sizes, experts, options=None, outputs=None):
    """The gate registered as `name` for `task`, with fresh weights; see `build_expert`.

    Raises:
        InputError: unknown name, unknown or bad option, or fewer than two experts to choose from.
    """
    if experts < 2:
        raise InputError("a gate chooses between experts", found=experts, expected="2 or more")
    cls = _find(_GATES, task, name, "gate")
    own = dict(options or {})
    check_options(own, options_of(cls), task, f"{task}.{name}")
    if OUTPUTS in inspect.signature(cls).parameters:
        own[OUTPUTS] = outputs
    return cls(input_sizes, experts, **own)


def options_of(cls):
    """The options that a class of an expert or a gate takes, and of what `Kind` they are.

    Its constructor's first two arguments, and `outputs`, are no options.
    """
    declared = {}
    for name, parameter in list(inspect.signature(cls).parameters.items())[2:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            declared[ANY] = Option(None, None)
            continue
        kind = parameter.annotation if isinstance(parameter.annotation, Kind) else None
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        declared[name] = Option(kind, default)
    declared.pop(OUTPUTS, None)
    return declared


def _register(registry, key):
    def decorate(cls):
        if key in registry and registry[key].__qualname__ != cls.__qualname__:
            raise ValueError(f"{key} is registered already, as {registry[key].__qualname__}")
        registry[key] = cls
        return cls

    return decorate


def _find(registry, task, name, kind):
    if (task, name) in registry:
        return registry[task, name]
    known = sorted(n for owner, n in registry if owner == task)
    raise InputError(
        f"unknown {kind} for {task}",
        found=name,
        expected=", ".join(known),
        fix=f"Use one of these, or register a class of that name (register_{kind}).",
    )
