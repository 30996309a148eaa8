"""A copy of the workflow on which everything counts as made, for dry runs.

Snakemake plans by files and by the records it keeps of finished jobs, never by what the files
hold. So the outputs here are stand-ins, recorded by `snakemake --touch`; no program runs.
"""

import copy
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml
from snakemake.utils import update_config

from dynmm.configuration.presets import with_preset

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "rules", "workflow", "src", "config", "profiles", "envs", "resources")
RAW_FILES = {
    "nyuv2": ("nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"),
    "mmimdb": ("multimodal_imdb.hdf5",),
    "mosei": ("snippets.tsv", "vectors.npz", "sample.yaml"),
}
CONFIG, PRESETS = Path("config/config.yaml"), Path("config/presets")
TARGETS = {
    None,
    "all",
    "nyuv2",
    "mmimdb",
    "mosei",
    "robustness",
    "routing",
    "partial",
}  # rules that make nothing
COPYING = "show_"
LABELS = ("run", "table", "counted", "expert", "point")


def configured(*overlays, folder=ROOT):
    """The configuration as the rules see it: what Snakemake merges, over the preset it names.

    Args:
        overlays: contents of files given to --configfile, in order.
        folder: of the workflow.
    """
    given = yaml.safe_load((folder / CONFIG).read_text())
    for overlay in overlays:
        update_config(given, copy.deepcopy(overlay))
    return with_preset(given, folder / PRESETS)


SETTINGS = configured()


def copy_workflow(folder):
    """The workflow's sources below `folder`, without the embedded data."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "sample")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            shutil.copy2(source, folder / part)
    return folder


def fresh_tree(folder):
    """A workflow below `folder` with stand-ins for its raw files and nothing made."""
    copy_workflow(folder)
    for task, names in RAW_FILES.items():
        raw = folder / "resources/sample" / task
        raw.mkdir(parents=True)
        for name in names:
            (raw / name).write_text(name)
    weights = folder / SETTINGS["data"]["imagenet"]["raw_dir"] / "resnet18-f37072fd.pth"
    weights.parent.mkdir(parents=True)
    weights.write_text(weights.name)
    return folder


def finished_tree(folder, *targets):
    """A workflow below `folder` whose outputs (all, or those of the targets) count as made."""
    return make(fresh_tree(folder), *targets)


def make(folder, *targets):
    """Let the outputs that a workflow plans count as made."""
    for line in snakemake(folder, "--dry-run", *targets).stdout.splitlines():
        if line.startswith("    output: "):
            for name in line.removeprefix("    output: ").split(", "):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
    snakemake(folder, "--touch", "--forceall", *targets)
    return folder


def planned(folder, *options):
    """How many jobs a dry run plans, by rule and the job's first wildcard of `LABELS` (or "").

    A point is labelled by its lambda, or by the name of its gate. Rules that copy reports are left
    out.
    """
    jobs, rule, seen = Counter(), None, {}
    for line in [*snakemake(folder, "--dry-run", *options).stdout.splitlines(), "rule end:"]:
        if match := re.match(r"(?:local)?rule (\w+):$", line):
            if rule not in TARGETS and not (rule or "").startswith(COPYING):
                jobs[rule, next((seen[k] for k in LABELS if k in seen), "")] += 1
            rule, seen = match[1], {}
        elif line.startswith("    wildcards: "):
            pairs = line.removeprefix("    wildcards: ").split(", ")
            seen = dict(pair.split("=") for pair in pairs)
            seen |= {k: v.split("/")[0].split("~")[1] for k, v in seen.items() if k == "point"}
    return jobs


def snakemake(folder, *options, check=True):
    """Run Snakemake in `folder` on one core; its output is kept."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *options]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if check:
        assert result.returncode == 0, result.stderr[-3000:]
    return result


def change_config(folder, path, value):
    """Set the key at the dotted `path` in the tree's config.yaml, over the preset as users do.

    None takes a run or an expert away.
    """
    config = yaml.safe_load((folder / CONFIG).read_text())
    block = config
    *parents, last = path.split(".")
    for key in parents:
        block = block.setdefault(key, {})
    block[last] = value
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))


def edit(folder, source):
    """Change what a source file does, as far as anyone can see from outside."""
    path = folder / source
    path.write_text(path.read_text() + "\nEDITED = True\n")
