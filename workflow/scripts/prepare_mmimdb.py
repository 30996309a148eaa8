"""Turn the raw file of MM-IMDB into memory-mapped arrays and a manifest.

--config: {"splits": {"train": 15552, "dev": 2608, "test": 7799}}.
"""

import logging
from pathlib import Path

from dynmm import program
from dynmm.data.mmimdb.prepare import prepare

log = logging.getLogger("dynmm.prepare_mmimdb")


def main(arguments):
    """Prepare the arrays and say what is in them."""
    manifest = prepare(arguments.raw, arguments.out, arguments.config)
    sizes = ", ".join(f"{count} {split}" for split, count in manifest["splits"].items())
    log.info("%s: %s; %d genres", arguments.out, sizes, len(manifest["genres"]))


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="multimodal_imdb.hdf5")
    parser.add_argument("--out", type=Path, required=True, help="folder for the prepared arrays")
    program.run(main, parser.parse_args())
