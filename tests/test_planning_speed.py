"""Planning stays quick with thousands of points; benchmarks/planning.py measures it closely."""

import resource

import pytest
import yaml

from dynmm.configuration.grid import FOLDERS, points_by_folder
from workflow_tree import SETTINGS, fresh_tree, snakemake

POINTS = 500
MOST_SECONDS = 12  # of CPU: twice what a slow machine takes; a quadratic step took longer


def many(count):
    return [round(1e-4 * place, 4) for place in range(count)]


def test_what_snakemake_goes_through_for_every_file_does_not_grow_with_the_grid():
    section = SETTINGS["mmimdb"] | {"grid": SETTINGS["mmimdb"]["grid"] | {"lambda": many(10_000)}}
    assert len(points_by_folder(section)) > 10_000
    assert len(FOLDERS) < 100


@pytest.mark.slow
def test_a_grid_of_many_points_is_planned_in_seconds(tmp_path):
    tree = fresh_tree(tmp_path / "tree")
    overlay = {"seeds": [0], "mmimdb": {"grid": {"lambda": many(POINTS)}}}
    (tree / "grid.yaml").write_text(yaml.safe_dump(overlay))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    options = ("--dry-run", "--quiet", "rules", "--configfile", "grid.yaml")
    said = snakemake(tree, *options, "--", "reports/sample/table1.csv").stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"train_dynamic {POINTS + 3}" in " ".join(said.split())
    assert after.ru_utime - before.ru_utime < MOST_SECONDS


@pytest.mark.slow
def test_a_point_that_no_grid_has_is_answered_with_near_ones(tmp_path):
    tree = fresh_tree(tmp_path / "tree")
    folder = "results/sample/mmimdb/dynamic/{}/tau~1/mode~straight_through/freeze~true/seed~0"
    wanted = folder.format("lambda~0.03") + "/metrics.json"
    result = snakemake(tree, "--dry-run", "--", wanted, check=False)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert "no such point of mmimdb; found: lambda~0.03/tau~1" in message
    assert "Did you mean lambda~0.0" in message
