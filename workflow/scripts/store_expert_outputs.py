"""Store what a trained expert says of every training and validation sample.

A frozen expert runs once for these, and every grid point trains its gate on them.
--config: {"expert": {"model": ..., "options": {...}}, "evaluation": {"batch_size": ...}}.
"""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.device import acquire_device
from dynmm.execution import execution
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.weights import load_weights
from dynmm.published_weights import published_weights
from dynmm.tasks import load_task
from dynmm.training.modality.stored_outputs import save_stored
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Run the expert over both splits."""
    config, task, device = (
        arguments.config,
        load_task(arguments.task),
        acquire_device(execution().deterministic),
    )
    manifest = read_manifest(arguments.prepared.parent, arguments.task)
    sizes, outputs = manifest["input_sizes"], task.outputs(manifest)
    expert = expert_from(task.name, config["expert"], sizes, outputs)
    load_weights(expert, published_weights(arguments.training)).to(device).eval()
    for part, path in zip(task.splits[:2], (arguments.train, arguments.validation), strict=True):
        split = task.open(arguments.prepared.parent, part)
        save_stored(run_expert(expert, task, split, config["evaluation"], device).outputs, path)


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--training", type=Path, required=True, help="training.json of the expert")
    parser.add_argument("--train", type=Path, required=True, help="output, .npy")
    parser.add_argument("--validation", type=Path, required=True, help="output, .npy")
    program.run(main, parser.parse_args())
