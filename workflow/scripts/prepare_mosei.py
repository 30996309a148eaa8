"""Turn the raw file of CMU-MOSEI into ragged memory-mapped arrays and a manifest.

--config: {}; there is nothing to choose.
"""

import logging
from pathlib import Path

from dynmm import program
from dynmm.data.mosei.prepare import prepare

log = logging.getLogger("dynmm.prepare_mosei")


def main(arguments):
    """Prepare the arrays and say what is in them."""
    manifest = prepare(arguments.raw_dir, arguments.out, arguments.config)
    sizes = ", ".join(f"{count} {split}" for split, count in manifest["splits"].items())
    log.info("%s: %s", arguments.out, sizes)


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--raw-dir", type=Path, required=True, help="has mosei_senti_data.pkl")
    parser.add_argument("--out", type=Path, required=True, help="folder for the prepared arrays")
    program.run(main, parser.parse_args())
