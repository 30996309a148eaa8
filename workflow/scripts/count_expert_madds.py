"""Measure the multiply-adds of every configured expert and of the gate, for one sample.

--config: {"experts": [...], "gate": {...}, "gate_experts": 2}.
"""

from pathlib import Path

from dynmm import program
from dynmm.files import read_json, write_json
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.dynamic_build import gate_from
from dynmm.tasks import load_gating, load_task
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Count by both conventions."""
    config, task = arguments.config, load_task(arguments.task)
    count_madds = load_gating(task.name).count_madds
    manifest = read_json(arguments.prepared)
    sizes, outputs = manifest["input_sizes"], task.outputs(manifest)
    gate = gate_from(task.name, config["gate"], sizes, config["gate_experts"], outputs)
    write_json(
        arguments.out,
        {
            "task": task.name,
            "input_sizes": sizes,
            "experts": {
                settings["name"]: count_madds(
                    expert_from(task.name, settings, sizes, outputs), sizes
                )
                for settings in config["experts"]
            },
            "gate": count_madds(gate, sizes),
        },
    )


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--out", type=Path, required=True, help="output, .json")
    program.run(main, parser.parse_args())
