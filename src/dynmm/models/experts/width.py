"""Experts of a registered class at a part or a multiple of their width: cheaper static networks.

A class declares `width_options`: option -> the option whose value it has to stay a multiple of
(heads share a transformer's width evenly), or None.
"""

import inspect

from dynmm.errors import InputError


def scaled_options(cls, options, factor, name):
    """Options with every width multiplied.

    Args:
        cls: class of the expert.
        options: those that are set; of other widths the class's defaults are multiplied.
        factor: above 0; 1 leaves all as it is.
        name: of the expert, for messages.

    Returns:
        dict of options. Widths are rounded to the nearest whole number, or multiple, and at least
        1, or one multiple.

    Raises:
        InputError: the class declares no widths.
    """
    if factor == 1:
        return options
    declared = getattr(cls, "width_options", {})
    if not declared:
        raise InputError(
            "an expert without widths cannot be scaled",
            key=f"{name}: width",
            found=factor,
            expected="1",
            fix="Its class declares no width_options.",
        )
    every = {key: p.default for key, p in inspect.signature(cls).parameters.items()} | options
    scaled = {
        option: _scaled(every[option], factor, 1 if step is None else every[step])
        for option, step in declared.items()
    }
    return {**options, **scaled}


def _scaled(width, factor, step):
    if isinstance(width, list | tuple):
        return [_scaled(each, factor, step) for each in width]
    return step * max(1, int(width * factor / step + 0.5))
