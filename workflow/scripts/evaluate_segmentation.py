"""Evaluate one segmentation network on the test split: metrics and decisions."""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames, training_parts
from dynmm.device import acquire_device, numerics
from dynmm.evaluation.segmentation.budget import set_budget
from dynmm.evaluation.segmentation.results import segmentation_decisions, segmentation_metrics
from dynmm.execution import execution
from dynmm.files import atomic_path, write_json
from dynmm.inference.segmentation import run_split
from dynmm.inference.timing import Stopwatch
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.weights import load_released, load_weights
from dynmm.provenance import provenance
from dynmm.published_weights import published_weights
from dynmm.stored_records import read_sealed
from dynmm.vocabulary import NYUV2


def main(arguments):
    """Run the test split once and write what was seen."""
    config, run = arguments.config, arguments.config["run"]
    weights = published_weights(arguments.weights)
    manifest, device = (
        read_manifest(arguments.prepared.parent, NYUV2),
        acquire_device(execution().deterministic),
    )
    network = {**config["network"], "pretrained": "none"}
    model = build_segmentation(run["model"], network, len(manifest["class_names"]))
    released = weights.suffix == ".pth"
    (load_released if released else load_weights)(model, weights)
    model = model.to(device).eval()
    frames = SegmentationFrames(arguments.prepared.parent, "test")
    depth = config["prepare"]["depth"]
    loading = {
        "size": (network["height"], network["width"]),
        "depth": {"depth_mode": depth, **manifest["depth_statistics"][depth]},
        "batch_size": config["evaluation"]["batch_size"],
    }
    madds = read_sealed(arguments.madds)["madds"]
    budget = None
    if "budget" in run:
        _, held_out = training_parts(frames.prepared_dir, manifest, run["validation_share"])
        budget = set_budget(
            model,
            run["budget"],
            madds["complete"]["depth_encoder"],
            evaluation_batches(held_out, **loading),
            device,
        )
    random = run.get("gate") == "random"
    result = run_split(
        model,
        run["model"],
        evaluation_batches(frames, **loading),
        frames.labels,
        device,
        random_seed=arguments.seed if random else None,
        per_sample=True,
        penalty=budget.penalty() if budget else None,
        timed=Stopwatch(device),
    )
    record = provenance(
        __file__,
        config,
        {"manifest": arguments.prepared, "weights": arguments.weights, "madds": arguments.madds},
        arguments.seed,
    )
    with atomic_path(arguments.decisions) as path:
        segmentation_decisions(result, frames.frame_numbers).to_csv(path, index=False)
    write_json(
        arguments.metrics,
        {
            "task": "nyuv2",
            "run": arguments.run,
            "model": run["model"],
            "preset": config["preset"],
            "content": config["content"],
            "paper_data": config["paper_data"],
            "seed": arguments.seed,
            "select_on": run["select_on"],
            "epochs_total": run.get("epochs_total"),
            **segmentation_metrics(result, madds, manifest["class_names"]),
            **_budget(run, budget, result.path),
            "measured_on": numerics(device) | {"batch_size": config["evaluation"]["batch_size"]},
            "provenance": record,
        },
    )


def _budget(run, budget, paths):
    if budget is None:
        return {}
    return {"budget": {"weights_of": run["weights_of"], **budget.record(paths)}}


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--run", required=True, help="name of the run in the config")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--weights", type=Path, required=True, help="training.json beside them, or released .pth"
    )
    parser.add_argument("--madds", type=Path, required=True, help="counts of this kind of network")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="output, .json")
    parser.add_argument("--decisions", type=Path, required=True, help="output, .csv")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
