"""Draw mIoU and the depth encoder's work against the level of noise; keep the numbers as CSV."""

from pathlib import Path

from dynmm import program
from dynmm.files import atomic_path
from dynmm.reporting import headings
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.noise_curves import Panel, counts_note, noise_figure, read_sweeps
from dynmm.reporting.style import save_figure

TITLES = {
    "rgb": "on RGB",
    "depth": "on depth",
    "both": "on either",
    "rgb_all": "on all RGB",
    "depth_all": "on all depth",
}
PANELS = [
    Panel("miou", headings.score("miou").heading, headings.score("miou").scale),
    Panel("depth_encoder_madds", "depth encoder\nMAdds (G)", headings.GIGA, limits=(0, None)),
]


def main(arguments):
    """Draw the sweeps of the models and settings in the config slice."""
    config, gaps = arguments.config, Gaps.of(arguments.config)
    frame = read_sweeps(arguments.sweeps)
    fig = noise_figure(
        frame,
        PANELS,
        models={name: headings.run_title(name, config.get("titles")) for name in config["models"]},
        settings={name: TITLES[name] for name in config["settings"]},
        remarks=gaps.remarks,
        lacking=gaps.missing,
        notes=[
            f"each {config['per']} is noisy with probability 0.33 (either: 0.66; all: 1); "
            + counts_note(frame),
            f"data: {config['content']}; preset: {config['preset']}",
        ],
    )
    with atomic_path(arguments.csv) as path:
        gaps.marked(frame.assign(preset=config["preset"])).to_csv(path, index=False)
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--sweeps", type=Path, nargs="+", required=True, help="CSV of each sweep")
    parser.add_argument("--csv", type=Path, required=True, help="all rows, CSV")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
