"""The real workflow on raw files of a few small frames, and Snakemake to run it and to kill."""

import subprocess
import sys

import yaml

from nyu_files import write_raw
from workflow_tree import CONFIG, copy_workflow

RUNS = {
    "rgb": None,
    "esanet": {"training": {"epochs": 2}},
    "stage1": {"init_from": None, "training": {"epochs": 2}},
    "esanet_small": {"training": {"epochs": 2}},
    **dict.fromkeys(
        # no frames are held out here, and DynMM-b is left out
        ("dynmm_b", "dynmm_b_79", "dynmm_b_45", "esanet_long", "dynmm_noise", "esanet_noise")
    ),
}


def small_workflow(folder, checkpoint_seconds=0, runs=None):
    """A workflow below `folder` whose trainings take a second.

    Args:
        folder: where it comes.
        checkpoint_seconds: between two checkpoints; 0: after every step.
        runs: what differs from `RUNS`.
    """
    tree = copy_workflow(folder)
    write_raw(tree / "resources/sample/nyuv2")
    config = yaml.safe_load((tree / CONFIG).read_text())
    config["seeds"] = [3]
    config["execution"] = {"checkpoint_seconds": checkpoint_seconds}
    config["nyuv2"] |= {
        "network": {"height": 64, "width": 64, "channels_decoder": [16, 16, 16]},
        "training": {"epochs": 2, "batch_size": 3, "select_on": "test"},
        "runs": {**RUNS, **(runs or {})},
        "noise": {"models": ["esanet"]},
    }
    config["nyuv2"]["predicted_frames"]["dynamic"] = "dynmm_a"
    (tree / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return tree


def start(tree, *options, stderr=subprocess.PIPE):
    """Snakemake with its jobs in a process group of their own."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", *options],
        cwd=tree,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
