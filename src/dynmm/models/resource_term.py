"""The resource term of the modality-level loss: what the chosen experts cost."""

import torch

from dynmm.errors import InputError

CONVENTIONS = ("paper", "authors")


def expert_costs(madds, convention="paper"):
    """Cost of each expert in the loss, constants fixed before training.

    Args:
        madds: multiply-adds of each expert for one sample, in the order of the experts.
        convention: "paper" is C(E_i) of equation 1, normalised: the multiply-adds divided by those
            of the costliest expert, so that costs lie in (0, 1] and lambda means the same for any
            data set. "authors" counts the last expert alone, with 1 (imdb_dyn.py, affect_dyn.py:
            lambda times the mean weight of E2).

    Returns:
        (K,) float32.

    Raises:
        InputError: unknown convention, or an expert without multiply-adds.
    """
    if convention not in CONVENTIONS:
        raise InputError(
            "unknown cost convention", found=convention, expected=" or ".join(CONVENTIONS)
        )
    costs = torch.as_tensor(madds, dtype=torch.float64)
    if not bool((costs > 0).all()):
        raise InputError("an expert without multiply-adds", found=madds, expected="above 0")
    if convention == "authors":
        costs = torch.zeros_like(costs)
        costs[-1] = 1.0
    return (costs / costs.max()).float()


def resource_term(weights, costs):
    """Mean over the batch of sum_i g_i C(E_i): weights (B, K), costs (K,); a scalar."""
    return (weights @ costs.to(weights)).mean()


def mean_madds(shares, expert_madds, gate_madds, soft=False):
    """Multiply-adds per sample of a dynamic model: the gate and the experts that ran.

    Args:
        shares: share of the samples that each expert got, (K,), summing to 1.
        expert_madds: multiply-adds of each expert for one sample.
        gate_madds: multiply-adds of the gate for one sample.
        soft: soft gates weigh all outputs, so every expert runs for every sample.
    """
    if soft:
        return gate_madds + sum(expert_madds)
    return gate_madds + sum(share * cost for share, cost in zip(shares, expert_madds, strict=True))
