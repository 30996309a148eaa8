"""Experts under a gate stand in the order of their cost, the cheapest first."""

from itertools import pairwise

from dynmm.errors import InputError


def check_cost_order(task, names, counts):
    """Refuse an expert that costs no more than the one before it.

    Args:
        task: its name.
        names: the experts under the gate, in their order.
        counts: expert -> multiply-adds of a sample by convention; the complete ones decide.

    Raises:
        InputError: names both experts and their multiply-adds.
    """
    costs = {name: counts[name]["complete"] for name in names}
    for first, second in pairwise(names):
        if costs[second] <= costs[first]:
            found = [f"{name} with {costs[name] / 1e6:.3g} M" for name in (first, second)]
            raise InputError(
                "an expert under the gate costs no more than the one before it",
                key=f"{task}.dynamic.experts",
                found=f"{' before '.join(found)} multiply-adds",
                expected=f"the cheapest first: [{', '.join(sorted(names, key=costs.get))}]",
            )
