"""Draw the gates of a task beside the reference policies: score against multiply-adds."""

from pathlib import Path

from dynmm import program
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.routing import read_routing
from dynmm.reporting.routing_figure import routing_figure
from dynmm.reporting.style import save_figure


def main(arguments):
    """Draw it; the config slice names the `score` and may give `titles` of runs."""
    config = arguments.config
    study = read_routing(arguments.routing, config["score"], config.get("titles"))
    fig = routing_figure(study, Gaps.of(config).remarks)
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--routing", type=Path, required=True, help="routing.json of the task")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
