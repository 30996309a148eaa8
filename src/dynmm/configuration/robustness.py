"""Slices of the configuration for the noise sweeps and their figures."""

from dynmm.configuration.runs import run_seeds
from dynmm.configuration.segmentation import madds

SHARED = ("levels", "runs", "per", "batch_size")


def noise(config, run):
    """What the noise sweep of the run `run` follows from, beside its weights, data and code."""
    task = config["nyuv2"]
    return {
        "network": madds(config)["network"],
        "prepare": task["prepare"],
        "model": task["runs"][run]["model"],
        "noise": {key: task["noise"][key] for key in SHARED},
    }


def noise_jobs(config):
    """All (run, seed, setting) of the noise sweeps."""
    chosen = config["nyuv2"]["noise"]
    return [
        (run, seed, setting)
        for run, seed in run_seeds(config, "nyuv2")
        for setting in chosen["settings"]
        if run in chosen["models"]
    ]


def figure6(config):
    """What the noise figure says beside the sweeps' numbers."""
    return {
        "preset": config["preset"],
        "content": config["data"]["nyuv2"]["content"],
        "models": config["nyuv2"]["noise"]["models"],
        "settings": config["nyuv2"]["noise"]["settings"],
        "per": config["nyuv2"]["noise"]["per"],
    }


def predicted_frames(config):
    """What the predicted frames of figure 7 follow from, beside weights, data and code."""
    task = config["nyuv2"]
    chosen = task["predicted_frames"]
    kinds = {key: task["runs"][chosen[key]]["model"] for key in ("static", "dynamic")}
    return {
        "network": madds(config)["network"],
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
    }
