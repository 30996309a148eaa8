"""Slices of the configuration for the noise sweeps and their figures."""

from dynmm.configuration import modality
from dynmm.configuration.grid import GATE, grid_points, named_gates, spelled
from dynmm.configuration.runs import run_seeds, run_titles
from dynmm.configuration.segmentation import shape
from dynmm.vocabulary import MODALITY_TASKS

SHARED = ("levels", "runs", "per", "batch_size")
DYNAMIC_KEYS = ("experts", "gate", "evaluation", "freeze", "inference", "temperature")


def noise(config, run):
    """What the noise sweep of the run `run` follows from, beside its weights, data and code."""
    task = config["nyuv2"]
    return {
        "network": shape(config, run),
        "prepare": task["prepare"],
        "model": task["runs"][run]["model"],
        "noise": {key: task["noise"][key] for key in ("settings", *SHARED)},
    }


def figure6(config):
    """What the noise figure says beside the sweeps' numbers."""
    return {
        "preset": config["preset"],
        "content": config["data"]["nyuv2"]["content"],
        "models": config["nyuv2"]["noise"]["models"],
        "titles": run_titles(config["nyuv2"]["runs"]),
        "settings": config["nyuv2"]["noise"]["settings"],
        "per": config["nyuv2"]["noise"]["per"],
    }


def predicted_frames(config):
    """What the predicted frames of figure 7 follow from, beside weights, data and code."""
    task = config["nyuv2"]
    chosen = task["predicted_frames"]
    kinds = {key: task["runs"][chosen[key]]["model"] for key in ("static", "dynamic")}
    return {
        "networks": {key: shape(config, chosen[key]) for key in kinds},
        "prepare": task["prepare"],
        "models": kinds,
        **{key: chosen[key] for key in ("noisy", "level", "frames", "batch_size")},
    }


def predicted_runs(config):
    """(static, dynamic) runs of figure 7, each with its first seed."""
    first = {}
    for run, seed in run_seeds(config, "nyuv2"):
        first.setdefault(run, seed)
    chosen = config["nyuv2"]["predicted_frames"]
    return [(chosen[key], first[chosen[key]]) for key in ("static", "dynamic")]


def figure7(config):
    """What the figure of predicted frames says beside the pictures."""
    return {
        "preset": config["preset"],
        "content": config["data"]["nyuv2"]["content"],
        "runs": [run for run, _ in predicted_runs(config)],
        "titles": run_titles(config["nyuv2"]["runs"]),
    }


def noise_point(config, task, model):
    """The point that an entry of `noise.points` stands for, spelled as paths spell it.

    It is the one with the settings that the entry names, or with its `gate`.

    Args:
        config, task: the whole configuration, and the task's name.
        model: name of a swept model.

    Returns:
        dict of texts; None for an expert, and for settings that no point has.
    """
    entry = config[task]["noise"]["points"].get(model)
    if entry is None:
        return None
    wanted = {key: spelled(value) for key, value in entry.items() if key != "title"}
    points = named_gates(config[task]) if GATE in wanted else grid_points(config[task])
    return next((point for point in points if wanted.items() <= point.items()), None)


def feature_models(config, task):
    """Names of the models that are swept: the experts under the gate, then dynamic models."""
    return [*config[task]["dynamic"]["experts"], *config[task]["noise"]["points"]]


def feature_noise(config, task, model):
    """What the noise sweep of an expert, or of a dynamic model, follows from, as `noise`."""
    point = noise_point(config, task, model)
    if point is not None:
        whole = modality.dynamic_evaluation(config, task, point)
        networks = {key: whole[key] for key in DYNAMIC_KEYS}
    else:
        networks = modality.stored_outputs(config, task, model)
    chosen = config[task]["noise"]
    networks["evaluation"] = {  # the sweep has a batch size of its own
        key: value for key, value in networks["evaluation"].items() if key != "batch_size"
    }
    return {**networks, "noise": {key: chosen[key] for key in ("settings", *SHARED)}}


def feature_figure(config, task):
    """What the noise figure of a task says beside the sweeps' numbers."""
    chosen = config[task]["noise"]
    return {
        "preset": config["preset"],
        "content": config["data"][task]["content"],
        "experts": config[task]["dynamic"]["experts"],
        "dynamic": [
            {"model": model, "title": entry["title"], "point": noise_point(config, task, model)}
            for model, entry in chosen["points"].items()
        ],
        **{key: chosen[key] for key in ("settings", "score", "per")},
    }


def areas(config):
    """What the summary table of all sweeps says beside their numbers: each task's score."""
    scores = {task: config[task]["noise"]["score"] for task in MODALITY_TASKS}
    return {"preset": config["preset"], "scores": {"nyuv2": "miou", **scores}}
