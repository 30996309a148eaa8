"""Turn the raw files of NYU Depth V2 into memory-mapped arrays and a manifest.

--config: {"depth": "refined"} or {"depth": "raw"}.
"""

import logging
from pathlib import Path

from dynmm import program
from dynmm.data.nyuv2.prepare import prepare
from dynmm.data.nyuv2.raw import RawFiles

log = logging.getLogger("dynmm.prepare_nyuv2")


def main(arguments):
    """Prepare the arrays and say what is in them."""
    raw = RawFiles(arguments.mat, arguments.splits, arguments.mapping)
    manifest = prepare(raw, arguments.out, arguments.config)
    sizes = ", ".join(f"{len(numbers)} {split}" for split, numbers in manifest["splits"].items())
    size = f"{manifest['height']}x{manifest['width']}"
    log.info("%s: %s frames of %s", arguments.out, sizes, size)
    if manifest["classes_absent_from_train"]:
        names = [manifest["class_names"][i - 1] for i in manifest["classes_absent_from_train"]]
        log.info("no training pixel of: %s (their class weight is 0)", ", ".join(names))


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--mat", type=Path, required=True, help="nyu_depth_v2_labeled.mat")
    parser.add_argument("--splits", type=Path, required=True, help="splits.mat")
    parser.add_argument("--mapping", type=Path, required=True, help="classMapping40.mat")
    parser.add_argument("--out", type=Path, required=True, help="folder for the prepared arrays")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
