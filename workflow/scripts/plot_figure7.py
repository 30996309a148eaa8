"""Draw frames, ground truth and the predictions of both networks, clean and noisy."""

from pathlib import Path

from dynmm import program
from dynmm.reporting import headings
from dynmm.reporting.frame_figure import frame_figure, read_frames
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.style import save_figure


def main(arguments):
    """Draw what predict_frames stored; the config slice names both networks."""
    config, arrays = arguments.config, read_frames(arguments.frames)
    fig = frame_figure(
        arrays,
        names=[headings.run_title(run, config.get("titles")) for run in config["runs"]],
        notes=[
            *Gaps.of(config).remarks,
            f"noise level {arrays['level']:g}; per cent: labelled pixels that are right; "
            "cells: how many of the four fuse depth on the path taken",
            f"data: {config['content']}; preset: {config['preset']}",
        ],
    )
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--frames", type=Path, required=True, help="predicted frames, .npz")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
