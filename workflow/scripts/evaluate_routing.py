"""Compare every gate of MM-IMDB or CMU-MOSEI with policies at its cost: random, oracle, cascade.

Nothing is trained but a linear router on the validation split, and no network runs: predictions
are read as the evaluations stored them.
"""

from pathlib import Path

from dynmm import program
from dynmm.data.manifest import read_manifest
from dynmm.evaluation.modality.routing import StoredResults
from dynmm.evaluation.routing.comparison import Resampling
from dynmm.evaluation.routing.study import study
from dynmm.files import write_json
from dynmm.provenance import provenance
from dynmm.stored_records import MODALITY_METRICS, read_record, sealed
from dynmm.tasks import load_routing, load_task, source_files
from dynmm.vocabulary import MODALITY_TASKS


def main(arguments):
    """Read what lies beside the metrics files, and write all numbers of the study."""
    config = arguments.config
    task, routing = load_task(arguments.task), load_routing(arguments.task)
    records = {path.parent: read_record(path, MODALITY_METRICS) for path in arguments.metrics}
    stored = StoredResults(
        routing,
        task.splits[1:],
        arguments.prepared.parent,
        read_manifest(arguments.prepared.parent, arguments.task)["input_sizes"],
        {name: 1e6 * millions for name, millions in config["feature_madds_m"].items()},
        task.letters,
        records,
        [*arguments.predictions, *arguments.validation],
    )
    groups = stored.groups()
    files = [
        arguments.prepared,
        *arguments.metrics,
        *arguments.predictions,
        *arguments.validation,
    ]
    one = next(iter(records.values()))
    write_json(
        arguments.out,
        sealed(
            {
                **{key: one[key] for key in ("task", "preset", "content", "paper_data")},
                "paths": next(
                    (list(r["expert_shares"]) for r in records.values() if "point" in r), []
                ),
                "draws": config["draws"],
                "replicates": config["bootstrap"],
                "uncertainty": routing.UNCERTAINTY,
                "scores": study(
                    groups, routing.SCORES, Resampling(config["draws"], config["bootstrap"])
                ),
                "static": stored.static(),
                "provenance": provenance(
                    __file__,
                    config,
                    {str(path): path for path in files},
                    modules=[*source_files(task, []), routing.__file__],
                ),
            }
        ),
    )


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--task", choices=MODALITY_TASKS, required=True)
    parser.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    parser.add_argument(
        "--metrics", type=Path, nargs="+", required=True, help="of experts and grid points"
    )
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="predictions.npz beside them"
    )
    parser.add_argument(
        "--validation",
        type=Path,
        nargs="*",
        default=[],
        help="outputs_validation.npy of the experts under frozen gates",
    )
    parser.add_argument("--out", type=Path, required=True, help="output, .json")
    program.run(main, parser.parse_args())
