"""Metrics and predictions of a modality-level task, written as the evaluation writes them."""

import json

import numpy as np

EXPERT_MADDS = {"image": 5e6, "text": 1e6, "late_fusion": 10e6}
GATE_MADDS = 0.5e6
GENRES = "clip art"


def record(task, run, seed, scores, total, **more):
    return {
        "task": task,
        "run": run,
        "preset": "sample",
        "seed": seed,
        "content": GENRES,
        "paper_data": False,
        "select_on": "validation",
        "modality": "I+T",
        "metrics": scores,
        "madds": {
            "complete": {"total": total},
            "per_module": {"total": total / 2},
            "true_lengths": {"complete": {"total": total / 4}, "per_module": {"total": total / 8}},
        },
        "epochs": {"own": 10 + seed, "in_all": 30 + seed},
        "seconds_per_sample": 0.002,
        "samples": 100,
        "measured_on": "CPU",
        "provenance": {},
    } | more


def write(folder, value):
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(value))
    return folder / "metrics.json"


def write_expert(folder, task, name, seed, scores, madds=None, **more):
    value = record(task, name, seed, scores, madds or EXPERT_MADDS.get(name, 10e6), **more)
    return write(folder / "experts" / name / f"seed{seed}", value)


def write_dynamic(folder, task, seed, share, scores, **settings):
    """One seed of one grid point that sends `share` of the samples to late fusion."""
    more = settings.pop("more", {})
    settings = {"lambda": "0.1", "tau": "1.0", "mode": "straight_through", "freeze": "true"} | {
        name.removesuffix("_"): value for name, value in settings.items()
    }
    shares = {"text": 1 - share, "late_fusion": share}
    experts = {name: part * EXPERT_MADDS[name] for name, part in shares.items()}
    if settings["mode"] == "soft":
        experts = {name: EXPERT_MADDS[name] for name in shares}
    total = GATE_MADDS + sum(experts.values())
    value = record(task, "dynmm", seed, scores, total, point=settings, expert_shares=shares)
    settings = dict(sorted(settings.items(), key=lambda item: item[0] != "gate"))
    place = "/".join(f"{name}~{text}" for name, text in settings.items())
    return write(folder / "dynamic" / place / f"seed~{seed}", value | more)


def f1(macro):
    """Scores of MM-IMDB; micro F1 lies 0.1 above macro F1."""
    return {"micro_f1": macro + 0.1, "macro_f1": macro}


def mmimdb_metrics(folder, seeds=(0, 1)):
    """Experts, a sweep of four lambdas and the soft point; seeds lie 0.02 apart."""
    paths = []
    for seed in seeds:
        shift = 0.02 * seed
        for name, macro in {"image": 0.25, "text": 0.45, "late_fusion": 0.50}.items():
            paths.append(write_expert(folder, "mmimdb", name, seed, f1(macro + shift)))
        sweep = {"0": (1.0, 0.52), "1e-3": (0.9, 0.51), "1e-2": (0.6, 0.49), "1e-1": (0.1, 0.46)}
        for weight, (share, macro) in sweep.items():
            scores = f1(macro + shift)
            paths.append(
                write_dynamic(folder, "mmimdb", seed, share - shift, scores, lambda_=weight)
            )
        scores = f1(0.53 + shift)
        paths.append(write_dynamic(folder, "mmimdb", seed, 0.69, scores, lambda_="0", mode="soft"))
    return paths


def write_predictions(metrics_path, ids, outputs, chosen, targets):
    """predictions.npz beside a metrics file of a dynamic model."""
    path = metrics_path.with_name("predictions.npz")
    np.savez(
        path,
        ids=np.array([i.encode() for i in ids]),
        outputs=np.array(outputs, np.float32)[:, None],
        gate_logits=np.eye(2, dtype=np.float32)[list(chosen)],
        chosen=np.array(chosen),
        targets=np.array(targets, np.float32)[:, None],
    )
    return path
