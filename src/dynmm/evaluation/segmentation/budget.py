"""A budget for a trained dynamic segmentation network, set on frames held out of its training."""

from dataclasses import asdict, dataclass

import numpy as np
import torch

from dynmm.inference.budget import calibrate_offset, choose_within
from dynmm.inference.segmentation import PATHS, run_network
from dynmm.inference.timing import Stopwatch

DEPTH_SHARE, DEPTH_MADDS, MILLISECONDS = "depth_share", "depth_madds_m", "ms"
MEGA = 1e6


@dataclass(frozen=True)
class Budget:
    """What was asked, and the offset of the gate's logits that meets it.

    Attributes:
        unit: `depth_share` (of the depth encoder's multiply-adds on path 4, which are those of the
            static network), `depth_madds_m` (millions) or `ms` (measured milliseconds a frame).
        asked: the wanted mean cost of a frame, in that unit.
        path_costs: cost of each path, in that unit.
        offset: see `dynmm.inference.budget`.
        on_validation: mean cost of the held-out frames under the offset.
    """

    unit: str
    asked: float
    path_costs: tuple
    offset: float
    on_validation: float

    def penalty(self):
        """(5,) float64, what is taken from the gate's logits."""
        return self.offset * torch.tensor(self.path_costs, dtype=torch.float64)

    def record(self, paths):
        """For `metrics.json`: the budget, and the mean cost of test frames on these paths (N,)."""
        return {**asdict(self), "on_test": float(np.array(self.path_costs)[paths].mean())}


def set_budget(model, wanted, depth_madds, batches, device):
    """Calibrate the offset of a gate on held-out frames.

    Args:
        model: a dynamic network in eval mode on `device`.
        wanted: {unit: value}, one entry.
        depth_madds: multiply-adds of the depth encoder by path.
        batches: the held-out frames, as from `evaluation_batches`; read once, for times twice.
        device: torch device.

    Returns:
        `Budget`.

    Raises:
        InputError: the budget lies outside what the paths cost.
    """
    ((unit, asked),) = wanted.items()
    depth_madds = np.array(depth_madds, np.float64)
    if unit == DEPTH_SHARE:
        costs = depth_madds / depth_madds[-1]
    elif unit == DEPTH_MADDS:
        costs = depth_madds / MEGA
    else:
        costs = path_milliseconds(model, batches, device)
    logits = gate_logits(model, batches, device)
    offset = calibrate_offset(logits, costs, asked)
    chosen = choose_within(logits, costs, offset)
    return Budget(unit, asked, tuple(costs.tolist()), offset, float(costs[chosen].mean()))


@torch.inference_mode()
def gate_logits(model, batches, device):
    """(N, 5) logits of the gate for the frames of the batches."""
    parts = [model.gate_logits(b["rgb"].to(device), b["depth"].to(device)) for b in batches]
    return torch.cat(parts).float().cpu().numpy()


def path_milliseconds(model, batches, device):
    """(5,) measured milliseconds of a frame on each path, in batches that are on one path alone."""
    watches, frames = [Stopwatch(device) for _ in range(PATHS)], 0
    for number, batch in enumerate(batches):
        rgb, depth = batch["rgb"].to(device), batch["depth"].to(device)
        if not number:  # the first call of a network takes longer
            run_network(model, "dynamic", rgb, depth)
        for path in range(PATHS):
            forced = torch.full((len(rgb),), path, device=device)
            with watches[path]:
                run_network(model, "dynamic", rgb, depth, forced)
        frames += len(rgb)
    return 1000 * np.array([watch.seconds for watch in watches]) / frames
