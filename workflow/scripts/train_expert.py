"""Train one expert of a modality-level task with one seed; publish weights, history and summary.

--config: {"expert": {"model": ..., "options": {...}}, "training": {...}}.
"""

from dynmm import program
from dynmm.provenance import provenance
from dynmm.tasks import load_task, source_files
from dynmm.training.modality.experts import train_expert
from dynmm.training.run_directory import RunDirectory, device_for, publish
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Train, or go on where a kill left off, then publish."""
    config, task = arguments.config, load_task(arguments.task)
    record = provenance(
        __file__,
        config,
        {"manifest": arguments.prepared},
        arguments.seed,
        modules=source_files(task, [config["expert"]]),
    )
    directory = RunDirectory.of(arguments.resume_dir, record)
    run = train_expert(
        arguments.name,
        task,
        config,
        arguments.prepared,
        arguments.seed,
        device_for(directory),
        directory,
    )
    publish(run, arguments.weights, arguments.history, arguments.training, record)


def parse(argv=None):
    """The command line."""
    parser = program.training_parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
