"""Predict single frames, clean and noisy, with the static and the dynamic network (Figure 7)."""

from pathlib import Path

import numpy as np

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.device import acquire_device
from dynmm.evaluation.segmentation.frame_numbers import positions_in
from dynmm.evaluation.segmentation.frames import FramePredictions, most_different
from dynmm.execution import execution
from dynmm.files import atomic_path
from dynmm.models.segmentation.trained import load_segmentation
from dynmm.published_weights import published_weights
from dynmm.vocabulary import NYUV2


def main(arguments):
    """Predict the frames that config lists, or find those on which the networks differ most."""
    config, device = arguments.config, acquire_device(execution().deterministic)
    manifest = read_manifest(arguments.prepared.parent, NYUV2)
    frames = SegmentationFrames(arguments.prepared.parent, "test")
    kinds = [config["models"][name] for name in ("static", "dynamic")]
    weights = [published_weights(path) for path in (arguments.static, arguments.dynamic)]
    mode, networks = config["prepare"]["depth"], config["networks"]
    predictions = FramePredictions(
        [
            load_segmentation(kind, networks[name], len(manifest["class_names"]), path, device)
            for name, kind, path in zip(("static", "dynamic"), kinds, weights, strict=True)
        ],
        kinds,
        frames,
        noisy=config["noisy"],
        level=config["level"],
        size=(networks["static"]["height"], networks["static"]["width"]),
        depth={"depth_mode": mode, **manifest["depth_statistics"][mode]},
        batch_size=config["batch_size"],
        device=device,
    )
    wanted = config["frames"]
    if isinstance(wanted, int):
        positions = most_different(predictions.accuracies(), wanted)
    else:
        positions = positions_in(frames.frame_numbers, wanted, frames.split)
    with atomic_path(arguments.out) as path, open(path, "wb") as file:
        np.savez_compressed(
            file,
            **predictions.pictures(positions),
            level=config["level"],
            class_name=np.array(manifest["class_names"]),
        )


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--static", type=Path, required=True, help="training.json of the static network"
    )
    parser.add_argument("--dynamic", type=Path, required=True, help="that of the dynamic one")
    parser.add_argument("--out", type=Path, required=True, help="output, .npz")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
