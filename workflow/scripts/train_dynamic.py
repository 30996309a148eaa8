"""Train a dynamic model at one point of the grid with one seed; publish weights and history.

--config: {"experts": [...], "gate": {...}, "training": {...}}. With frozen experts the weights are
those of the gate alone.
"""

from pathlib import Path

from dynmm import program
from dynmm.provenance import provenance
from dynmm.published_weights import published_weights
from dynmm.tasks import load_gating, load_task, source_files
from dynmm.training.modality.dynamic import train_dynamic
from dynmm.training.run_directory import RunDirectory, device_for, publish
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Train, or go on where a kill left off, then publish."""
    config, task = arguments.config, load_task(arguments.task)
    gating = load_gating(task.name)
    names = [expert["name"] for expert in config["experts"]]
    inputs = {"manifest": arguments.prepared}
    experts = [published_weights(path) for path in arguments.experts]
    inputs |= dict(zip(names, experts, strict=True))
    stored = {"train": arguments.stored_train, "validation": arguments.stored_validation}
    for part, paths in stored.items():
        inputs |= {f"on {part}, {place}": path for place, path in enumerate(paths)}
    settings = [*config["experts"], config["gate"]]
    modules = [*source_files(task, settings), gating.__file__]
    record = provenance(__file__, config, inputs, arguments.seed, modules=modules)
    directory = RunDirectory.of(arguments.resume_dir, record)
    run = train_dynamic(
        arguments.name,
        task,
        gating,
        config,
        arguments.prepared,
        experts,
        list(stored.values()),
        arguments.seed,
        device_for(directory),
        directory,
    )
    publish(run, arguments.weights, arguments.history, arguments.training, record)


def parse(argv=None):
    """The command line."""
    parser = program.training_parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument(
        "--experts", type=Path, nargs="+", required=True, help="their training.json, in order"
    )
    for part in ("train", "validation"):
        parser.add_argument(
            f"--stored-{part}",
            type=Path,
            nargs="*",
            default=[],
            help="where they are frozen: their stored outputs, in order",
        )
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
