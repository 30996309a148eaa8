"""What a run leaves behind that failed: results from before are not taken for today's."""

import pytest

from workflow_tree import change_config, finished_tree, planned, snakemake

TARGET = "results/sample/nyuv2/metrics/rgb/seed0/metrics.json"
JOBS = {("train_segmentation", "rgb"): 1, ("evaluate_segmentation", "rgb"): 1}


@pytest.mark.slow
def test_what_failed_after_a_change_is_planned_again(tmp_path):
    """The training fails, as its data are stand-ins; metrics of the older one are there."""
    tree = finished_tree(tmp_path / "tree", TARGET)
    change_config(tree, "nyuv2.runs.rgb.training", {"learning_rate": 0.5})
    assert planned(tree, TARGET) == JOBS
    failed = snakemake(tree, TARGET, "--keep-going", check=False)
    assert failed.returncode == 1
    assert (tree / TARGET).exists()
    assert not list(tree.glob("results/*/nyuv2/models/rgb/*/training.json"))
    assert planned(tree, TARGET) == JOBS
