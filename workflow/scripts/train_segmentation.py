"""Train one segmentation network with one seed; publish its weights, history and summary."""

from pathlib import Path

import pandas as pd
from safetensors.torch import save_file

from dynmm import program
from dynmm.device import acquire_device
from dynmm.files import atomic_path, write_json
from dynmm.provenance import fingerprint, provenance
from dynmm.training.run_directory import RunDirectory
from dynmm.training.segmentation_run import train_run


def main(arguments):
    """Train, or go on where a kill left off, then publish."""
    inputs = {"manifest": arguments.prepared}
    if arguments.init:
        inputs["init"] = arguments.init
    record = provenance(__file__, arguments.config, inputs, arguments.seed)
    directory = RunDirectory(arguments.resume_dir, fingerprint(record), record)
    run = train_run(
        arguments.name,
        arguments.config,
        arguments.prepared,
        arguments.init,
        arguments.seed,
        acquire_device(),
        directory,
    )
    with atomic_path(arguments.weights) as path:
        save_file(run.weights, path)
    with atomic_path(arguments.history) as path:
        pd.DataFrame(run.history).to_csv(path, index=False)
    write_json(arguments.training, {**run.summary, "provenance": record})


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--name", required=True, help="shown with the progress")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--init", type=Path, help="weights to start from")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--resume-dir", type=Path, required=True, help="keeps unfinished work")
    parser.add_argument("--weights", type=Path, required=True, help="output, .safetensors")
    parser.add_argument("--history", type=Path, required=True, help="output, .csv")
    parser.add_argument("--training", type=Path, required=True, help="output, .json")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
