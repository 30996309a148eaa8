"""Draw the score and the experts' shares against the level of noise; keep the numbers as CSV."""

from pathlib import Path

from dynmm import program
from dynmm.configuration.grid import GATE, KEYS
from dynmm.files import atomic_path
from dynmm.reporting import headings
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.grid_points import describe
from dynmm.reporting.noise_curves import MISSING_MARK, Panel, counts_note, noise_figure, read_sweeps
from dynmm.reporting.style import save_figure

TITLES = {"both": "either", "all": "any"}  # never more than one at a time


def main(arguments):
    """Draw the sweeps of the models and settings in the config slice."""
    config, gaps = arguments.config, Gaps.of(arguments.config)
    frame = read_sweeps(arguments.sweeps)
    experts, dynamic = config["experts"], config["dynamic"]
    score, swept = headings.score(config["score"]), set(frame["model"])
    names = {
        name: f"{headings.expert_title(name)} (E{place})"
        for place, name in enumerate(experts, start=1)
    }
    panels = [
        Panel(config["score"], score.heading.replace(" (", "\n("), score.scale),
        Panel(f"share_{experts[-1]}", f"share of\nE{len(experts)} (%)", 100, limits=(0, 100)),
    ]
    fig = noise_figure(
        frame,
        # the share is that of dynamic models alone
        [panel for panel in panels if panel.column in frame or not gaps.remark],
        models=names | {entry["model"]: entry["title"] for entry in dynamic},
        settings={name: f"on {TITLES.get(name, name)}" for name in config["settings"]},
        remarks=gaps.remarks,
        lacking=gaps.missing,
        notes=[
            *(f"{e['title']}: {_settings(e['point'])}" for e in dynamic if e["model"] in swept),
            f"each {config['per']} is noisy with probability 0.33 a modality; "
            f"{MISSING_MARK}: the modality set to zero everywhere; {counts_note(frame)}",
            f"data: {config['content']}; preset: {config['preset']}",
        ],
    )
    with atomic_path(arguments.csv) as path:
        gaps.marked(frame.assign(preset=config["preset"])).to_csv(path, index=False)
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


def _settings(point):
    """The settings of a point in their order, which the option of the program does not keep."""
    return describe({key: point[key] for key in (GATE, *KEYS) if key in point})


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--sweeps", type=Path, nargs="+", required=True, help="CSV of each model")
    parser.add_argument("--csv", type=Path, required=True, help="all rows, CSV")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
