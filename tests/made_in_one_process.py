"""A workflow on tiny data whose jobs run in one process: most of their time is the start."""

import json
import os
import shlex
import subprocess
import sys

import yaml

import mmimdb_files
from nyu_files import write_raw
from workflow_tree import CONFIG, SETTINGS, copy_workflow, snakemake

RUN_ALL = """
import json, os, runpy, sys
jobs = json.load(sys.stdin)
while jobs:
    job = next(job for job in jobs if all(map(os.path.exists, job["inputs"])))
    jobs.remove(job)
    sys.argv = job["arguments"]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
EXPERT = """
from torch import nn

from dynmm.models.experts.registry import register_expert


@register_expert("mmimdb", "linear")
class Linear(nn.Module):
    modalities = ("text",)

    def __init__(self, input_sizes, outputs):
        super().__init__()
        self.layer = nn.Linear(input_sizes["text"], outputs)

    def forward(self, inputs):
        return self.layer(inputs["text"])
"""
COMMAND = "Shell command: python "
SHORT = {"epochs": 2, "batch_size": 4, "to_beat": None}
RUN = {"training": {"epochs": 1, "batch_size": 3, "select_on": "test"}}


def tiny_tree(folder):
    """A workflow below `folder` with two experts of ours, one of a user's and two gates."""
    tree = copy_workflow(folder)
    write_raw(tree / "resources/sample/nyuv2")
    raw = tree / "resources/sample/mmimdb/multimodal_imdb.hdf5"
    raw.parent.mkdir(parents=True)
    mmimdb_files.write(raw, mmimdb_files.arrays())
    (tree / "linear.py").write_text(EXPERT)
    config = yaml.safe_load((tree / CONFIG).read_text())
    left_out = set(SETTINGS["mmimdb"]["experts"]) - {"text", "late_fusion"}
    config["seeds"] = [3]
    config["mmimdb"] |= {
        "prepare": {"splits": mmimdb_files.SPLITS},
        "training": SHORT,
        "experts": {
            **dict.fromkeys(left_out),
            "linear": {"model": "linear", "module": "linear.py", "options": {}},
        },
        "dynamic": {**SHORT, "folds": 2},
        "grid": {"lambda": [0]},
        "points": [],
        "gates": {"hardened": None},
        "noise": config["mmimdb"]["noise"] | {"points": {"hardened": None, "dynmm": {"lambda": 0}}},
    }
    network = {"height": 64, "width": 64, "channels_decoder": [16, 16, 16]}
    config["nyuv2"] |= {"network": network, "runs": {"rgb": RUN}}
    (tree / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return tree


def run_planned(tree, *targets):
    """Run what a dry run plans; Snakemake gets no records of it."""
    jobs = []
    for line in snakemake(tree, "--dry-run", "--printshellcmds", *targets).stdout.splitlines():
        if line.startswith("rule "):
            jobs.append({"inputs": []})
        elif line.startswith("    input: "):
            jobs[-1]["inputs"] = line.removeprefix("    input: ").split(", ")
        elif line.startswith(COMMAND):
            command = line.removeprefix(COMMAND).replace("$DYNMM_SCRIPTS", "workflow/scripts")
            jobs[-1]["arguments"] = shlex.split(command)
    ran = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps(jobs),
        cwd=tree,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
