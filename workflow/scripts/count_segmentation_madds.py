"""Count the multiply-adds of one segmentation network, by path."""

from pathlib import Path

from dynmm import program
from dynmm.files import write_json
from dynmm.models.segmentation.build import build_segmentation
from dynmm.models.segmentation.path_costs import path_madds
from dynmm.stored_records import sealed


def main(arguments):
    """Measure the modules at the configured size."""
    network = {**arguments.config["network"], "pretrained": "none"}  # weights do not count
    kind = arguments.config["kind"]
    model = build_segmentation(kind, network).eval()
    counts = {"kind": kind, "network": arguments.config["network"], "madds": path_madds(model)}
    write_json(arguments.out, sealed(counts))


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="output, .json")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
