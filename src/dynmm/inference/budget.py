"""A budget after training: one offset on a gate's logits that makes its paths cost what is asked.

A gate chooses the path with the largest logit. Under an offset d it chooses
argmax_k (z_k - d * C_k), C_k the cost of path k in any unit: the larger d, the cheaper the choices.
No weight changes, so a trained network serves every budget. d = 0 is the gate as it was trained.

Setting a threshold on held-out samples so that the average cost fits is what early-exit networks
do for "budgeted batch classification" (Huang et al. 2018, Multi-Scale Dense Networks).
"""

import numpy as np

from dynmm.errors import InputError

CLOSE = 1e-12  # two breakpoints that differ by less, relative to the largest, are one


def choose_within(logits, costs, offset):
    """The path of every sample under an offset.

    Args:
        logits: (N, K) of the gate.
        costs: (K,) of the paths, in any unit.
        offset: logits per unit of cost; 0 leaves the gate's own choice.

    Returns:
        (N,) int64; ties go to the first path.
    """
    logits, costs = _checked(logits, costs)
    return (logits - offset * costs).argmax(1)


def calibrate_offset(logits, costs, target):
    """The offset under which the mean cost of these samples is as near to a target as it can be.

    The mean cost falls in steps as the offset grows: each sample leaves a path for a cheaper one at
    a breakpoint that is known exactly. All steps are compared, none is searched for. The offset
    lies in the middle between the two breakpoints around the chosen step, so that rounding and
    ties do not matter; samples with equal logits change together.

    Args:
        logits: (N, K) of the gate, for samples that it was not trained on.
        costs: (K,) of the paths, in any unit.
        target: wanted mean cost, in the same unit.

    Returns:
        The offset, below 0 where the target is above what the gate costs by itself. Of two costs
        equally near to the target the lower one is taken.

    Raises:
        InputError: a target below the cheapest or above the costliest path.
        ValueError: logits or costs of other forms, or not finite.
    """
    logits, costs = _checked(logits, costs)
    if not costs.min() <= target <= costs.max():
        raise InputError(
            "no offset of the gate meets this budget",
            key="budget",
            found=f"{target:g}",
            expected=f"{costs.min():g} (all samples on the cheapest path) to {costs.max():g} (all "
            "on the costliest)",
        )
    breakpoints, drops = _steps(logits, costs)
    if not len(breakpoints):  # all paths cost the same
        return 0.0
    order = np.argsort(breakpoints, kind="stable")
    breakpoints, drops = breakpoints[order], drops[order]
    gap = CLOSE * max(1e-300, np.abs(breakpoints).max())
    last = np.append(np.diff(breakpoints) > gap, True)  # of breakpoints that are one
    left = costs.max() - np.append(0.0, np.cumsum(drops)[last] / len(logits))
    ends = breakpoints[last]
    starts = breakpoints[np.append(True, last[:-1])]
    beyond = (ends[-1] - starts[0]) / len(ends) or max(abs(ends[0]), 1 / np.ptp(costs))
    lower, upper = np.append(starts[0] - 2 * beyond, ends), np.append(starts, ends[-1] + 2 * beyond)
    distance = np.abs(left - target)
    nearest = np.flatnonzero(distance <= distance.min() + 1e-9 * np.ptp(costs) / len(logits))[-1]
    return float((lower[nearest] + upper[nearest]) / 2)


def _steps(logits, costs):
    """Where the samples change paths: breakpoints and by how much the cost of the sample falls.

    Each sample starts on the costliest path (offset at minus infinity) and follows the upper
    envelope of the lines z_k - d * C_k.
    """
    # of paths that cost the same only the one with the largest logit is ever chosen
    levels = np.unique(costs)
    lines = np.stack([logits[:, costs == level].max(1) for level in levels], axis=1)
    samples = np.arange(len(lines))
    at = np.full(len(lines), len(levels) - 1)
    breakpoints, drops = [], []
    while (moving := at > 0).any():
        saved = levels[at][:, None] - levels
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings = (lines[samples, at][:, None] - lines) / saved
        crossings = np.where(saved > 0, crossings, np.inf)
        following = crossings.argmin(1)  # the cheapest of those that cross at one offset
        breakpoints.append(crossings[samples, following][moving])
        drops.append(saved[samples, following][moving])
        at = np.where(moving, following, at)
    none = np.empty(0)
    return np.concatenate([none, *breakpoints]), np.concatenate([none, *drops])


def _checked(logits, costs):
    logits, costs = np.asarray(logits, np.float64), np.asarray(costs, np.float64)
    if logits.ndim != 2 or costs.shape != logits.shape[1:] or not logits.size:
        raise ValueError(f"logits {logits.shape} and costs {costs.shape}; expected (N, K) and (K,)")
    if not (np.isfinite(logits).all() and np.isfinite(costs).all()):
        raise ValueError("logits and costs have to be finite")
    return logits, costs
