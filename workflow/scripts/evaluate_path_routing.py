"""Compare the gates of the segmentation networks with policies at their cost.

No network runs: the forced paths are read as `evaluate_paths` stored them.
"""

from pathlib import Path

from dynmm import program
from dynmm.evaluation.routing.comparison import Resampling
from dynmm.evaluation.routing.study import study
from dynmm.evaluation.segmentation.routing import (
    CONVENTION,
    FORCED_PATHS,
    SCORES,
    UNCERTAINTY,
    path_policy_costs,
    routing_groups,
    static_runs,
)
from dynmm.files import write_json
from dynmm.provenance import provenance
from dynmm.stored_arrays import read_arrays
from dynmm.stored_records import METRICS, read_record, read_sealed, sealed


def main(arguments):
    """Read forced paths, counts and metrics, and write all numbers of the study."""
    config = arguments.config
    costs = path_policy_costs(
        *(
            read_sealed(path)["madds"][CONVENTION]
            for path in (arguments.dynamic_madds, arguments.static_madds)
        )
    )
    stored = dict(_read(path, len(costs["total"].fixed)) for path in arguments.paths)
    records = [read_record(path, METRICS) for path in arguments.metrics]
    budgets = [record for record in records if "budget" in record]
    gated = {run for run, _ in stored} | {record["run"] for record in budgets}
    resampling = Resampling(config["draws"], config["bootstrap"])
    groups = routing_groups(stored, costs, budgets)
    counts = [arguments.dynamic_madds, arguments.static_madds]
    files = [*counts, *arguments.paths, *arguments.metrics]
    write_json(
        arguments.out,
        sealed(
            {
                **{key: records[0][key] for key in ("task", "preset", "content", "paper_data")},
                "paths": [f"path {path}" for path in range(len(costs["total"].fixed))],
                "draws": config["draws"],
                "replicates": config["bootstrap"],
                "uncertainty": UNCERTAINTY,
                "scores": study(groups, SCORES, resampling),
                "static": static_runs([r for r in records if r["run"] not in gated]),
                "provenance": provenance(__file__, config, {str(path): path for path in files}),
            }
        ),
    )


def _read(path, paths):
    """((run, seed), arrays) of one file."""
    arrays = read_arrays(path, FORCED_PATHS, sizes={"paths": paths})
    return (str(arrays.pop("run")), int(arrays.pop("seed"))), arrays


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--paths", type=Path, nargs="+", required=True, help="of evaluate_paths")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="of every run")
    parser.add_argument("--dynamic-madds", type=Path, required=True, help="counts by path")
    parser.add_argument("--static-madds", type=Path, required=True, help="counts of ESANet")
    parser.add_argument("--out", type=Path, required=True, help="output, .json")
    program.run(main, parser.parse_args())
