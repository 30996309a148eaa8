"""What the schema cannot say of the noise sweeps: which runs they can take."""

from dynmm.configuration.grid import all_points, spelled
from dynmm.configuration.modality_validation import refused, words
from dynmm.configuration.robustness import noise_point
from dynmm.vocabulary import MODALITY_TASKS


def check_robustness(config):
    """Refuse models of the sweeps and of figure 7 that are no runs, or whose paths are random.

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
            listed = "; ".join(map(words, all_points(config[task])))
            wanted = {name: spelled(value) for name, value in entry.items() if name != "title"}
            raise refused(key, words(wanted), f"a point of the grid or a gate: {listed}")


def _check_segmentation(section):
    runs = section["runs"]
    # a network under random paths draws them batch by batch: no batch could be left out
    gated = {name: run for name, run in runs.items() if run.get("gate") != "random"}
    for name in section["noise"]["models"]:
        _check_run("nyuv2.noise.models", name, list(gated))
    chosen = section["predicted_frames"]
    dynamic = [name for name, run in gated.items() if run["model"] == "dynamic"]
    fixed = [name for name, run in runs.items() if run["model"] != "dynamic"]
    for key, allowed in (("static", fixed), ("dynamic", dynamic)):
        _check_run(f"nyuv2.predicted_frames.{key}", chosen[key], allowed)


def _check_run(key, name, allowed):
    if name not in allowed:
        raise refused(key, name, f"one of {', '.join(allowed)}")
