"""Seconds of a training step with glibc's default thresholds and with `keep_memory`, alternated.

Each turn is a process of its own, since the thresholds hold for the life of a process. By default
the static ResNet-50 network at batch 4 and 240x320.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

import torch

from dynmm.device import keep_memory
from dynmm.models.segmentation.build import build_segmentation
from dynmm.training.segmentation.task import multi_scale_cross_entropy

NETWORK = {
    "encoder": "resnet50",
    "block": "Bottleneck",
    "channels_decoder": [512, 256, 128],
    "nr_decoder_blocks": [3, 3, 3],
    "fusion": "SE-add",
    "pretrained": "none",
}
CLASSES = 40


def one_turn(keep, batch, height, width, steps):
    """Print seconds and page faults of a step in this process."""
    if keep:
        keep_memory()
    torch.manual_seed(0)
    model = build_segmentation("static", {**NETWORK, "height": height, "width": width}).train()
    rgb, depth = torch.randn(batch, 3, height, width), torch.randn(batch, 1, height, width)
    labels = [
        torch.randint(CLASSES + 1, (batch, height // scale, width // scale))
        for scale in (1, 8, 16, 32)
    ]
    weights = torch.ones(CLASSES)
    for step in range(steps + 1):
        if step == 1:  # the first step warms up
            started, faults = (
                time.perf_counter(),
                resource.getrusage(resource.RUSAGE_SELF).ru_minflt,
            )
        multi_scale_cross_entropy(model(rgb, depth), labels, weights).backward()
        model.zero_grad(set_to_none=True)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    print((time.perf_counter() - started) / steps, faults / steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 320), metavar=("H", "W"))
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one-turn", choices=("default", "kept"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_turn:
        one_turn(arguments.one_turn == "kept", arguments.batch, *arguments.size, arguments.steps)
        return
    seen = {"default": [], "kept": []}
    for _ in range(arguments.turns):
        for way, numbers in seen.items():
            command = [sys.executable, *sys.argv, "--one-turn", way]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            numbers.append([float(word) for word in output.split()])
    seconds = {way: statistics.median(n[0] for n in numbers) for way, numbers in seen.items()}
    for way, numbers in seen.items():
        faults = statistics.median(n[1] for n in numbers)
        print(f"{way:<8} {seconds[way]:.2f} s a step, {faults:,.0f} page faults")
    print(f"default / kept: {seconds['default'] / seconds['kept']:.2f}")


if __name__ == "__main__":
    main()
