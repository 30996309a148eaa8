"""The networks of the paper's preset and their multiply-adds, counted without their memory."""

import functools
from pathlib import Path

import torch
import yaml

from dynmm.configuration.presets import with_preset
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import gate_from
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.tasks import load_gating, load_task
from dynmm.vocabulary import MADDS_CONVENTIONS

ROOT = Path(__file__).resolve().parents[1]
TASKS = ("mmimdb", "mosei")
PAPER = yaml.safe_load((ROOT / "resources" / "paper.yaml").read_text(encoding="utf-8"))
SIZES = {  # features of the paper's data, and outputs
    task: (PAPER["data_sets"][task]["features"], PAPER["data_sets"][task]["outputs"])
    for task in TASKS
}


def count_paths(decoder=None, **network):
    """Multiply-adds by path of the dynamic network, with another decoder or encoder."""
    network = {**preset()["nyuv2"]["network"], "pretrained": "none", **network}
    network["channels_decoder"] = decoder or network["channels_decoder"]
    with torch.device("meta"):
        return path_madds(build_segmentation("dynamic", network))


def build_expert(task, expert, device="meta"):
    """An expert of MM-IMDB or CMU-MOSEI."""
    load_task(task)
    with torch.device(device):
        return expert_from(task, preset()[task]["experts"][expert], *SIZES[task])


def build_gate(task, device="meta"):
    """The gate of MM-IMDB or CMU-MOSEI."""
    dynamic, (sizes, outputs) = preset()[task]["dynamic"], SIZES[task]
    load_gating(task)
    with torch.device(device):
        return gate_from(task, dynamic["gate"], sizes, len(dynamic["experts"]), outputs)


def count_expert(task, expert):
    """Multiply-adds of an expert for one sample, by convention."""
    return _count(task, build_expert(task, expert))


def count_with_gate(task, expert):
    """The same, with those of the gate."""
    gate, counts = _count(task, build_gate(task)), count_expert(task, expert)
    return {convention: counts[convention] + gate[convention] for convention in MADDS_CONVENTIONS}


@functools.cache
def preset():
    """The configuration of the paper's preset."""
    given = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    return with_preset(given | {"preset": "paper"}, ROOT / "config" / "presets")


def _count(task, network):
    with torch.device("meta"):
        return load_gating(task).count_madds(network, SIZES[task][0])
