"""Sweep noise over the test split under one segmentation network, in every setting."""

from pathlib import Path

import pandas as pd

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.device import acquire_device
from dynmm.evaluation.noise import SHARE
from dynmm.evaluation.noise_sweep import sweep
from dynmm.evaluation.segmentation.noise import (
    EVERY_SAMPLE,
    SETTINGS,
    NoisyFrames,
    noise_scores,
)
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.execution import execution
from dynmm.files import atomic_path
from dynmm.models.segmentation.trained import load_segmentation
from dynmm.provenance import fingerprint, provenance
from dynmm.published_weights import published_weights
from dynmm.stored_records import read_sealed
from dynmm.vocabulary import NYUV2

KNOWN = SETTINGS | EVERY_SAMPLE
SWEPT = ("settings", "levels", "runs")  # more of them leave what is computed already as it is


def main(arguments):
    """Compute what the resume directory lacks, then publish all settings, levels and runs."""
    config, weights = arguments.config, published_weights(arguments.weights)
    noise, kind = config["noise"], config["model"]
    kept = {key: value for key, value in noise.items() if key not in SWEPT}
    inputs = {"prepared": arguments.prepared, "weights": weights, "madds": arguments.madds}
    record = provenance(__file__, {**config, "noise": kept}, inputs, arguments.seed)
    manifest, device = (
        read_manifest(arguments.prepared.parent, NYUV2),
        acquire_device(execution().deterministic),
    )
    mode = config["prepare"]["depth"]
    frames = NoisyFrames(
        lambda: load_segmentation(
            kind, config["network"], len(manifest["class_names"]), weights, device
        ),
        kind,
        arguments.prepared.parent,
        (config["network"]["height"], config["network"]["width"]),
        {"depth_mode": mode, **manifest["depth_statistics"][mode]},
        noise["batch_size"],
        device,
    )
    depth_madds = read_sealed(arguments.madds)["madds"]["complete"]["depth_encoder"]
    directory = SweepDirectory(arguments.resume_dir, fingerprint(record), record)
    units, rows = frames.units(noise["per"]), []
    for setting in noise["settings"]:
        found = sweep(
            directory,
            setting,
            KNOWN[setting],
            units,
            noise["levels"],
            noise["runs"],
            frames,
            lambda results: noise_scores(results, depth_madds),
            share=1.0 if setting in EVERY_SAMPLE else SHARE,
        )
        rows += [{"setting": setting, **row} for row in found]
    names = {"model": arguments.run, "seed": arguments.seed}
    with atomic_path(arguments.out) as path:
        pd.DataFrame([{**names, **row} for row in rows]).to_csv(path, index=False)


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--run", required=True, help="name of the model in the config")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--weights", type=Path, required=True, help="training.json beside them, or released .pth"
    )
    parser.add_argument("--madds", type=Path, required=True, help="counts of this kind of network")
    parser.add_argument("--seed", type=int, required=True, help="of the training")
    parser.add_argument("--resume-dir", type=Path, required=True, help="keeps finished levels")
    parser.add_argument("--out", type=Path, required=True, help="output, .csv")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
