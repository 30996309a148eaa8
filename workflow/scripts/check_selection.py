"""Look whether the prepared data hold the frames or the review that a figure is told to show.

--config: {"frames": [3, 7]} or {"review": "name"}.
"""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.evaluation.segmentation.frame_numbers import positions_in
from dynmm.files import write_json
from dynmm.reporting.sentences import check_review
from dynmm.vocabulary import MOSEI, NYUV2

SPLIT = "test"


def main(arguments):
    """Refuse what the test split lacks; note what was found."""
    config = arguments.config
    manifest = read_manifest(arguments.prepared.parent, arguments.task)
    if arguments.task == NYUV2:
        positions_in(manifest["splits"][SPLIT], config["frames"], SPLIT)
    else:
        check_review(arguments.prepared, config["review"])
    write_json(arguments.out, {"task": arguments.task, **config})


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=[NYUV2, MOSEI], required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--out", type=Path, required=True, help="output, .json")
    program.run(main, parser.parse_args())
