"""Tables: means over seeds, the paper's columns, and what their printed forms say."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dynmm.errors import InputError
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import by_run, read_records
from dynmm.reporting.segmentation_tables import build_segmentation_table
from dynmm.reporting.tables import Metric, Row, build_table, write_table

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "resources" / "paper.yaml"
DEPTH_G = {"rgb": 0.0, "esanet": 2.0, "stage1": 1.0, "dynmm_a": 0.5, "dynmm_b": 1.5}
ROOMS, NYU = "rendered rooms, not photographs", "NYU Depth V2"


def write_metrics(folder, run, seed, miou=0.4, content=ROOMS, **changes):
    depth = DEPTH_G.get(run, 1.0) * 1e9
    record = {
        "task": "nyuv2",
        "run": run,
        "preset": "sample",
        "seed": seed,
        "metrics": {"miou": miou, "miou_present": miou + 0.1},
        "madds": {
            "complete": {"total": 4e9 + depth, "depth_encoder": depth},
            "per_module": {"total": 5e9 + depth, "depth_encoder": depth / 2},
        },
        "path_shares": [],
        "seconds_per_sample": 0.1,
        "content": content,
        "select_on": "validation",
        "provenance": {},
    } | changes
    path = folder / run / f"seed{seed}" / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def paths(tmp_path):
    scores = {"rgb": 0.3, "esanet": 0.5, "stage1": 0.4, "dynmm_a": 0.45, "dynmm_b": 0.52}
    return [
        write_metrics(tmp_path, run, seed, miou + shift)
        for run, miou in scores.items()
        for seed, shift in ((0, -0.01), (1, 0.01))
    ]


def table(name, paths, config=None):
    return build_segmentation_table(name, read_paper(PAPER), read_records(paths), config or {})


def written(result, folder):
    files = [folder / f"table.{suffix}" for suffix in ("csv", "md", "tex")]
    write_table(result, *files)
    return pd.read_csv(files[0]), files[1].read_text(), files[2].read_text()


def test_table_3_means_deviations_and_reduction(paths, tmp_path):
    frame, _, _ = written(table("table3", paths), tmp_path)
    assert list(frame["method"]) == [
        "RGB only",
        "ESANet (baseline)",
        "DynMM (Stage I)",
        "DynMM-a (Stage II)",
        "DynMM-b (Stage II)",
    ]
    rows = frame.set_index("run")
    assert rows.loc["dynmm_b", "miou"] == pytest.approx(52)
    assert rows.loc["dynmm_b", "miou_std"] == pytest.approx(2**0.5, rel=1e-5)  # sample deviation
    assert rows.loc["dynmm_a", "depth_madds_g"] == pytest.approx(0.5)
    assert list(rows["reduction_pct"]) == pytest.approx([100, 0, 50, 75, 25])
    assert rows.loc["dynmm_b", "miou_present"] == pytest.approx(62)
    assert set(frame["preset"]) == {"sample"}
    assert set(frame["seeds"]) == {2}
    assert set(frame["select_on"]) == {"validation"}
    assert rows.loc["rgb", "modality"] == "RGB"


def test_table_3_says_how_long_a_network_was_trained_in_all(tmp_path):
    long = write_metrics(tmp_path, "dynmm_b", 0, epochs_total=25)
    released = write_metrics(tmp_path, "released", 0, epochs_total=None)
    frame, md, tex = written(table("table3", [long, released]), tmp_path)
    rows = frame.set_index("run")
    assert rows.loc["dynmm_b", "epochs_total"] == 25
    assert pd.isna(rows.loc["released", "epochs_total"])
    assert frame["epochs_total_paper"].isna().all()
    for text in (md, tex):
        assert "epochs in all" in text and " 25 " in text
    assert "epochs_total" not in table("table4", [tmp_path / "dynmm_b/seed0/metrics.json"]).frame


def test_a_budget_has_a_row_with_what_was_asked_and_reached(paths, tmp_path):
    budget = {"unit": "depth_share", "asked": 0.45, "on_validation": 0.44}
    paths += [
        write_metrics(tmp_path, "b45", seed, budget={**budget, "on_test": reached})
        for seed, reached in ((0, 0.5), (1, 0.4))
    ]
    config = {"runs": {"b45": "DynMM-b at 45 %"}}
    for name in ("table3", "table4"):
        rows = table(name, paths, config).frame.set_index("method")
        row = rows.loc["DynMM-b at 45 %"]
        assert (row["budget_unit"], row["budget_asked"]) == ("depth_share", 0.45)
        assert row["budget_on_test"] == pytest.approx(0.45)
        assert row["budget_on_validation"] == pytest.approx(0.44)
        assert rows["budget_asked"].notna().sum() == 1


def test_table_columns_are_tidy(paths):
    for name, metrics in {
        "table3": ["miou", "depth_madds_g", "reduction_pct", "epochs_total"],
        "table4": ["miou", "madds_g"],
    }.items():
        wanted = ["method", "modality"]
        for metric in metrics:
            wanted += [metric, f"{metric}_std", f"{metric}_paper", f"{metric}_difference"]
        wanted += ["preset", "seeds", "select_on", "content", "paper_data"]
        assert list(table(name, paths).frame.columns[: len(wanted)]) == wanted


def test_table_4_holds_the_papers_other_methods(paths, tmp_path):
    frame, _, _ = written(table("table4", paths), tmp_path)
    assert list(frame["method"][:5]) == [
        "LW-RefineNet (ResNet-50)",
        "LW-RefineNet (ResNet-101)",
        "ACNet (ResNet-50)",
        "SA-Gate (ResNet-50)",
        "CEN (ResNet-101)",
    ]
    assert list(frame["method"][5:]) == ["RGB only", "ESANet", "DynMM-a", "DynMM-b"]
    assert frame["miou"][:5].isna().all()
    assert list(frame["seeds"][:5]) == [0] * 5
    assert frame.set_index("method").loc["CEN (ResNet-101)", "madds_g_paper"] == 618.3
    assert frame.set_index("method").loc["ESANet", "madds_g"] == pytest.approx(6)


def test_another_data_set_has_no_difference_and_the_paper_stands_apart(paths, tmp_path):
    frame, md, tex = written(table("table3", paths), tmp_path)
    assert frame["miou_difference"].isna().all()
    assert set(frame["paper_data"]) == {"another data set"}
    assert frame.set_index("run").loc["esanet", "miou_paper"] == 50.5
    ours, apart = md.split("## Published values, of another data set: NYU Depth V2")
    assert "50.5" not in ours
    assert "| 50.5" in " ".join(apart.split())
    assert ROOMS in ours
    heading = r"\multicolumn{3}{c}{Published values, of another data set: NYU Depth V2}"
    assert heading in tex


def test_the_papers_data_gives_differences_beside(tmp_path):
    paths = [write_metrics(tmp_path, "esanet", 0, miou=0.5, content=NYU)]
    frame, md, tex = written(table("table3", paths), tmp_path)
    row = frame.set_index("run").loc["esanet"]
    assert row["miou_difference"] == pytest.approx(-0.5)
    assert row["paper_data"] == "same data set"
    assert pd.isna(row["miou_std"]), "one seed has no deviation"
    assert "mIoU (%), difference" in md
    assert "another data set" not in md + tex
    assert "−0.5" in md
    assert "$-$0.5" in tex


def test_a_config_flag_overrules_the_name(paths):
    assert table("table3", paths, {"paper_data": True}).is_paper_data


def test_the_other_convention_of_counting_stands_in_further_columns(paths):
    frame = table("table3", paths).frame.set_index("run")
    assert frame.loc["esanet", "depth_madds_g"] == pytest.approx(2.0)
    assert frame.loc["esanet", "depth_madds_g_per_module"] == pytest.approx(1.0)
    frame = table("table4", paths).frame.set_index("run")
    assert frame.loc["esanet", "madds_g_per_module"] == pytest.approx(7.0)


def test_the_modality_of_a_run_with_a_title_of_its_own(paths, tmp_path):
    more = [*paths, write_metrics(tmp_path, "depth_only", 0, model="depth")]
    frame = table("table3", more).frame.set_index("run")
    assert frame.loc["depth_only", ["method", "modality"]].tolist() == ["depth_only", "depth"]


def test_released_weights_are_a_row_of_their_own(paths, tmp_path):
    more = [*paths, write_metrics(tmp_path, "released", 0)]
    frame = table("table3", more, {"runs": {"released": "Released weights"}}).frame
    last = frame.iloc[-1]
    assert (last["method"], last["run"], last["seeds"]) == ("Released weights", "released", 1)


def test_two_runs_cannot_share_a_row(paths, tmp_path):
    more = [*paths, write_metrics(tmp_path, "second", 0)]
    with pytest.raises(InputError, match="two runs for one row"):
        table("table3", more, {"runs": {"second": "ESANet (baseline)"}})


def test_without_a_static_run_there_is_no_reduction(tmp_path):
    paths = [write_metrics(tmp_path, "dynmm_a", 0)]
    assert table("table3", paths).frame["reduction_pct"].isna().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preset": "paper"}, "do not belong together.*key: preset"),
        ({"metrics": {}}, r"lacks a number.*metrics\.miou"),
        ({"madds": {"complete": {"total": float("nan"), "depth_encoder": 1}}}, "NaN is no finite"),
    ],
)
def test_bad_metrics_are_named(paths, tmp_path, change, words):
    bad = write_metrics(tmp_path, "extra", 0, **change)
    with pytest.raises(InputError, match=words) as caught:
        written(table("table4", [*paths, bad]), tmp_path)
    assert str(bad) in str(caught.value)
    assert not (tmp_path / "table.csv").exists()


def test_a_seed_given_twice_is_refused(paths):
    with pytest.raises(InputError, match="one seed"):
        by_run(read_records([*paths, paths[0]]))


def test_tex_marks_are_escaped(paths, tmp_path):
    records = read_records(paths[:1])
    row = Row("a_b & 50%", "I", records, {"score": 1.0}, {"lambda": "1e-3"})
    metric = Metric("score", "score (%)", 2, "metrics.miou", scale=100)
    result = build_table(
        [row],
        [metric],
        caption="T",
        paper_name="P",
        is_paper_data=True,
        extra_columns={"lambda": "λ"},
    )
    frame, md, tex = written(result, tmp_path)
    assert r"$\lambda$" in tex
    assert r"a\_b \& 50\% & I & 29.00 & 1.00 & +28.00 & 1e-3 & 1 \\" in tex
    assert frame["lambda"].astype(str).tolist() == ["0.001"]
    assert "| 1e-3" in " ".join(md.split())


def test_the_program_writes_three_files_or_none(paths, tmp_path):
    program = ROOT / "workflow" / "scripts" / "tabulate_segmentation.py"
    out = tmp_path / "reports" / "table3.csv"
    command = [sys.executable, program, "--table", "table3", "--paper", PAPER, "--out", out]
    done = subprocess.run([*command, "--metrics", *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.parent.iterdir()) == ["table3.csv", "table3.md", "table3.tex"]
    paths[0].write_text("{")
    again = tmp_path / "again" / "table3.csv"
    command[-1] = again
    failed = subprocess.run([*command, "--metrics", *paths], capture_output=True, text=True)
    assert failed.returncode == 1
    assert str(paths[0]) in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not again.exists()
