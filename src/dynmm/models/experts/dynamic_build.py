"""Dynamic models from their settings in the configuration, and their weights."""

from torch import nn

from dynmm.models.experts.build import expert_from, load_module
from dynmm.models.experts.dynamic import DynamicExperts
from dynmm.models.experts.registry import build_gate
from dynmm.models.weights import load_weights
from dynmm.vocabulary import FREEZE_AUTHORS


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
    gate = gate_from(task, settings["gate"], sizes, len(experts), outputs)
    return DynamicExperts(experts, gate)


def gate_from(task, settings, sizes, experts, outputs):
    """A gate over a number of experts, with fresh weights; the rest as for `expert_from`."""
    load_module(settings)
    options = settings.get("options")
    return build_gate(task, settings["model"], sizes, experts, options, outputs)


def freeze(model, how):
    """Freeze the experts as a grid point says.

    Args:
        model: DynamicExperts.
        how: False (they train), True or "cross_fitted" (constant), or "authors" (no gradients, but
            in training mode).
    """
    return model.freeze_experts(training_mode=how == FREEZE_AUTHORS) if how else model


def load_expert_weights(model, paths):
    """Fill the experts of a dynamic model from their own weights files, in its order."""
    for expert, path in zip(model.experts.values(), paths, strict=True):
        load_weights(expert, path)
    return model


def trained_part(model):
    """The part of a dynamic model that its training changes, as a module with the model's keys.

    That is the gate alone where the experts are constant: they stay in their own files.
    """
    return nn.ModuleDict({"gate": model.gate}) if model.constant_experts else model


def load_dynamic_weights(model, path, expert_paths):
    """Fill a dynamic model from the weights its training left and, if constant, its experts' files.

    Args:
        model: what `dynamic_from` gave, frozen as its training was (`freeze`).
        path: weights of the trained part.
        expert_paths: weights of the experts, in its order; read where they are constant.

    Raises:
        InputError: weights that do not fit.
    """
    load_weights(trained_part(model), path)
    return load_expert_weights(model, expert_paths) if model.constant_experts else model
