"""Measure the multiply-adds of every configured expert and of the gate, for one sample.

--config: {"experts": [...], "gate": {...}, "under_gate": ["text", "late_fusion"]}.
"""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.files import write_json
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.cost_order import check_cost_order
from dynmm.models.experts.dynamic_build import gate_from
from dynmm.tasks import load_gating, load_task
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Count by both conventions; refuse experts under the gate that are out of order."""
    config, task = arguments.config, load_task(arguments.task)
    count_madds = load_gating(task.name).count_madds
    manifest = read_manifest(arguments.prepared.parent, arguments.task)
    sizes, outputs = manifest["input_sizes"], task.outputs(manifest)
    gate = gate_from(task.name, config["gate"], sizes, len(config["under_gate"]), outputs)
    counts = {
        settings["name"]: count_madds(expert_from(task.name, settings, sizes, outputs), sizes)
        for settings in config["experts"]
    }
    check_cost_order(task.name, config["under_gate"], counts)
    write_json(
        arguments.out,
        {
            "task": task.name,
            "input_sizes": sizes,
            "experts": counts,
            "gate": count_madds(gate, sizes),
        },
    )


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--out", type=Path, required=True, help="output, .json")
    program.run(main, parser.parse_args())
