"""Draw score against multiply-adds and expert shares against lambda for a sweep of DynMM."""

from pathlib import Path

from dynmm import program
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.records import read_records
from dynmm.reporting.style import save_figure
from dynmm.reporting.tradeoff import tradeoff_figure


def main(arguments):
    """Draw the panels that the config slice names: `scores` (a list), `shares` (true or false)."""
    config = arguments.config
    fig = tradeoff_figure(
        read_records(arguments.metrics),
        scores=config.get("scores", ()),
        shares=config.get("shares", False),
        remarks=Gaps.of(config).remarks,
    )
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="metrics.json files")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
