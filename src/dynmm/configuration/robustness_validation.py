"""What the schema cannot say of the noise sweeps: which runs they can take."""

from dynmm.configuration.grid import grid_points, spelled, words
from dynmm.configuration.refusal import refused
from dynmm.configuration.robustness import noise_point
from dynmm.configuration.runs import shown_runs
from dynmm.vocabulary import MODALITY_TASKS


def check_robustness(config):
    """Refuse models of sweeps and of figure 7 that are not shown or have no gate of their own.

    Dynamic models of the modality level have to be points of the grid, under names of their own.

    Args:
        config: a configuration that fits the schema.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    _check_segmentation(config["nyuv2"])
    for task in MODALITY_TASKS:
        _check_points(config, task)


def _check_points(config, task):
    experts = config[task]["dynamic"]["experts"]
    for model, entry in config[task]["noise"]["points"].items():
        key = f"{task}.noise.points.{model}"
        if model in experts:
            raise refused(key, model, f"another name: the experts {', '.join(experts)} are swept")
        if noise_point(config, task, model) is None:
            listed = f"a point of the grid, such as {words(grid_points(config[task])[0])}"
            wanted = {name: spelled(value) for name, value in entry.items() if name != "title"}
            raise refused(key, words(wanted), f"{listed}, or a gate of {task}.gates")


def _check_segmentation(section):
    runs = section["runs"]
    # a network under random paths draws them batch by batch: no batch could be left out
    # nor does a sweep know the offset of a budget set after training
    gated = {
        name: runs[name]
        for name in shown_runs(runs)
        if runs[name].get("gate") != "random" and "weights_of" not in runs[name]
    }
    for name in section["noise"]["models"]:
        _check_run("nyuv2.noise.models", name, list(gated))
    chosen = section["predicted_frames"]
    dynamic = [name for name, run in gated.items() if run["model"] == "dynamic"]
    fixed = [name for name in shown_runs(runs) if runs[name]["model"] != "dynamic"]
    for key, allowed in (("static", fixed), ("dynamic", dynamic)):
        _check_run(f"nyuv2.predicted_frames.{key}", chosen[key], allowed)


def _check_run(key, name, allowed):
    if name not in allowed:
        raise refused(key, name, f"one of {', '.join(allowed)}")
