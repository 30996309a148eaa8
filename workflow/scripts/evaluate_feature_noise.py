"""Sweep noise over the features of the test split under one model; then leave modalities out."""

from pathlib import Path

import pandas as pd

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.device import acquire_device
from dynmm.evaluation.modality.model import EXPERT, load_model, network_settings
from dynmm.evaluation.modality.noise import (
    NoisyFeatures,
    dynamic_predictor,
    feature_scores,
    predict_expert,
)
from dynmm.evaluation.noise_sweep import sweep, without_modalities
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.execution import execution
from dynmm.files import atomic_path
from dynmm.provenance import fingerprint, provenance
from dynmm.published_weights import published_weights
from dynmm.tasks import load_evaluation, load_gating, load_task, source_files
from dynmm.vocabulary import MODALITY_TASKS

SWEPT = ("settings", "levels", "runs")  # more of them leave what is computed already as it is


def main(arguments):
    """Compute what the resume directory lacks, then publish all settings, levels and runs."""
    config, device = arguments.config, acquire_device(execution().deterministic)
    task, evaluation = load_task(arguments.task), load_evaluation(arguments.task)
    parts = [load_gating(arguments.task).__file__, evaluation.__file__]
    manifest, noise = read_manifest(arguments.prepared.parent, arguments.task), config["noise"]
    split = task.open(arguments.prepared.parent, task.splits[2])
    weights, *expert_weights = [published_weights(path) for path in arguments.training]
    samples = NoisyFeatures(
        lambda: load_model(task, config, manifest, weights, expert_weights).to(device),
        predict_expert
        if EXPERT in config
        else dynamic_predictor(config["inference"], config["temperature"]),
        task,
        split,
        {**config["evaluation"], "batch_size": noise["batch_size"]},
        device,
    )
    experts = [expert["name"] for expert in config.get("experts", [])]

    def score(results):
        return feature_scores(
            results, lambda outputs: evaluation.scores(outputs, split.targets, manifest), experts
        )

    record = _record(arguments, [weights, *expert_weights], task, parts)
    directory = SweepDirectory(arguments.resume_dir, fingerprint(record), record)
    units, rows = samples.units(noise["per"]), []
    for setting in noise["settings"]:
        modalities = evaluation.NOISE_SETTINGS[setting]
        found = sweep(
            directory,
            setting,
            modalities,
            units,
            noise["levels"],
            noise["runs"],
            samples,
            score,
        )
        if len(modalities) == 1:
            found.append(without_modalities(directory, setting, modalities, samples, score))
        rows += [{"setting": setting, **row} for row in found]
    names = {"model": arguments.model, "seed": arguments.seed}
    with atomic_path(arguments.out) as path:
        pd.DataFrame([{**names, **row} for row in rows]).to_csv(path, index=False)


def _record(arguments, weights, task, parts):
    config = arguments.config
    kept = {key: value for key, value in config["noise"].items() if key not in SWEPT}
    inputs = {"manifest": arguments.prepared, "weights": weights[0]}
    inputs |= {f"expert{place}": path for place, path in enumerate(weights[1:])}
    return provenance(
        __file__,
        {**config, "noise": kept},
        inputs,
        arguments.seed,
        modules=[*source_files(task, network_settings(config)), *parts],
    )


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--model", required=True, help="its name in the file")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--training",
        type=Path,
        nargs="+",
        required=True,
        help="training.json beside the weights, then those of a gate's experts, in order",
    )
    parser.add_argument("--seed", type=int, required=True, help="of the training")
    parser.add_argument("--resume-dir", type=Path, required=True, help="keeps finished levels")
    parser.add_argument("--out", type=Path, required=True, help="output, .csv")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
