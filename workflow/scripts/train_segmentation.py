"""Train one segmentation network with one seed; publish its weights, history and summary."""

from pathlib import Path

from dynmm import program
from dynmm.errors import InputError
from dynmm.provenance import provenance
from dynmm.published_weights import published_weights
from dynmm.training.run_directory import RunDirectory, device_for, publish
from dynmm.training.segmentation.run import train_run


def main(arguments):
    """Train, or go on where a kill left off, then publish."""
    inputs, init = {"manifest": arguments.prepared}, None
    if arguments.init:
        init = inputs["init"] = published_weights(arguments.init)
    if arguments.imagenet:
        inputs["imagenet"] = arguments.imagenet
    record = provenance(__file__, arguments.config, inputs, arguments.seed)
    directory = RunDirectory.of(arguments.resume_dir, record)
    run = train_run(
        arguments.name,
        {**arguments.config, "network": _network(arguments)},
        arguments.prepared,
        init,
        arguments.seed,
        device_for(directory),
        directory,
        workers=arguments.workers,
        pin_memory=bool(arguments.pin_memory),
    )
    publish(run, arguments.weights, arguments.history, arguments.training, record)


def _network(arguments):
    """The network of the config, `pretrained` with the file of weights in place of a name."""
    network = arguments.config["network"]
    if network["pretrained"] == "none" or arguments.init:
        return {**network, "pretrained": "none"}
    if arguments.imagenet is None:
        raise InputError(
            "no file with the encoders' weights",
            key="nyuv2.network.pretrained",
            found=network["pretrained"],
            expected="--imagenet with a file, or none",
        )
    return {**network, "pretrained": arguments.imagenet}


def parse(argv=None):
    """The command line."""
    parser = program.training_parser(__doc__)
    parser.add_argument(
        "--init", type=Path, help="training.json beside the weights to start from, or released .pth"
    )
    parser.add_argument("--imagenet", type=Path, help="weights that the encoders start from, .pth")
    parser.add_argument("--workers", type=int, default=0, help="processes that load frames")
    parser.add_argument("--pin-memory", type=int, choices=(0, 1), default=0, help="for a GPU")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
