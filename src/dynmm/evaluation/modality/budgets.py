"""A trained gate at asked costs: calibrated on the validation split, measured on the test split."""

import numpy as np

from dynmm.inference.budget import calibrate_offset, choose_within
from dynmm.inference.modality import run_dynamic, run_expert, run_gate
from dynmm.inference.timing import Stopwatch
from dynmm.models.experts.dynamic import madds_by_path

MADDS, MILLISECONDS, SHARE = "madds_m", "ms", "share"
MEGA = 1e-6


class BudgetedGate:
    """Sets the gate of one dynamic model to budgets.

    The gate runs once over the validation split, and for milliseconds every expert too.

    Args:
        model: `DynamicExperts` in evaluation mode, on `device`.
        task, settings, device: as for `inference.modality.run_dynamic`.
        validation, test: splits of the prepared data.
        madds: multiply-adds of the experts in their order and, last, of the gate, for one sample.
    """

    def __init__(self, model, task, validation, test, settings, device, madds):
        self.model, self.task, self.test = model, task, test
        self.validation, self.settings, self.device = validation, settings, device
        self._madds = MEGA * np.array(madds, np.float64)
        timed = Stopwatch(device)
        self._logits = run_gate(model, task, validation, settings, device, timed).numpy()
        self._gate_seconds = timed.seconds
        self._milliseconds = None

    def run(self, budget):
        """The test split at a budget.

        Args:
            budget: {unit: asked}, of `share` (to the last expert), `madds_m` or `ms` a sample.

        Returns:
            `SplitOutputs` of the test split, and what is recorded of the budget: `unit`, `asked`,
            `offsets` (K,) taken off the logits, `on_validation` and `on_test` in the unit.

        Raises:
            InputError: a budget that no choice of experts meets.
        """
        ((unit, asked),) = budget.items()
        costs = self._costs(unit)
        offset = calibrate_offset(self._logits, costs, asked)
        offsets = offset * (costs - costs.min())  # a constant changes no choice
        chosen = choose_within(self._logits, costs, offset)
        way = {"offsets": offsets, "timed": Stopwatch(self.device)}
        result = run_dynamic(self.model, self.task, self.test, self.settings, self.device, **way)
        on_test = costs[result.chosen.numpy()].mean()
        if unit == MILLISECONDS:
            on_test = 1000 * result.seconds / len(result.outputs)
        return result, {
            "unit": unit,
            "asked": asked,
            "offsets": offsets.tolist(),
            "on_validation": float(costs[chosen].mean()),
            "on_test": float(on_test),
        }

    def _costs(self, unit):
        """(K,) cost of a sample on each expert, the gate's among it."""
        if unit == SHARE:
            return np.eye(len(self.model.experts))[-1]
        if unit == MADDS:
            ran = madds_by_path(self._madds[:-1], self.model.reads_first)
            return np.array(ran) + self._madds[-1]
        if self._milliseconds is None:
            seconds = [self._expert_seconds(expert) for expert in self.model.experts.values()]
            if self.model.reads_first:
                seconds[0] = 0.0  # it ran with the gate
            whole = np.array(seconds) + self._gate_seconds
            self._milliseconds = 1000 * whole / len(self._logits)
        return self._milliseconds

    def _expert_seconds(self, expert):
        timed = Stopwatch(self.device)
        run_expert(expert, self.task, self.validation, self.settings, self.device, timed)
        return timed.seconds
