"""What every path would give for every test sample, and what each policy would pay for it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dynmm.errors import InputError


class PolicyCosts(NamedTuple):
    """Cost of a sample on each path, (K,), by the policy that chose it.

    Attributes:
        fixed: the path alone; random choice and fixed paths.
        gated: with the gate; the gate itself and the oracle, which is asked for the same cost.
        cascaded: after the cheapest path, which the cascade runs for every sample.
        routed: with the linear router; None where there is none.
    """

    fixed: np.ndarray
    gated: np.ndarray
    cascaded: np.ndarray
    routed: np.ndarray | None = None

    def of(self, policy, shares):
        """Mean cost of a sample under a policy of `POLICIES`, a float.

        Args:
            policy: name.
            shares: (K,) share of the samples on each path.
        """
        return float(np.dot(shares, getattr(self, POLICIES[policy])))


GATE, RANDOM, ORACLE, CASCADE, LINEAR = "gate", "random", "oracle", "cascade", "linear"
POLICIES = {  # policy -> its field of PolicyCosts
    GATE: "gated",
    RANDOM: "fixed",
    ORACLE: "gated",
    CASCADE: "cascaded",
    LINEAR: "routed",
}
TOTAL = "total"  # the costs by which policies are compared; others are reported beside it


@dataclass(frozen=True)
class PathResults:
    """One seed of the paths under a gate: N samples, K paths, cheapest first.

    Attributes:
        counts: (N, K, M) what the scores sum up, see `metrics.additive`.
        losses: (N, K) loss of each sample on each path.
        uncertainty: (N,) how unsure the cheapest path is of its own output.
        costs: name -> `PolicyCosts`; `TOTAL` is there.
        predicted: (N, K) losses as the linear router predicts them, or None.
    """

    counts: np.ndarray
    losses: np.ndarray
    uncertainty: np.ndarray
    costs: dict
    predicted: np.ndarray | None = None

    def __post_init__(self):
        samples, paths = self.losses.shape
        if self.counts.shape[:2] != (samples, paths) or self.uncertainty.shape != (samples,):
            raise ValueError(
                f"counts {self.counts.shape}, losses {self.losses.shape}, "
                f"uncertainty {self.uncertainty.shape}"
            )

    @property
    def path_costs(self):
        """(K,) by which paths are ordered: without any policy."""
        return self.costs[TOTAL].fixed

    def sums(self, chosen):
        """Counts (M,) summed over the samples, each on its path of `chosen` (N,)."""
        return self.counts[np.arange(len(chosen)), chosen].sum(0)


class GateChoices(NamedTuple):
    """What a gate said of every test sample of one seed."""

    chosen: np.ndarray  # (N,) paths
    logits: np.ndarray  # (N, K)


def check_samples(ids, other_ids, file):
    """Refuse predictions of other samples than those they are compared with.

    Raises:
        InputError: the ids differ.
    """
    if not np.array_equal(ids, other_ids):
        raise InputError(
            "predictions of other samples than the gate's",
            file=file,
            found=f"{len(other_ids)} samples",
            expected=f"the {len(ids)} of the gate's predictions, in their order",
            fix="Evaluate the run again.",
        )
