"""Gates of the segmentation networks for the routing study, from their forced paths."""

import numpy as np

from dynmm.errors import InputError
from dynmm.evaluation.routing.paths import TOTAL, GateChoices, PathResults, PolicyCosts
from dynmm.evaluation.routing.study import GateGroup, GatePoint
from dynmm.inference.budget import choose_within
from dynmm.metrics.additive import SEGMENTATION_SCORES, pixel_counts
from dynmm.metrics.segmentation import segmentation_scores
from dynmm.stored_arrays import INTEGERS, TEXTS, Form
from dynmm.vocabulary import NYUV2

SCORES = SEGMENTATION_SCORES
DEPTH_ENCODER = "depth_encoder"  # cost name
CONVENTION = "complete"
FORCED_PATHS = {  # what `evaluate_paths` stores of a run
    "run": Form("", TEXTS),
    "seed": Form("", INTEGERS, low=0),
    "frame": Form("frames", INTEGERS, low=1),
    "confusion": Form("frames paths classes classes", INTEGERS, low=0),
    "entropy": Form("frames", low=-1e-3),
    "gate_logits": Form("frames paths"),
    "chosen": Form("frames", INTEGERS, low=0, below="paths"),
}
UNCERTAINTY = "mean entropy of the pixels' class probabilities on path 0"


def path_results(stored, costs):
    """`PathResults` and `GateChoices` of one run and seed.

    A frame's loss on a path is one minus its mean IoU over the classes that are labelled in it.

    Args:
        stored: what `forced_paths.run_forced_paths` gave.
        costs: what `path_policy_costs` gave.
    """
    confusion = stored["confusion"]
    losses = [[1 - segmentation_scores(one)["miou_present"] for one in row] for row in confusion]
    paths = PathResults(pixel_counts(confusion), np.array(losses), stored["entropy"], costs)
    return paths, GateChoices(stored["chosen"], stored["gate_logits"])


def path_policy_costs(dynamic, static):
    """Cost of a frame on each path by policy, in total and of the depth encoder.

    Counts of a dynamic network hold its gate, and on path 0 the first stage of the depth encoder,
    which the gate reads. What static ESANet costs less than path 4 is the gate. A fixed path needs
    no gate, path 0 nothing of depth. The cascade runs path 0 for every frame and, for those that
    go on, another path as a whole: nothing of the first pass is used again.

    Args:
        dynamic, static: multiply-adds by path, {"total": [...], "depth_encoder": [...]}, of the
            dynamic network (five entries) and of static ESANet (one).

    Returns:
        Name -> `PolicyCosts`.
    """
    total, depth = (np.array(dynamic[name], np.float64) for name in (TOTAL, DEPTH_ENCODER))
    gate = total[-1] - static[TOTAL][0]
    unread = np.zeros_like(depth)
    unread[0] = depth[0]
    fixed, fixed_depth = total - gate - unread, depth - unread
    return {
        TOTAL: PolicyCosts(fixed, total, _after_first(fixed)),
        DEPTH_ENCODER: PolicyCosts(fixed_depth, depth, fixed_depth),
    }


def routing_groups(stored, costs, budgets=()):
    """A `GateGroup` for each run with weights of its own, with the budgets set on them.

    Args:
        stored: (run, seed) -> what `forced_paths.run_forced_paths` gave.
        costs: what `path_policy_costs` gave.
        budgets: `metrics.json` of runs with a `budget`: their gate is that of another run, with an
            offset of its logits, so that they need no forced paths of their own.

    Raises:
        InputError: seeds of one run with other frames.
    """
    runs = {}
    for (run, seed), arrays in stored.items():
        runs.setdefault(run, {})[seed] = arrays
    groups = []
    for run, seeds in runs.items():
        first = next(iter(seeds.values()))
        for seed, arrays in seeds.items():
            if not np.array_equal(arrays["frame"], first["frame"]):
                raise InputError(
                    "seeds of one run with other frames", key=run, found=f"seed {seed}"
                )
        made = {seed: path_results(arrays, costs) for seed, arrays in sorted(seeds.items())}
        points = [GatePoint(run, {}, run, made)]
        points += [
            GatePoint(name, {}, name, {r["seed"]: within_budget(r, made) for r in records})
            for name, records in _by_run(budgets, run).items()
        ]
        groups.append(GateGroup(run, points, {seed: paths for seed, (paths, _) in made.items()}))
    return groups


def within_budget(record, made):
    """`PathResults` and `GateChoices` of a run with a budget, from those of the gate it has.

    Args:
        record: its `metrics.json`.
        made: seed -> (`PathResults`, `GateChoices`) of the run whose weights it has.
    """
    paths, gate = made[record["seed"]]
    budget = record["budget"]
    path_costs, offset = np.array(budget["path_costs"]), budget["offset"]
    chosen = choose_within(gate.logits, path_costs, offset)
    return paths, GateChoices(chosen, gate.logits - offset * path_costs)


def _by_run(records, source):
    """Run -> its records sorted by seed, of the budgets on one run's weights."""
    found = {}
    for record in sorted(records, key=lambda record: record["seed"]):
        if record["budget"]["weights_of"] == source:
            found.setdefault(record["run"], []).append(record)
    return found


def static_runs(records):
    """The runs without a gate that learns, from their `metrics.json`, as the study lists them.

    Args:
        records: contents of the files.

    Returns:
        List of dicts of `run`, `family`, `point` (None) and `seeds`: dicts of seed, `scores` and
        `costs`.
    """
    found = {}
    for record in records:
        if record["task"] != NYUV2:
            raise InputError("metrics of another task", key="task", found=record["task"])
        entry = {
            "run": record["run"],
            "family": record.get("family"),
            "point": None,
            "seeds": [],
        }
        madds = record["madds"][CONVENTION]
        found.setdefault(record["run"], entry)["seeds"].append(
            {
                "seed": record["seed"],
                "scores": {"miou": record["metrics"]["miou"]},
                "costs": {name: madds[name] for name in (TOTAL, DEPTH_ENCODER)},
            }
        )
    return list(found.values())


def _after_first(costs):
    return np.concatenate([costs[:1], costs[0] + costs[1:]])
