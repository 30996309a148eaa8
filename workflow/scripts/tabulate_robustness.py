"""Summarise the noise sweeps of all tasks: area under each curve, relative to clean."""

from pathlib import Path

import pandas as pd

from dynmm import program
from dynmm.files import atomic_path
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.noise_areas import relative_areas
from dynmm.reporting.noise_curves import read_sweeps
from dynmm.vocabulary import TASKS


def main(arguments):
    """Write one row a task, model and setting; the config slice names each task's score."""
    scores, gaps = arguments.config["scores"], Gaps.of(arguments.config)
    sweeps = {task: getattr(arguments, task) for task in scores}
    parts = [
        relative_areas(read_sweeps(files), task, scores[task])
        for task, files in sweeps.items()
        if files or not gaps.remark
    ]
    table = pd.concat(parts, ignore_index=True).assign(preset=arguments.config["preset"])
    with atomic_path(arguments.out) as path:
        gaps.marked(table).to_csv(path, index=False)


if __name__ == "__main__":
    parser = program.parser(__doc__)
    for name in TASKS:
        parser.add_argument(f"--{name}", type=Path, nargs="*", required=True, help="its sweeps")
    parser.add_argument("--out", type=Path, required=True, help="output, .csv")
    program.run(main, parser.parse_args())
