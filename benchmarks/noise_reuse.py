"""How much time a noise sweep takes when clean predictions are reused, against a plain loop.

python benchmarks/noise_reuse.py --prepared results/sample/nyuv2/prepared [--height 96 ...]

Both sweep the same fresh network over settings rgb, depth and both; the plain loop predicts the
whole test split for every setting, level and run. Prints the seconds and network passes of each and
stops if their numbers differ.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from dynmm.data.nyuv2.batches import evaluation_batches
from dynmm.data.nyuv2.frames import SegmentationFrames
from dynmm.evaluation.noise import GaussianNoise, noisy_modalities
from dynmm.evaluation.noise_sweep import sweep
from dynmm.evaluation.segmentation.noise import SETTINGS, NoisyFrames, noise_scores
from dynmm.evaluation.sweep_directory import SweepDirectory
from dynmm.files import read_json
from dynmm.inference import segmentation as segmentation_inference
from dynmm.models.segmentation.build import build_segmentation

PLAIN_MADDS = [0.0] * 5


def main(options):
    torch.manual_seed(0)
    network = {
        "encoder": options.encoder,
        "block": "BasicBlock" if options.encoder != "resnet50" else "Bottleneck",
        "channels_decoder": [128, 64, 32],
        "nr_decoder_blocks": [1, 1, 1],
        "fusion": "SE-add",
        "height": options.height,
        "width": options.width,
        "pretrained": "none",
    }
    device = torch.device(options.device)
    model = build_segmentation("dynamic", network).to(device).eval()
    statistics = read_json(options.prepared / "manifest.json")["depth_statistics"]["refined"]
    frames = NoisyFrames(
        lambda: model,
        "dynamic",
        options.prepared,
        (options.height, options.width),
        {"depth_mode": "refined", **statistics},
        options.batch,
        device,
    )
    passes = count_passes()
    plain, plain_seconds, plain_passes = timed(plain_loop, frames, model, options, passes)
    reused, seconds, fewer = timed(reusing, frames, model, options, passes)
    if reused != plain:
        raise SystemExit("the two sweeps differ")
    print(f"plain loop  {plain_seconds:8.1f} s {plain_passes:6d} passes")
    print(f"reused      {seconds:8.1f} s {fewer:6d} passes")
    print(f"times fewer {plain_seconds / seconds:8.2f}   {plain_passes / fewer:6.2f}")


def reusing(frames, model, options):
    with tempfile.TemporaryDirectory() as folder:
        directory = SweepDirectory(folder, "0" * 64, {})
        rows = [
            row
            for name, modalities in SETTINGS.items()
            for row in sweep(
                directory,
                name,
                modalities,
                frames.units("batch"),
                options.levels,
                options.runs,
                frames,
                scores,
            )
        ]
    return [row["miou"] for row in rows]


def plain_loop(frames, model, options):
    split = SegmentationFrames(frames.prepared_dir, "test")
    units = len(frames.units("batch"))
    found = []
    for modalities in SETTINGS.values():
        for level in options.levels:
            for run in range(options.runs):
                noise, drawn = GaussianNoise(run), noisy_modalities(modalities, run, units)
                batches = evaluation_batches(
                    split, frames.size, frames.depth, batch_size=frames.batch_size
                )
                noisy = (
                    batch if name is None else batch | {name: noise.add(batch[name], level)}
                    for batch, name in zip(batches, drawn, strict=True)
                )
                result = segmentation_inference.run_split(
                    model, "dynamic", noisy, split.labels, frames.device, per_sample=True
                )
                arrays = {"confusion": result.sample_confusion, "path": result.path}
                found.append(scores(arrays)["miou"])
    return found


def scores(results):
    return noise_scores(results, PLAIN_MADDS)


def timed(run, frames, model, options, passes):
    passes.clear()
    started = time.perf_counter()
    found = run(frames, model, options)
    return found, time.perf_counter() - started, len(passes)


def count_passes():
    passes, run_network = [], segmentation_inference.run_network

    def counted(*arguments):
        passes.append(1)
        return run_network(*arguments)

    segmentation_inference.run_network = counted
    return passes


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="prepared NYU-form frames")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--levels", type=float, nargs="+", default=[0, 0.2, 0.4, 0.6, 0.8, 1.0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
