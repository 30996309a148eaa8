"""The trained model of the modality level that a config slice describes: an expert, or a gate's."""

from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import dynamic_from, freeze, load_dynamic_weights
from dynmm.models.weights import load_weights

EXPERT = "expert"  # the key of a slice that describes one expert


def load_model(task, config, manifest, weights, expert_weights=()):
    """A trained expert or dynamic model, in evaluation mode on the CPU.

    Args:
        task: see `dynmm.tasks`.
        config: with `expert`, settings for `expert_from`; otherwise `experts` and `gate`, settings
            for `dynamic_from`, and `freeze`.
        manifest: of the prepared arrays.
        weights: file of the expert's weights, or of the trained part of the dynamic model.
        expert_weights: files of the experts under the gate, in its order.

    Raises:
        InputError: weights that do not fit.
    """
    sizes, outputs = manifest["input_sizes"], task.outputs(manifest)
    if EXPERT in config:
        expert = expert_from(task.name, config[EXPERT], sizes, outputs)
        return load_weights(expert, weights).eval()
    model = dynamic_from(task.name, config, sizes, outputs)
    return load_dynamic_weights(freeze(model, config["freeze"]), weights, expert_weights).eval()


def network_settings(config):
    """Settings of every network of such a slice: the expert's, or the experts' and the gate's."""
    return [config[EXPERT]] if EXPERT in config else [*config["experts"], config["gate"]]


def networks_of(model, config):
    """The networks of what `load_model` gave, in the order of `network_settings`."""
    return [model] if EXPERT in config else [*model.experts.values(), model.gate]
