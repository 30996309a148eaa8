"""How much time inference on one path takes, against computing every path.

python benchmarks/skip_inference.py [--height 96 --width 128 --encoder resnet18 ...]

Every round times `infer` forced onto paths 0 to 4 and `forward` with a hard gate one after the
other, so that a change in the machine's speed touches all alike; medians over the rounds.
"""

import argparse
import statistics
import time

import torch

from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.dynamic_esanet import PATHS
from dynmm.models.segmentation.path_costs import path_madds


def main(options):
    torch.manual_seed(0)
    network = {
        "encoder": options.encoder,
        "block": options.block,
        "channels_decoder": [512, 256, 128],
        "nr_decoder_blocks": [3, 3, 3],
        "fusion": "SE-add",
        "height": options.height,
        "width": options.width,
        "pretrained": "none",
    }
    model = build_segmentation("dynamic", network).to(options.device).eval()
    size = (options.height, options.width)
    rgb = torch.randn(options.batch, 3, *size, device=options.device)
    depth = torch.randn(options.batch, 1, *size, device=options.device)

    def everything():
        model(rgb, depth, mode="hard")

    def on_path(path):
        paths = torch.full((options.batch,), path)
        return lambda: model.infer(rgb, depth, paths=paths)

    runs = {"everything": everything, **{f"path {path}": on_path(path) for path in range(PATHS)}}
    seconds = {name: [] for name in runs}
    with torch.inference_mode():
        for _ in range(options.rounds + 1):
            for name, run in runs.items():
                seconds[name].append(timed(run, options.device))
    report(seconds, path_madds(model)["complete"]["total"], options.batch)


def timed(run, device):
    wait(device)
    started = time.perf_counter()
    run()
    wait(device)
    return time.perf_counter() - started


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def report(seconds, madds, batch):
    # the first round only warms up
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    work = dict(zip(medians, [madds[-1], *madds], strict=True))
    print(f"{'':<12}{'s an image':>12}{'of all':>8}{'GMAdds':>9}{'of all':>8}")
    for name, median in medians.items():
        print(
            f"{name:<12}{median / batch:>12.4f}{median / medians['everything']:>8.2f}"
            f"{work[name] / 1e9:>9.2f}{work[name] / madds[-1]:>8.2f}"
        )


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="resnet50")
    parser.add_argument("--block", default="BasicBlock")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
