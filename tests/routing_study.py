"""Made-up routing studies, as the evaluation writes them, for the tests of the reports."""

import json

import numpy as np

from dynmm.evaluation.routing.comparison import Resampling
from dynmm.evaluation.routing.paths import GateChoices, PathResults, PolicyCosts
from dynmm.evaluation.routing.study import GateGroup, GatePoint, family_of, study
from dynmm.metrics.additive import F1_SCORES, SEGMENTATION_SCORES, f1_counts, pixel_counts
from dynmm.stored_records import sealed

SEEDS = (0, 1)
N = 60
RESAMPLING = Resampling(200, 200)
MODALITY_COSTS = np.array([1e6, 10e6])
GATE = 0.5e6
SETTINGS = {"tau": "1.0", "mode": "straight_through", "freeze": "true"}


def expert_paths(seed):
    """Text and late fusion on four genres; the gain over E1 is known to the router."""
    rng = np.random.default_rng(seed)
    true = (rng.random((N, 4)) < 0.4).astype(np.float64)
    right = rng.random((N, 2, 4)) < np.array([0.75, 0.85])[None, :, None]
    logits = np.where(right, true[:, None], 1 - true[:, None]) * 2 - 1.0
    counts = np.stack([f1_counts(logits[:, k], true) for k in (0, 1)], axis=1)
    losses = (np.logaddexp(0, logits) - logits * true[:, None]).mean(2)
    own = MODALITY_COSTS
    after = own + np.array([0, own[0]])
    image = np.array([0, 4e9])
    costs = {
        "total": PolicyCosts(own, own + GATE, after, own + 1000),
        "from_raw": PolicyCosts(own + image, own + GATE + 4e9, after + image, own + 1000 + 4e9),
    }
    return PathResults(counts, losses, rng.random(N), costs, losses + rng.normal(size=(N, 2)))


def choose(paths, share, skill, rng):
    word = skill * (paths.losses[:, 0] - paths.losses[:, 1]) + rng.normal(size=N)
    chosen = np.zeros(N, dtype=np.int64)
    chosen[np.argsort(-word)[: round(share * N)]] = 1
    return GateChoices(chosen, np.stack([np.zeros(N), word], axis=1))


def gate_point(seeds, weight, share, skill, **settings):
    point = {"lambda": weight, **SETTINGS, **settings}
    rng = np.random.default_rng(round(100 * share))
    return GatePoint(
        "dynmm",
        point,
        family_of(point, "dynmm"),
        {seed: (paths, choose(paths, share, skill, rng)) for seed, paths in seeds.items()},
    )


def expert_entry(name, macro, total, family=None, point=None):
    return {
        "run": name,
        "family": family,
        "point": point,
        "seeds": [
            {
                "seed": seed,
                "scores": {"micro_f1": macro + 0.1, "macro_f1": macro + 0.01 * seed},
                "costs": {"total": total, "from_raw": total + 4e9},
            }
            for seed in SEEDS
        ],
    }


def modality_study(families=({},)):
    """Three grid points a family: a skilled one, and one without any choice left.

    Args:
        families: settings that set each family apart.
    """
    seeds = {seed: expert_paths(seed) for seed in SEEDS}
    points = [
        gate_point(seeds, weight, share, skill, **settings)
        for settings in families
        for weight, share, skill in (("1e-2", 0.6, 0.0), ("1e-1", 0.3, 50.0), ("0", 1.0, 0.0))
    ]
    soft = {"lambda": "0", **SETTINGS, "mode": "soft"}
    return {
        "task": "mmimdb",
        "preset": "sample",
        "content": "clip art",
        "paper_data": False,
        "paths": ["text", "late_fusion"],
        "draws": 200,
        "replicates": 200,
        "uncertainty": "entropy of E1",
        "scores": study([GateGroup("frozen experts", points, seeds)], F1_SCORES, RESAMPLING),
        "static": [
            expert_entry("text", 0.5, 1e6),
            expert_entry("lrtf", 0.82, 14e6),
            expert_entry("narrow", 0.75, 3e6, family="late fusion, narrower"),
            expert_entry("half", 0.78, 6e6, family="late fusion, narrower"),
            expert_entry("dynmm", 0.63, 11.5e6, point=soft),
            expert_entry("image", 0.01, 2e6),
        ],
    }


def segmentation_study(runs=("dynmm_a", "dynmm_b")):
    """A gate over five paths for each run, three classes."""
    fixed = np.array([10.0, 12, 14, 17, 20]) * 1e9
    depth = np.array([0.0, 2, 4, 7, 10]) * 1e9
    costs = {
        "total": PolicyCosts(fixed, fixed + 1e8, np.append(fixed[:1], fixed[0] + fixed[1:])),
        "depth_encoder": PolicyCosts(depth, np.append([2e8], depth[1:]), depth),
    }
    groups = []
    for run in runs:
        seeds = {}
        for seed in SEEDS:
            rng = np.random.default_rng([seed, len(run), ord(run[-1])])
            confusion = rng.integers(0, 20, (N, 5, 3, 3))
            confusion += np.arange(5)[None, :, None, None] * 5 * np.eye(3, dtype=np.int64)
            losses = 1 - pixel_counts(confusion)[..., :3].sum(-1) / confusion.sum((2, 3))
            paths = PathResults(pixel_counts(confusion), losses, rng.random(N), costs)
            chosen = rng.integers(0, 5, N)
            seeds[seed] = paths, GateChoices(chosen, np.eye(5)[chosen])
        shared = {seed: paths for seed, (paths, _) in seeds.items()}
        groups.append(GateGroup(run, [GatePoint(run, {}, run, seeds)], shared))
    return {
        "task": "nyuv2",
        "preset": "sample",
        "content": "rendered rooms",
        "paper_data": False,
        "paths": [f"path {path}" for path in range(5)],
        "draws": 200,
        "replicates": 200,
        "uncertainty": "entropy of path 0",
        "scores": study(groups, SEGMENTATION_SCORES, RESAMPLING),
        "static": [
            {
                "run": run,
                "family": None,
                "point": None,
                "seeds": [
                    {
                        "seed": 0,
                        "scores": {"miou": miou},
                        "costs": {"total": total, "depth_encoder": total / 3},
                    }
                ],
            }
            for run, miou, total in (("rgb", 0.4, 10e9), ("esanet", 0.45, 20e9))
        ],
    }


def write_study(folder, value):
    """The study as `routing.json` below `folder`; returns its path."""
    path = folder / "routing.json"
    path.write_text(json.dumps(sealed(value)))
    return path
