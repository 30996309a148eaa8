"""An expert that fails, by real programs: the strict table waits, the partial one says so."""

import re

import pandas as pd
import pytest
import yaml

import mmimdb_files
from workflow_tree import CONFIG, copy_workflow, snakemake

EXPERT = '''
import torch

from dynmm.models.experts.registry import register_expert


@register_expert("mmimdb", "failing")
class Failing(torch.nn.Module):
    """Fails in its first step."""

    modalities = ("text",)

    def __init__(self, input_sizes, outputs):
        super().__init__()
        self.layer = torch.nn.Linear(input_sizes["text"], outputs)

    def forward(self, inputs):
        raise RuntimeError("no forward pass")
'''
LEFT_OUT = ("image", "early_fusion", "late_fusion_half", "late_fusion_quarter", "lrtf", "mi_matrix")
STRICT = ("reports/table1.csv", "reports/figure4a.pdf")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A workflow on a few made-up films."""
    tree = copy_workflow(tmp_path_factory.mktemp("partial") / "tree")
    raw = tree / "resources/sample/mmimdb"
    raw.mkdir(parents=True)
    mmimdb_files.write(raw / "multimodal_imdb.hdf5", mmimdb_files.arrays())
    (tree / "failing.py").write_text(EXPERT)
    config = yaml.safe_load((tree / CONFIG).read_text())
    config |= {"seeds": [0], "routing": {"draws": 200, "bootstrap": 200}}
    failing = {"model": "failing", "module": "failing.py", "options": {}}
    config["mmimdb"] |= {
        "prepare": {"splits": mmimdb_files.SPLITS},
        "training": {"epochs": 1},
        "dynamic": {"epochs": 1},
        "experts": dict.fromkeys(LEFT_OUT) | {"failing": failing},
        "grid": {"lambda": [0.04]},
        "points": [],
        "gates": {"cross_fitted": None, "hardened": None},
        "noise": {"score": "macro_f1", "points": {"hardened": None}},
    }
    (tree / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return tree


@pytest.mark.slow
def test_the_tables_and_figures_of_what_did_not_fail(tree):
    strict = snakemake(tree, *STRICT, "--keep-going", check=False)
    assert strict.returncode == 1
    assert "no forward pass" in strict.stderr
    assert not any((tree / file).exists() for file in STRICT)
    before = {path: path.stat().st_mtime_ns for path in tree.glob("results/*/*/[!p]*/**/*.*")}
    weights = [
        path for path in before if path.suffix == ".safetensors" and "resume" not in str(path)
    ]
    assert len(weights) == 3

    done = snakemake(tree, "partial")
    rules = set(re.findall(r"^(?:local)?rule (\w+):$", done.stderr, re.MULTILINE))
    assert rules and all(rule.startswith("partial") for rule in rules)
    assert before.items() <= {p: p.stat().st_mtime_ns for p in before if p.exists()}.items()
    words = "3 of 4 results; lacking: failing (seed 0)"
    assert f"  table1: {words}" in done.stderr
    assert "  table3 is not made: 0 of 11 results" in done.stderr
    folder = tree / "reports/sample/partial"
    assert {path.name for path in folder.iterdir()} == {
        *(f"table1.{form}" for form in ("csv", "md", "tex")),
        *(f"figure4{part}.{form}" for part in "ab" for form in ("pdf", "png")),
        *(f"routing_mmimdb.{form}" for form in ("csv", "md", "pdf", "png")),
    }
    table = pd.read_csv(folder / "table1.csv").set_index("method")
    assert set(table["partial"]) == {f"Partial: {words}."}
    assert table["seeds_missing"]["failing (lacking)"] == 1
    assert table["micro_f1"].notna().sum() == 3 + (table["run"] == "dynmm").sum() - 1
    for file in ("table1.md", "table1.tex", "routing_mmimdb.md"):
        assert words in (folder / file).read_text()
    assert not any((tree / file).exists() for file in STRICT)
    assert "Nothing to be done" in snakemake(tree, "partial").stderr
