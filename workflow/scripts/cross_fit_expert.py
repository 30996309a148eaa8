"""Train an expert on all folds of the training split but one; store what it says of that one.

Every grid point with `freeze: cross_fitted` trains its gate on these outputs.
--config: as for train_expert, with "folds" and "evaluation": {"batch_size": ...}.
"""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.data.ordering import fold
from dynmm.device import acquire_device
from dynmm.execution import execution
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.provenance import provenance
from dynmm.tasks import load_task, source_files
from dynmm.training.modality.experts import train_expert
from dynmm.training.modality.stored_outputs import save_fold
from dynmm.training.run_directory import RunDirectory
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Train, or go on where a kill left off, then run the expert over the samples held out."""
    config, task = arguments.config, load_task(arguments.task)
    manifest = read_manifest(arguments.prepared.parent, arguments.task)
    split = task.open(arguments.prepared.parent, task.splits[0])
    kept, held_out = fold(len(split), config["folds"], arguments.fold, arguments.seed)
    record = provenance(
        __file__,
        config | {"fold": arguments.fold},
        {"manifest": arguments.prepared},
        arguments.seed,
        modules=source_files(task, [config["expert"]]),
    )
    directory = RunDirectory.of(arguments.resume_dir, record)
    if directory.kept(arguments.out):
        return
    device = acquire_device(execution().deterministic)
    run = train_expert(
        f"{arguments.name} fold {arguments.fold}",
        task,
        config,
        arguments.prepared,
        arguments.seed,
        device,
        directory,
        kept,
    )
    expert = expert_from(
        task.name, config["expert"], manifest["input_sizes"], task.outputs(manifest)
    )
    expert.load_state_dict(run.weights)
    outputs = run_expert(
        expert.to(device).eval(), task, split.part(held_out), config["evaluation"], device
    ).outputs
    epochs = run.summary["epochs"]
    save_fold(outputs, held_out, len(split), epochs, record | {"config": config}, arguments.out)
    directory.keep(arguments.out)


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--name", required=True, help="shown with the progress")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--fold", type=int, required=True, help="which is held out, from 0")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--resume-dir", type=Path, required=True, help="keeps unfinished work")
    parser.add_argument("--out", type=Path, required=True, help="output, .npz")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
