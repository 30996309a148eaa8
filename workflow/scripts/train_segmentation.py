"""Train one segmentation network with one seed; publish its weights, history and summary."""

from pathlib import Path

from dynmm import program
from dynmm.device import acquire_device
from dynmm.provenance import fingerprint, provenance
from dynmm.training.run_directory import RunDirectory, publish
from dynmm.training.segmentation.run import train_run


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
        workers=arguments.workers,
        pin_memory=bool(arguments.pin_memory),
    )
    publish(run, arguments.weights, arguments.history, arguments.training, record)


def parse(argv=None):
    """The command line."""
    parser = program.training_parser(__doc__)
    parser.add_argument("--init", type=Path, help="weights to start from")
    parser.add_argument("--workers", type=int, default=0, help="processes that load frames")
    parser.add_argument("--pin-memory", type=int, choices=(0, 1), default=0, help="for a GPU")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
