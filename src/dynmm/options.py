"""What the options of experts and gates may be.

A constructor says it by annotations, as `hidden: Size`. The configuration reads them from the
source, with no network imported, before anything is planned; a job holds its options against them
before it builds a network.
"""

import functools
from typing import Any, NamedTuple

from dynmm.errors import InputError, did_you_mean, shown
from dynmm.vocabulary import MODALITIES

LARGEST_SIZE, LARGEST_DEPTH = 100_000, 1_000
READOUTS = ("last_valid", "authors")  # of a sequence: see `SequenceTransformer`
FUSION_PARTS = ("factors", "fusion_weights", "fusion_bias")  # see `LowRankTensorFusion`
REQUIRED = object()  # in place of a default
ANY = "**"  # in place of a name, for a class that takes options of any name


class Kind(NamedTuple):
    """What an option may be.

    Attributes:
        words: what is allowed.
        admits: (value, all options of the class, name of the task) -> whether it is.
    """

    words: str
    admits: Any


class Option(NamedTuple):
    """An option of a class: its `Kind` (None: not said), and its default or `REQUIRED`."""

    kind: Kind | None
    default: Any


def check_options(given, declared, task, key):
    """Refuse options that a class does not take, lacks, or cannot be built with.

    Args:
        given: name -> value, as the configuration has them.
        declared: name -> `Option`; `ANY` among the names stands for all others.
        task: its name, "mmimdb" or "mosei".
        key: of the block, for messages.

    Raises:
        InputError: names the option, what was found and what is allowed.
    """
    for name in given:
        if name not in declared and ANY not in declared:
            raise InputError(
                "unknown option",
                key=f"{key}.{shown(name)}",
                found=shown(name),
                expected=", ".join(declared) or "no options",
                fix=did_you_mean(name, declared),
            )
    values = {name: option.default for name, option in declared.items()} | given
    for name, (kind, _) in declared.items():
        words = kind.words if kind else "a value"
        if values[name] is REQUIRED:
            raise InputError("missing option", key=f"{key}.{name}", found="nothing", expected=words)
        if name in given and kind and not kind.admits(given[name], values, task):
            raise InputError(
                "bad option", key=f"{key}.{name}", found=shown(given[name]), expected=words
            )


@functools.cache
def one_of(names):
    """One of these texts."""
    return Kind(f"one of {', '.join(names)}", lambda value, *_: value in names)


@functools.cache
def some_of(names):
    """A list of different texts among these."""

    def admits(value, *_):
        return _is_list(value, lambda name: name in names)

    return Kind(f"a list of different names among {', '.join(names)}", admits)


@functools.cache
def shared_by(divisor):
    """A size that another option, such as the heads of a transformer, divides."""
    words = f"{Size.words} that is a multiple of {divisor}"
    return Kind(
        words, lambda value, options, _: _is_size(value) and _divides(options, divisor, value)
    )


@functools.cache
def three_shared_by(divisor):
    """A list of three such sizes, of one modality each."""

    def admits(value, options, _):
        return _three_sizes(value) and all(_divides(options, divisor, each) for each in value)

    return Kind(f"{ThreeSizes.words}, each a multiple of {divisor}", admits)


def _is_whole(value, least, most):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_size(value, *_):
    return _is_whole(value, 1, LARGEST_SIZE)


def _is_share(value, *_):
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _is_list(value, admits):
    """Whether it is a list of different things that are admitted."""
    if not isinstance(value, list | tuple) or not all(admits(each) for each in value):
        return False
    return all(each not in value[:place] for place, each in enumerate(value))


def _three_sizes(value, *_):
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_size, value))


def _divides(options, divisor, value):
    """Whether it does, or is itself no size: that is said of the divisor then."""
    return not _is_size(options[divisor]) or value % options[divisor] == 0


def _are_probes(value, options, task):
    def names(each):
        return bool(each) and _is_list(each, lambda name: name in MODALITIES[task])

    readings = options.get("first_expert") is True
    return _is_list(value, names) and len(value) + readings >= 2


Size = Kind(f"a whole number from 1 to {LARGEST_SIZE}", _is_size)
SizeOrNone = Kind(
    f"a whole number from 0 (none) to {LARGEST_SIZE}",
    lambda value, *_: _is_whole(value, 0, LARGEST_SIZE),
)
Depth = Kind(
    f"a whole number from 1 to {LARGEST_DEPTH}",
    lambda value, *_: _is_whole(value, 1, LARGEST_DEPTH),
)
ThreeSizes = Kind(f"a list of three whole numbers from 1 to {LARGEST_SIZE}", _three_sizes)
Share = Kind("a number of at least 0 and below 1", _is_share)
Flag = Kind("true or false", lambda value, *_: isinstance(value, bool))
Readout = one_of(READOUTS)
FusionParts = some_of(FUSION_PARTS)
Probes = Kind("different lists of modalities, two or one beside first_expert", _are_probes)
