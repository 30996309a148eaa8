"""CMU-MOSEI: the gates over its experts, and what the networks cost that they choose between."""

from dynmm.models.experts import probe_gate, transformer_gate  # noqa: F401 (they register gates)
from dynmm.models.experts.sequence_madds import madds_at_length


def count_madds(model, sizes):
    """Multiply-adds of one sentence of 50 steps, every layer at every step as published.

    Returns:
        {"complete": int, "per_module": int}.
    """
    counts = madds_at_length(model, sizes)
    return {convention: counts[convention] for convention in ("complete", "per_module")}
