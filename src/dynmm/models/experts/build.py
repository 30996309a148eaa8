"""Experts from their settings in the configuration."""

import importlib.util
import sys
from pathlib import Path

from dynmm.errors import InputError
from dynmm.models.experts.registry import build_expert


def expert_from(task, settings, sizes, outputs):
    """An expert with fresh weights.

    Args:
        task: name of the task; its module `dynmm.tasks.<task>` has been loaded.
        settings: `model`, the registered name; `options` of the class; `width`, a factor of those
            that are widths; and `module`, the path of a Python file that registers it, for classes
            that are not part of this package.
        sizes: feature size of each modality of the data.
        outputs: number of output values.

    Raises:
        InputError: an unknown model or option, or a module that is not there.
    """
    load_module(settings)
    return build_expert(
        task,
        settings["model"],
        sizes,
        outputs,
        settings.get("options"),
        settings.get("width", 1),
    )


def load_module(settings):
    """Import the Python file that settings of an expert or a gate name, once; see `expert_from`."""
    if "module" not in settings:
        return
    path = Path(settings["module"])
    name = f"dynmm_added_{path.stem}"
    if name in sys.modules:
        return
    if not path.is_file():
        raise InputError(
            "no such Python file", file=path, key="module", fix="It registers an expert or a gate."
        )
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
