"""Evaluate an expert, or a dynamic model at one point of the grid, on the test split.

Leaves metrics, predictions and, of a dynamic model, every sample's choice; with a hard gate only
the chosen expert runs for each sample. A gate may be set to budgets besides: what it does at each
stands in the same metrics. Of experts that trained with the gate it leaves all outputs
too, for the routing study. --config describes an expert where it has "expert", else a
dynamic model.
"""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.device import acquire_device, numerics
from dynmm.evaluation.modality.budgets import BudgetedGate
from dynmm.evaluation.modality.epochs import epochs_behind
from dynmm.evaluation.modality.model import EXPERT, load_model, network_settings, networks_of
from dynmm.evaluation.modality.own_experts import (
    TEST_OUTPUTS,
    VALIDATION_OUTPUTS,
    own_expert_outputs,
)
from dynmm.evaluation.modality.results import (
    dynamic_record,
    expert_record,
    save_predictions,
)
from dynmm.execution import execution
from dynmm.files import write_json
from dynmm.inference.modality import run_dynamic, run_expert
from dynmm.inference.timing import Stopwatch
from dynmm.provenance import provenance
from dynmm.published_weights import published_weights
from dynmm.tasks import load_evaluation, load_gating, load_task, modality_letters, source_files
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Run the test split once and write what was seen."""
    config, device = arguments.config, acquire_device(execution().deterministic)
    task, evaluation = load_task(arguments.task), load_evaluation(arguments.task)
    gating = load_gating(arguments.task)
    manifest = read_manifest(arguments.prepared.parent, arguments.task)
    folder, settings = arguments.prepared.parent, config["evaluation"]
    split = task.open(folder, task.splits[2])
    weights = [published_weights(path) for path in arguments.training]
    model = load_model(task, config, manifest, weights[0], weights[1:]).to(device)
    networks = networks_of(model, config)
    madds = [gating.count_madds(network, manifest["input_sizes"]) for network in networks]
    sample_madds = [
        evaluation.sample_madds(network, manifest["input_sizes"], split) for network in networks
    ]

    def scores(result):
        return evaluation.scores(result.outputs, split.targets, manifest)

    def gated(result):
        counts = None if None in sample_madds else sample_madds
        soft = config["inference"] == "soft"
        return dynamic_record(
            result,
            scores(result),
            list(model.experts),
            madds,
            counts,
            soft=soft,
            reads_first=model.reads_first,
        )

    more, timed = {}, Stopwatch(device)
    if EXPERT in config:
        result = run_expert(model, task, split, settings, device, timed)
        own = {
            "model": config[EXPERT]["model"],
            "width": config[EXPERT].get("width", 1),
            **({"family": config["family"]} if "family" in config else {}),
            **expert_record(result, scores(result), madds[0], sample_madds[0]),
        }
    else:
        way = config["inference"], config["temperature"]
        result = run_dynamic(model, task, split, settings, device, *way, timed=timed)
        own = {"point": config["point"], "inference": config["inference"], **gated(result)}
        own |= {"family": config["title"]} if "title" in config else {}
        validation = task.open(folder, task.splits[1])
        if config["budgets"]:
            counts = [count["complete"] for count in madds]
            gate = BudgetedGate(model, task, validation, split, settings, device, counts)
            found = map(gate.run, config["budgets"])
            own["budgets"] = [gated(result) | {"budget": budget} for result, budget in found]
        if not model.constant_experts:
            splits = {TEST_OUTPUTS: split, VALIDATION_OUTPUTS: validation}
            more = own_expert_outputs(model, task, splits, settings, device)
    save_predictions(arguments.predictions, result, split.ids, split.targets, more)
    letters = modality_letters(task, {m for network in networks for m in network.modalities})
    write_json(
        arguments.metrics,
        {
            "task": task.name,
            "run": arguments.name,
            "seed": arguments.seed,
            **{key: config[key] for key in ("preset", "content", "paper_data", "select_on")},
            "modality": letters,
            **own,
            "epochs": epochs_behind(arguments.training, arguments.folds),
            "measured_on": numerics(device) | {"batch_size": settings["batch_size"]},
            "provenance": _provenance(arguments, weights, task, gating, evaluation),
        },
    )


def _provenance(arguments, weights, task, gating, evaluation):
    config = arguments.config
    settings = network_settings(config)
    names = ["weights", *(entry["name"] for entry in config.get("experts", []))]
    inputs = {"manifest": arguments.prepared, **dict(zip(names, weights, strict=True))}
    modules = [*source_files(task, settings), gating.__file__, evaluation.__file__]
    return provenance(__file__, config, inputs, arguments.seed, modules=modules)


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--name", required=True, help="of the expert in the config, or dynmm")
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--training",
        type=Path,
        nargs="+",
        required=True,
        help="training.json beside the weights, then those of a gate's experts, in order",
    )
    parser.add_argument(
        "--folds", type=Path, nargs="*", default=[], help="what cross-fitted experts left"
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--metrics", type=Path, required=True, help="output, .json")
    parser.add_argument("--predictions", type=Path, required=True, help="output, .npz")
    program.run(main, parser.parse_args())
