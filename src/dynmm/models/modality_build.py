"""Experts and dynamic models from their settings in the configuration."""

import importlib.util
import sys
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from dynmm.errors import InputError
from dynmm.models.dynamic_experts import DynamicExperts
from dynmm.models.expert_registry import build_expert, build_gate
from dynmm.models.weights import fill, load_weights


def expert_from(task, settings, sizes, outputs):
    """An expert with fresh weights.

    Args:
        task: name of the task; its module `dynmm.tasks.<task>` has been loaded.
        settings: `model`, the registered name; `options` of the class; and `module`, the path of a
            Python file that registers it, for classes that are not part of this package.
        sizes: feature size of each modality of the data.
        outputs: number of output values.

    Raises:
        InputError: an unknown model or option, or a module that is not there.
    """
    _load_module(settings)
    return build_expert(task, settings["model"], sizes, outputs, settings.get("options"))


def dynamic_from(task, settings, sizes, outputs):
    """A dynamic model with fresh weights.

    Args:
        task, sizes, outputs: as for `expert_from`.
        settings: `experts`, a list of experts' settings each with a `name`, cheapest first; and
            `gate`, settings of the gate in the same form.

    Returns:
        DynamicExperts.
    """
    experts = {e["name"]: expert_from(task, e, sizes, outputs) for e in settings["experts"]}
    gate = settings["gate"]
    _load_module(gate)
    options = gate.get("options")
    return DynamicExperts(experts, build_gate(task, gate["model"], sizes, len(experts), options))


def load_expert_weights(model, paths):
    """Fill the experts of a dynamic model from their own weights files, in its order."""
    for expert, path in zip(model.experts.values(), paths, strict=True):
        load_weights(expert, path)
    return model


def trained_part(model):
    """The part of a dynamic model that its training changes, as a module with the model's keys.

    That is the gate alone where the experts are frozen: they stay in their own files.
    """
    return nn.ModuleDict({"gate": model.gate}) if model.frozen else model


def load_dynamic_weights(model, path, expert_paths):
    """Fill a dynamic model from the weights its training left and, if frozen, its experts' files.

    Args:
        model: what `dynamic_from` gave; frozen before (`freeze_experts`) where its training was.
        path: weights of the trained part.
        expert_paths: weights of the experts, in its order; read for a frozen model alone.

    Raises:
        InputError: weights that do not fit.
    """
    fill(trained_part(model), load_file(path), path)
    return load_expert_weights(model, expert_paths) if model.frozen else model


def _load_module(settings):
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
