"""Evaluate one expert of a modality-level task on the test split: metrics and predictions."""

from pathlib import Path

from dynmm import program
from dynmm.device import acquire_device
from dynmm.evaluation.modality.results import expert_record, measured_on, save_predictions
from dynmm.files import read_json, write_json
from dynmm.inference.modality import run_expert
from dynmm.models.experts.build import expert_from
from dynmm.models.weights import load_weights
from dynmm.provenance import provenance
from dynmm.tasks import load_evaluation, load_task, modality_letters, source_files
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Run the test split once and write what was seen."""
    config, device = arguments.config, acquire_device()
    task, evaluation = load_task(arguments.task), load_evaluation(arguments.task)
    manifest = read_json(arguments.prepared)
    sizes = manifest["input_sizes"]
    split = task.open(arguments.prepared.parent, task.splits[2])
    expert = expert_from(task.name, config["expert"], sizes, task.outputs(manifest))
    load_weights(expert, arguments.weights).eval()
    madds = task.count_madds(expert, sizes)
    sample_madds = evaluation.sample_madds(expert, sizes, split)
    result = run_expert(expert.to(device), task, split, config["evaluation"], device)
    scores = evaluation.scores(result.outputs, split.targets, manifest)
    save_predictions(arguments.predictions, result, split.ids, split.targets)
    write_json(
        arguments.metrics,
        {
            "task": task.name,
            "run": arguments.name,
            "preset": config["preset"],
            "seed": arguments.seed,
            "content": config["content"],
            "paper_data": config["paper_data"],
            "select_on": config["select_on"],
            "modality": modality_letters(task, expert.modalities),
            **expert_record(result, scores, madds, sample_madds),
            "measured_on": measured_on(device, config["evaluation"]),
            "provenance": provenance(
                __file__,
                config,
                {"manifest": arguments.prepared, "weights": arguments.weights},
                arguments.seed,
                modules=[*source_files(task, [config["expert"]]), evaluation.__file__],
            ),
        },
    )


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--name", required=True, help="name of the expert in the config")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--weights", type=Path, required=True, help="of the expert")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="output, .json")
    parser.add_argument("--predictions", type=Path, required=True, help="output, .npz")
    program.run(main, parser.parse_args())
