"""Download the raw files of a data set that the raw directory lacks.

--config: the data set's entry of config/datasets.yaml.
"""

import logging
from pathlib import Path

from dynmm import program
from dynmm.data.download.datasets import fetch_missing

log = logging.getLogger("dynmm.download_raw")


def main(arguments):
    """Fetch what is missing and say what was."""
    fetched = fetch_missing(arguments.config, arguments.raw_dir, arguments.file)
    log.info("%s: fetched %s", arguments.task, ", ".join(fetched) or "nothing, all was there")


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--task", required=True, help="nyuv2, mmimdb or mosei; for the messages")
    parser.add_argument("--raw-dir", type=Path, required=True, help="data.<task>.raw_dir")
    parser.add_argument(
        "--file", action="append", help="one raw file by name; may be repeated (default: all)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
