"""NPY and NPZ files that one stage leaves for the next, held against the form that readers need."""

import math
from typing import NamedTuple

import numpy as np

from dynmm.errors import InputError
from dynmm.files import AGAIN

SHOWN = 200  # characters of what was found
ALONE = "the array"  # name of what an NPY file holds
TEXTS, INTEGERS, NUMBERS = "SU", "iu", "fiu"  # letters of `dtype.kind`


class Form(NamedTuple):
    """What an array has to be.

    Attributes:
        axes: names of its axes, such as "samples outputs"; one name is one size in the whole file.
        kinds: the letters of `dtype.kind` that will do, such as `INTEGERS`.
        low, high: bounds of its values.
        below: an axis whose size they stay below, such as the paths that a choice is among.
        undefined: NaN will do too.
    """

    axes: str
    kinds: str = "f"
    low: float = -math.inf
    high: float = math.inf
    below: str | None = None
    undefined: bool = False

    def __str__(self):
        what = {"f": "floats", INTEGERS: "integers", TEXTS: "texts"}.get(self.kinds, "numbers")
        limits = f", {self.low:g} to {self.high:g}" if math.isfinite(self.low) else ""
        return f"({', '.join(self.axes.split())}) of {what}{limits}"


OUTPUTS = {ALONE: Form("samples outputs")}
FOLD = {
    "outputs": Form("held_out outputs"),
    "index": Form("held_out", INTEGERS, low=0),
    "count": Form("", INTEGERS, low=1),
    "epochs": Form("", INTEGERS, low=0),
}
PREDICTIONS = {
    "ids": Form("samples", TEXTS),
    "targets": Form("samples outputs"),
    "outputs": Form("samples outputs"),
}
GATED = {  # a dynamic model's, beside them
    "gate_logits": Form("samples paths"),
    "chosen": Form("samples", INTEGERS, low=0, below="paths"),
}
OWN_EXPERTS = {  # of experts that trained with the gate, beside them
    "expert_outputs": Form("samples paths outputs"),
    "validation_expert_outputs": Form("validation paths outputs"),
}


def load_arrays(path, fix=AGAIN):
    """Every array of an NPZ file (which has a checksum of each) or an NPY file, by name.

    Raises:
        InputError: the file is missing or damaged; `fix` says what to do.
    """
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return {ALONE: stored}
        with stored:
            return dict(stored)
    # numpy, zipfile and zlib raise what they stumble on
    except Exception as error:
        raise InputError(
            "not a readable file of arrays",
            file=path,
            found=f"{type(error).__name__}: {error}"[:SHOWN],
            fix=fix,
        ) from error


def read_arrays(path, forms, optional=None, sizes=None, fix=AGAIN):
    """Arrays of a file by name, each of its form.

    Args:
        path: of an NPZ file, or of an NPY file, whose array is called `ALONE`.
        forms: name -> `Form` of the arrays to read.
        optional: the same of those that may be missing.
        sizes: axis -> its size, where it is known.
        fix: what to do about another file, for the message.

    Raises:
        InputError: the file is missing or damaged, lacks an array, or an array is of another form.
    """
    stored, sizes = load_arrays(path, fix), dict(sizes or {})
    missing = [name for name in forms if name not in stored]
    if missing:
        raise InputError(
            "a file of arrays lacks some",
            file=path,
            key=", ".join(missing),
            found=", ".join(stored)[:SHOWN] or "nothing",
            fix=fix,
        )
    wanted = {**forms, **(optional or {})}
    found = {name: stored[name] for name in wanted if name in stored}
    for name, array in found.items():
        problem = _problem(array, wanted[name], sizes)
        if problem:
            raise InputError(
                "an array is not what was to be stored",
                file=path,
                key=name,
                found=problem,
                expected=wanted[name],
                fix=fix,
            )
    return found


def _problem(array, form, sizes):
    """What is wrong with an array in words, or None; sizes of new axes are noted."""
    axes = form.axes.split()
    if array.dtype.kind not in form.kinds or array.ndim != len(axes):
        return f"{array.shape} of {array.dtype}"
    for axis, size in zip(axes, array.shape, strict=True):
        if sizes.setdefault(axis, size) != size:
            return f"{array.shape}, and {sizes[axis]} {axis}"
    if form.kinds == TEXTS or not array.size:
        return None
    values = array[~np.isnan(array)] if form.undefined else array
    if array.dtype.kind == "f" and not np.isfinite(values).all():
        return "a value that is not finite"
    high = form.high if form.below is None else sizes[form.below] - 1
    if values.size and (values.min() < form.low or values.max() > high):
        return f"values of {values.min()} to {values.max()}"
    return None
