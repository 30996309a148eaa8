"""Evaluate a dynamic model at one point of the grid: metrics, choices and predictions.

With a hard gate only the chosen expert runs for each sample.
"""

from pathlib import Path

from dynmm import program
from dynmm.device import acquire_device
from dynmm.evaluation.modality.results import dynamic_record, measured_on, save_predictions
from dynmm.files import read_json, write_json
from dynmm.inference.modality import run_dynamic
from dynmm.models.experts.dynamic_build import dynamic_from, load_dynamic_weights
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
    model = dynamic_from(task.name, config, sizes, task.outputs(manifest))
    if config["freeze"]:
        model.freeze_experts()
    load_dynamic_weights(model, arguments.weights, arguments.experts).eval()
    parts = [*model.experts.values(), model.gate]
    madds = [task.count_madds(part, sizes) for part in parts]
    sample_madds = [evaluation.sample_madds(part, sizes, split) for part in parts]
    mode, temperature = config["inference"], config["temperature"]
    result = run_dynamic(
        model.to(device), task, split, config["evaluation"], device, mode, temperature
    )
    scores = evaluation.scores(result.outputs, split.targets, manifest)
    save_predictions(arguments.predictions, result, split.ids, split.targets)
    settings = [*config["experts"], config["gate"]]
    inputs = {"manifest": arguments.prepared, "weights": arguments.weights}
    names = list(model.experts)
    inputs |= dict(zip(names, arguments.experts, strict=True))
    write_json(
        arguments.metrics,
        {
            "task": task.name,
            "run": "dynmm",
            "point": config["point"],
            "inference": mode,
            "preset": config["preset"],
            "seed": arguments.seed,
            "content": config["content"],
            "paper_data": config["paper_data"],
            "select_on": config["select_on"],
            "modality": modality_letters(task, {m for part in parts for m in part.modalities}),
            **dynamic_record(
                result,
                scores,
                names,
                madds,
                None if None in sample_madds else sample_madds,
                soft=mode == "soft",
            ),
            "measured_on": measured_on(device, config["evaluation"]),
            "provenance": provenance(
                __file__,
                config,
                inputs,
                arguments.seed,
                modules=[*source_files(task, settings), evaluation.__file__],
            ),
        },
    )


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument("--weights", type=Path, required=True, help="of the trained point")
    parser.add_argument(
        "--experts", type=Path, nargs="+", required=True, help="their weights, in order"
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="output, .json")
    parser.add_argument("--predictions", type=Path, required=True, help="output, .npz")
    program.run(main, parser.parse_args())
