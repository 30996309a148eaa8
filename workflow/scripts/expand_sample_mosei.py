"""Expand the embedded sentiment sample into the raw form of CMU-MOSEI, and keep its sentences.

Text and ratings are real; audio and vision are SIMULATED (resources/sample/mosei/README.md).
--config: {}; there is nothing to choose.
"""

import logging
from pathlib import Path

from dynmm import program
from dynmm.data.mosei.sample import write_raw

log = logging.getLogger("dynmm.expand_sample_mosei")


def main(arguments):
    """Write the pickle and the table of its rows."""
    data = write_raw(arguments.sample, arguments.out, arguments.snippets)
    sizes = ", ".join(f"{len(arrays['id'])} {part}" for part, arrays in data.items())
    log.info("%s: %s", arguments.out, sizes)


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--sample", type=Path, required=True, help="folder of the compact sample")
    parser.add_argument("--out", type=Path, required=True, help="output, mosei_senti_data.pkl")
    parser.add_argument("--snippets", type=Path, required=True, help="output, snippets.tsv")
    program.run(main, parser.parse_args())
