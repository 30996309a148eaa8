"""Slices of the configuration for the routing study and its reports."""

from dynmm.configuration.runs import run_titles, shown_runs
from dynmm.configuration.segmentation import shape
from dynmm.vocabulary import NYUV2

RESAMPLING = ("draws", "bootstrap")
TABLES = {"table1": "mmimdb", "table2": "mosei", "table3": NYUV2}  # that show gains over random


def gated_runs(config):
    """Runs of the segmentation networks whose gate chooses, each with weights of its own.

    Networks under random paths have no such gate; a budget set after training has the forced paths
    of the run whose weights it takes.
    """
    runs = config[NYUV2]["runs"]
    return [
        name
        for name in shown_runs(runs)
        if runs[name]["model"] == "dynamic"
        and runs[name].get("gate") != "random"
        and "weights_of" not in runs[name]
    ]


def forced_paths(config, run):
    """What the forced paths of the run `run` follow from, beside its weights, data and code."""
    task = config[NYUV2]
    return {
        "network": shape(config, run),
        "prepare": task["prepare"],
        "evaluation": task["evaluation"],
    }


def study(config, task):
    """What the numbers of a task's study follow from, beside the predictions and the code."""
    chosen = {key: config["routing"][key] for key in RESAMPLING}
    if task == NYUV2:
        return chosen
    return {**chosen, "feature_madds_m": config["routing"]["feature_madds_m"].get(task, {})}


def report(config, task):
    """What the table and the figure of a task say beside the study's numbers."""
    titles = {"titles": run_titles(config[NYUV2]["runs"])} if task == NYUV2 else {}
    return {"score": config["routing"]["scores"][task], **titles}


def gain_column(config, table):
    """What a table of all models adds to its slice: the score by which it gives gains, if any."""
    return {"gain": config["routing"]["scores"][TABLES[table]]} if table in TABLES else {}
