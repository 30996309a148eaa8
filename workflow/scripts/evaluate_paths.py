"""Run every test frame on every path of a dynamic segmentation network, for the routing study."""

from pathlib import Path

import numpy as np

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.device import acquire_device
from dynmm.evaluation.segmentation.forced_paths import run_forced_paths
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.execution import execution
from dynmm.files import atomic_path
from dynmm.models.segmentation.trained import load_segmentation
from dynmm.provenance import fingerprint, provenance
from dynmm.published_weights import published_weights
from dynmm.vocabulary import NYUV2


def main(arguments):
    """Compute what the resume directory lacks, then publish all frames."""
    config, weights = arguments.config, published_weights(arguments.weights)
    inputs = {"prepared": arguments.prepared, "weights": weights}
    record = provenance(__file__, config, inputs, arguments.seed)
    manifest, device = (
        read_manifest(arguments.prepared.parent, NYUV2),
        acquire_device(execution().deterministic),
    )
    network, mode = config["network"], config["prepare"]["depth"]
    found = run_forced_paths(
        lambda: load_segmentation(
            "dynamic", network, len(manifest["class_names"]), weights, device
        ),
        arguments.prepared.parent,
        (network["height"], network["width"]),
        {"depth_mode": mode, **manifest["depth_statistics"][mode]},
        config["evaluation"]["batch_size"],
        device,
        SweepDirectory(arguments.resume_dir, fingerprint(record), record),
    )
    with atomic_path(arguments.out) as path, open(path, "wb") as file:
        np.savez_compressed(file, run=arguments.run, seed=arguments.seed, **found)


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--run", required=True, help="name of the run in the config")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--weights", type=Path, required=True, help="training.json beside them, or released .pth"
    )
    parser.add_argument("--seed", type=int, required=True, help="of the training")
    parser.add_argument("--resume-dir", type=Path, required=True, help="keeps finished batches")
    parser.add_argument("--out", type=Path, required=True, help="output, .npz")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
