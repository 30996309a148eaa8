"""The resource term of the loss (paper, equations 1 and 2): what the gate's choices cost.

One formula for every task; a convention only decides the constants that it weighs.
"""

import torch

from dynmm.errors import InputError
from dynmm.vocabulary import COST_CONVENTIONS


def expert_costs(madds, convention="paper"):
    """Cost of each expert of a modality-level model in the loss, constants fixed before training.

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
    _check_convention(convention)
    costs = torch.as_tensor(madds, dtype=torch.float64)
    if not bool((costs > 0).all()):
        raise InputError("an expert without multiply-adds", found=madds, expected="above 0")
    if convention == "authors":
        costs = torch.zeros_like(costs)
        costs[-1] = 1.0
    return (costs / costs.max()).float()


def path_costs(madds, convention="paper"):
    """Cost of each path of the fusion-level network in the loss.

    Args:
        madds: multiply-adds of the depth encoder on each path (K,), in the unit in which lambda is
            given (the paper's runs: billions).
        convention: "paper" is equation 2, the multiply-adds as they are. "authors" divides them by
            K: their code takes the mean over the paths where equation 2 has the sum.

    Returns:
        (K,) float32.

    Raises:
        InputError: unknown convention.
    """
    _check_convention(convention)
    costs = torch.as_tensor(madds, dtype=torch.float64)
    return (costs / len(costs) if convention == "authors" else costs).float()


def resource_term(weights, costs):
    """Mean over the batch of sum_k g_k C_k: gate weights (B, K), costs (K,); a scalar."""
    return (weights * costs.to(weights)).sum(1).mean()


def _check_convention(convention):
    if convention not in COST_CONVENTIONS:
        raise InputError(
            "unknown cost convention", found=convention, expected=" or ".join(COST_CONVENTIONS)
        )
