"""How long a plan takes: of a grid of many points, and of a tree on which everything is made.

python benchmarks/planning.py [--points 1000 10000]

Plans Table 1 of the sample with so many values of lambda, in a copy of the workflow with stand-ins
for data and results. Prints CPU seconds of the dry run, of reading the Snakefile (which every
cluster job does twice), and of a job in the plan.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workflow_tree import finished_tree, fresh_tree, snakemake

TABLE = "reports/sample/table1.csv"


def main(options):
    with tempfile.TemporaryDirectory() as folder:
        fresh = fresh_tree(Path(folder) / "fresh")
        for points in options.points:
            given = with_points(fresh, points)
            reading, _ = cpu_seconds(fresh, "--list-rules", *given)
            seconds, jobs = cpu_seconds(fresh, "--dry-run", "--quiet", "rules", *given, "--", TABLE)
            each = 1000 * (seconds - reading) / jobs
            print(
                f"{points:6d} points {seconds:7.2f} CPU s {jobs:6d} jobs {each:5.2f} ms a job "
                f"{reading:5.2f} s to read the rules"
            )
        finished = finished_tree(Path(folder) / "finished")
        seconds, jobs = cpu_seconds(finished, "--dry-run", "--quiet", "rules")
        print(f"nothing to do {seconds:7.2f} CPU s {jobs:6d} jobs")


def with_points(tree, points):
    """The options that lay so many values of lambda over the sample."""
    lambdas = [round(1e-4 * place, 4) for place in range(points)]
    swept = {"points": {"dynmm": {"lambda": lambdas[-1]}}}
    overlay = {"seeds": [0], "mmimdb": {"grid": {"lambda": lambdas}, "noise": swept}}
    (tree / "grid.yaml").write_text(yaml.safe_dump(overlay))
    return ["--configfile", "grid.yaml"]


def cpu_seconds(tree, *options):
    """CPU seconds of a Snakemake, and how many jobs it says that it plans."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = snakemake(tree, *options).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    totals = [line.split()[1] for line in said.splitlines() if line.startswith("total ")]
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, int(totals[0]) if totals else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[1000, 10000])
    main(parser.parse_args())
