"""Write Table 3 or 4 as CSV, with Markdown and LaTeX beside it."""

from pathlib import Path

from dynmm import program
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import read_records
from dynmm.reporting.routing import read_routing
from dynmm.reporting.segmentation_tables import build_segmentation_table
from dynmm.reporting.tables import write_table


def main(arguments):
    """Build the table from the metrics files and write its three forms."""
    table = build_segmentation_table(
        arguments.table,
        read_paper(arguments.paper),
        read_records(arguments.metrics),
        arguments.config,
        read_routing(arguments.routing, arguments.config["gain"]) if arguments.routing else None,
    )
    out = arguments.out
    write_table(table, out, out.with_suffix(".md"), out.with_suffix(".tex"))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--table", choices=["table3", "table4"], required=True)
    parser.add_argument("--paper", type=Path, required=True, help="published numbers, YAML")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="metrics.json files")
    parser.add_argument("--routing", type=Path, help="routing.json, for gains over random")
    parser.add_argument("--out", type=Path, required=True, help="CSV; .md and .tex lie beside it")
    program.run(main, parser.parse_args())
