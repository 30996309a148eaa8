"""Train one segmentation network with one seed; publish its weights, history and summary."""

from pathlib import Path

from dynmm import program
from dynmm.provenance import provenance
from dynmm.published_weights import published_weights
from dynmm.training.run_directory import RunDirectory, device_for, publish
from dynmm.training.segmentation.run import train_run


def main(arguments):
    """Train, or go on where a kill left off, then publish."""
    inputs, init = {"manifest": arguments.prepared}, None
    if arguments.init:
        init = inputs["init"] = published_weights(arguments.init)
    record = provenance(__file__, arguments.config, inputs, arguments.seed)
    directory = RunDirectory.of(arguments.resume_dir, record)
    run = train_run(
        arguments.name,
        arguments.config,
        arguments.prepared,
        init,
        arguments.seed,
        device_for(directory),
        directory,
        workers=arguments.workers,
        pin_memory=bool(arguments.pin_memory),
    )
    publish(run, arguments.weights, arguments.history, arguments.training, record)


def parse(argv=None):
    """The command line."""
    parser = program.training_parser(__doc__)
    parser.add_argument(
        "--init", type=Path, help="training.json beside the weights to start from, or released .pth"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that load frames")
    parser.add_argument("--pin-memory", type=int, choices=(0, 1), default=0, help="for a GPU")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
