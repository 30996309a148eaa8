"""MM-IMDB: the gates over its experts, and what the networks cost that they choose between."""

import torch

from dynmm.models.experts import mlp_gate, probe_gate  # noqa: F401 (they register gates)
from dynmm.models.experts.inputs import first_of_one
from dynmm.models.madds import count_madds as count


def count_madds(model, sizes):
    """Multiply-adds of one film: {"complete": int, "per_module": int}."""
    inputs = {name: torch.zeros(1, size) for name, size in sizes.items()}
    counts = count(model, inputs | first_of_one(model))
    return {convention: counts[convention] for convention in ("complete", "per_module")}
