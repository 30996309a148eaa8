"""Write the routing study of a task as CSV and Markdown."""

from pathlib import Path

from dynmm import program
from dynmm.files import atomic_path, write_text
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.routing import read_routing
from dynmm.reporting.routing_markdown import routing_markdown
from dynmm.reporting.routing_table import routing_frame


def main(arguments):
    """Write both forms; the config slice names the `score` and may give `titles` of runs."""
    config, gaps = arguments.config, Gaps.of(arguments.config)
    study = read_routing(arguments.routing, config["score"], config.get("titles"))
    frame = routing_frame(study)
    with atomic_path(arguments.out) as path:
        gaps.marked(frame).to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    write_text(arguments.md, routing_markdown(study, frame, gaps.remark))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--routing", type=Path, required=True, help="routing.json of the task")
    parser.add_argument("--out", type=Path, required=True, help="CSV")
    parser.add_argument("--md", type=Path, required=True, help="Markdown")
    program.run(main, parser.parse_args())
