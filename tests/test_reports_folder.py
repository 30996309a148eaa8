"""Tables and figures by preset, and the workflow run from another folder than its own."""

import json
import re
import shutil

import pytest

import workflow_tree
from workflow_tree import ROOT, change_config, finished_tree, make, snakemake

TARGET = "reports/table1.csv"
FORMS = ("csv", "md", "tex")


def copied(tree):
    """Reports that a dry run would copy."""
    said = snakemake(tree, "--dry-run", TARGET).stdout
    return re.findall(r"rule show_\w+:\n    input: (\S+)", said.replace("local", ""))


@pytest.mark.slow
def test_two_presets_lie_side_by_side_and_the_one_in_use_is_shown(tmp_path):
    tree = finished_tree(tmp_path / "tree", TARGET)
    assert copied(tree) == []
    change_config(tree, "extends", "sample")
    change_config(tree, "preset", "other")
    assert copied(tree) == ["reports/other/table1.csv,"]
    make(tree, TARGET)
    assert copied(tree) == []
    for preset in ("sample", "other"):
        assert all((tree / f"reports/{preset}/table1.{form}").exists() for form in FORMS)
    change_config(tree, "extends", None)
    change_config(tree, "preset", "sample")
    assert copied(tree) == ["reports/sample/table1.csv,"]
    assert not workflow_tree.planned(tree, TARGET)  # but for the copy


@pytest.mark.slow
def test_every_form_of_a_report_is_shown_with_the_one_asked_for(tmp_path):
    tree = finished_tree(tmp_path / "tree", "reports/figure6.pdf")
    shutil.rmtree(tree / "reports")
    made = ("plot_figure6", "show_csv_pdf_png")
    snakemake(tree, "reports/figure6.pdf", "--dry-run", "--allowed-rules", *made)


def test_captions_live_with_the_workflow():
    named = set()
    for rules in (ROOT / "rules").glob("*.smk"):
        named |= set(re.findall(r'caption="\.\./workflow/report/(.+)"', rules.read_text()))
        assert "reports/captions" not in rules.read_text()
    assert named == {path.name for path in (ROOT / "workflow/report").iterdir()}


@pytest.mark.slow
def test_the_workflow_runs_from_any_folder(tmp_path):
    """Its own files, the embedded sample too, are found; what it makes lies where it is run."""
    folder = tmp_path / "another folder"
    folder.mkdir()
    counts = "results/sample/mmimdb/madds/experts.json"
    command = (counts, "--snakefile", str(ROOT / "Snakefile"))
    workflow = (*command, "--workflow-profile", str(ROOT / "profiles/default"))
    snakemake(folder, *workflow)
    assert json.loads((folder / counts).read_text())["task"] == "mmimdb"
    assert "Nothing to be done" in snakemake(folder, *workflow).stderr
    elsewhere = tmp_path / "by directory"
    snakemake(ROOT, *workflow, "--directory", str(elsewhere))
    assert (elsewhere / counts).exists()
