"""Tables 1 and 2: their rows, the grid points that DynMM rows take, and the values."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dynmm.errors import InputError
from dynmm.reporting.grid_points import choose_point, split_records
from dynmm.reporting.modality_tables import build_modality_table
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import read_records
from dynmm.reporting.rendering import markdown, tex
from dynmm.reporting.tables import write_table
from modality_metrics import f1, mmimdb_metrics, write_dynamic, write_expert

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "resources" / "paper.yaml"
SENTIMENT = {"acc2": 0.7, "acc2_nonzero": 0.72, "mae": 0.8, "pearson_r": 0.4}


@pytest.fixture
def paths(tmp_path):
    return mmimdb_metrics(tmp_path)


def table(paths, name="table1", **config):
    return build_modality_table(name, read_paper(PAPER), read_records(paths), config)


def rows(paths, name="table1", **config):
    return table(paths, name, **config).frame.set_index("method")


def points(paths):
    return split_records(read_records(paths))[1]


def test_table_1_has_the_papers_nine_rows_and_early_fusion(paths, tmp_path):
    paths.append(write_expert(tmp_path, "mmimdb", "early_fusion", 0, f1(0.4)))
    paths.append(write_expert(tmp_path, "mmimdb", "my_expert", 0, f1(0.3), modality="T"))
    frame = table(paths).frame
    assert list(frame["method"]) == [
        "Image Network",
        "Text Network (E1)",
        "Late Fusion (E2)",
        "LRTF",
        "MI-Matrix",
        "Early fusion",
        "my_expert",
        "DynMM-a",
        "DynMM-b",
        "DynMM-c",
        "DynMM-d (soft gates)",
    ]
    wanted = ["method", "modality"]
    for metric in ("micro_f1", "macro_f1", "madds_m"):
        wanted += [metric, f"{metric}_std", f"{metric}_paper", f"{metric}_difference"]
    assert list(frame.columns[: len(wanted)]) == wanted
    assert frame.set_index("method").loc["my_expert", "modality"] == "T"
    assert frame.set_index("method").loc["LRTF", "seeds"] == 0


def test_means_deviations_and_the_papers_values(paths):
    frame = rows(paths)
    late = frame.loc["Late Fusion (E2)"]
    assert late["macro_f1"] == pytest.approx(51)
    assert late["macro_f1_std"] == pytest.approx(2**0.5)
    assert late["micro_f1"] == pytest.approx(61)
    assert late["macro_f1_paper"] == 50.94
    assert pd.isna(late["macro_f1_difference"]), "clip art is another data set"
    assert late["madds_m"] == pytest.approx(10)
    assert late["madds_m_per_module"] == pytest.approx(5)
    assert late["seconds_per_1000_samples"] == pytest.approx(2)
    same = rows(paths, paper_data=True).loc["Late Fusion (E2)"]
    assert same["macro_f1_difference"] == pytest.approx(51 - 50.94)


def counted(folder, expert, complete, per_module):
    """The metrics of an expert with these two counts."""
    path = write_expert(folder, "mmimdb", expert, 0, f1(0.4))
    madds = {"complete": {"total": complete}, "per_module": {"total": per_module}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"madds": madds}))
    return path


def printed(result, folder):
    """The CSV's frame, the cells of the Markdown table by heading and row, the LaTeX text."""
    csv, md, tex = files = [folder / f"table.{suffix}" for suffix in ("csv", "md", "tex")]
    write_table(result, *files)
    lines = [line.strip("|").split("|") for line in md.read_text().splitlines() if line[:1] == "|"]
    headings, _, *body = [[cell.strip() for cell in line] for line in lines]
    cells = {line[0]: dict(zip(headings, line, strict=True)) for line in body}
    return pd.read_csv(csv).set_index("method"), cells, tex.read_text()


def test_counts_that_part_stand_side_by_side_with_the_published_one_beside_the_authors(tmp_path):
    close = counted(tmp_path / "made", "text", 0.70e6, 0.69e6)
    lrtf = counted(tmp_path / "made", "lrtf", 77e6, 10.5e6)
    frame, cells, tex = printed(table([close, lrtf], paper_data=True), tmp_path)
    row = cells["LRTF"]
    assert row["MAdds (M), ours"] == "77.00"
    assert row["MAdds, authors' count (M), ours"] == "10.50"
    assert row["MAdds, authors' count (M), paper"] == "10.3"
    assert row["MAdds, authors' count (M), difference"] == "+0.20"
    assert "MAdds (M), paper" not in row
    assert r"\multicolumn{3}{c}{MAdds, authors' count (M)}" in tex and "77.00" in tex
    assert frame.loc["LRTF", ["madds_m", "madds_m_per_module"]].tolist() == [77, 10.5]
    assert frame.loc["LRTF", ["madds_m_paper", "madds_m_per_module_paper"]].tolist() == [10.3, 10.3]
    assert frame.loc["LRTF", "madds_m_difference"] == pytest.approx(66.7)


@pytest.mark.parametrize(("per_module", "both"), [(1.04e6, False), (0.96e6, False), (0.94e6, True)])
def test_counts_that_agree_within_5_per_cent_stand_as_one(tmp_path, per_module, both):
    path = counted(tmp_path / "made", "text", 1e6, per_module)
    frame, cells, _ = printed(table([path], paper_data=True), tmp_path)
    row = cells["Text Network (E1)"]
    assert ("MAdds, authors' count (M), ours" in row) is both
    assert ("MAdds (M), paper" in row) is not both
    assert frame.loc["Text Network (E1)", "madds_m_per_module"] == pytest.approx(per_module / 1e6)


def test_dynmm_rows_take_the_nearest_share_by_default(paths):
    """Mean shares of E2 over the two seeds: 0.99, 0.89, 0.59, 0.09."""
    frame = rows(paths)
    chosen = {"DynMM-a": "1e-1", "DynMM-b": "1e-2", "DynMM-c": "1e-3", "DynMM-d (soft gates)": "0"}
    assert dict(frame.loc[list(chosen), "lambda"]) == chosen
    assert frame.loc["DynMM-a", "e2_share_pct"] == pytest.approx(9)
    assert frame.loc["DynMM-a", "share_wanted"] == 0.036
    assert frame.loc["DynMM-c", "macro_f1"] == pytest.approx(52)
    assert frame.loc["DynMM-b", "madds_m"] == pytest.approx(0.5 + 0.41 * 1 + 0.59 * 10)
    soft = frame.loc["DynMM-d (soft gates)"]
    assert (soft["mode"], soft["tau"], soft["freeze"]) == ("soft", "1.0", "true")
    assert soft["madds_m"] == pytest.approx(0.5 + 1 + 10)
    assert pd.isna(frame.loc["Text Network (E1)", "e2_share_pct"])


def test_lambda_and_share_are_printed_as_typed(paths, tmp_path):
    result = table(paths)
    files = [tmp_path / f"table1.{suffix}" for suffix in ("csv", "md", "tex")]
    write_table(result, *files)
    csv, md, tex = (file.read_text() for file in files)
    assert ",1e-2," in csv
    line = next(line for line in md.splitlines() if line.startswith("| DynMM-b"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[-5:] == ["59.0 ± 1.4", "30 ± 1", "1e-2", "1.0", "2"]
    assert r"$\lambda$ & $\tau$" in tex


def test_config_names_other_points(paths):
    frame = rows(paths, points={"dynmm_a": {"lambda": 0.01}, "dynmm_b": {"share": 1.0}})
    assert frame.loc["DynMM-a", "lambda"] == "1e-2", "numbers are compared as numbers"
    assert pd.isna(frame.loc["DynMM-a", "share_wanted"])
    assert frame.loc["DynMM-b", "lambda"] == "0"
    assert frame.loc["DynMM-b", "mode"] == "straight_through"


def test_a_share_decides_between_the_points_with_the_settings(paths, tmp_path):
    paths += [
        write_dynamic(tmp_path, "mmimdb", 0, share, f1(0.4), lambda_=weight, tau="0.5")
        for weight, share in (("1e-2", 0.5), ("1e-1", 0.3))
    ]
    found = choose_point(points(paths), {"share": 0.09, "tau": 0.5}, "dynmm_a")
    assert (found.settings["lambda"], found.settings["tau"]) == ("1e-1", "0.5")
    assert found.mean_share() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"dynmm_a": {"lambda": 7}}, "no grid point for a row.*dynmm_a.*expected: lambda 7"),
        ({"dynmm_a": {"tau": 1}}, "several grid points for one row"),
        ({"dynmm_e": {"share": 0.1}}, r"unknown row.*points\.dynmm_e.*dynmm_d"),
    ],
)
def test_bad_points_are_named(paths, wanted, words):
    with pytest.raises(InputError, match=words):
        table(paths, points=wanted)


def test_without_a_soft_point_that_row_shows_the_paper_alone(paths):
    frame = rows([path for path in paths if "mode~soft" not in str(path)])
    soft = frame.loc["DynMM-d (soft gates)"]
    assert soft["seeds"] == 0
    assert soft["macro_f1_paper"] == 51.6
    assert pd.isna(soft["lambda"])


def test_table_2_has_both_accuracies_and_the_gru_forms(tmp_path):
    paths = [
        write_expert(tmp_path, "mosei", name, 0, SENTIMENT, madds=1e8, modality="V+A+T")
        for name in ("text", "late_fusion", "late_fusion_gru")
    ]
    paths += [
        write_dynamic(tmp_path, "mosei", 0, share, SENTIMENT, lambda_=weight)
        for weight, share in (("0.1", 0.2), ("0.01", 0.6), ("0.001", 0.9))
    ]
    frame = table(paths, "table2").frame
    assert list(frame["method"]) == [
        "Video Network",
        "Audio Network",
        "Text Network (E1)",
        "Early Fusion",
        "Late Fusion (E2)",
        "Late fusion (GRU)",
        "DynMM-a",
        "DynMM-b",
        "DynMM-c",
    ]
    late = frame.set_index("method").loc["Late Fusion (E2)"]
    assert late["acc2"] == pytest.approx(70)
    assert late["acc2_nonzero"] == pytest.approx(72)
    assert (late["mae"], late["pearson_r"], late["madds_m"]) == (0.8, 0.4, 100)
    assert late["acc2_paper"] == 79.54
    assert late["madds_m_true_lengths"] == pytest.approx(25)
    assert late["madds_m_true_lengths_per_module"] == pytest.approx(12.5)
    assert list(frame["lambda"][-3:]) == ["0.1", "0.01", "0.001"]


OURS = {"gate": "ours", "lambda_": "1e-2", "mode": "expected_loss", "freeze": "cross_fitted"}


def with_ours(folder, paths, **settings):
    """A gate with a name, or a grid point, that was set to two budgets."""
    made = []
    for seed in (0, 1):
        path = write_dynamic(folder, "mmimdb", seed, 0.5, f1(0.48), **settings)
        record = json.loads(path.read_text())
        record["budgets"] = [
            {
                "budget": {
                    "unit": "share",
                    "asked": asked,
                    "offsets": [0, 1.5],
                    "on_validation": asked,
                    "on_test": asked + 0.02 * seed,
                },
                "metrics": f1(macro),
                "expert_shares": {"text": 1 - asked, "late_fusion": asked},
                "madds": record["madds"],
                "seconds_per_sample": 0.001,
            }
            for asked, macro in ((0.68, 0.49), (0.2, 0.47))
        ]
        if "gate" in settings:
            record["family"] = "DynMM, ours"
        path.write_text(json.dumps(record))
        made.append(path)
    return [*paths, *made]


def test_a_gate_with_a_name_has_rows_of_its_own_by_rising_share(paths, tmp_path):
    before = rows(paths)
    frame = rows(with_ours(tmp_path / "ours", paths, **OURS))
    ours = ["DynMM, ours, share 0.2", "DynMM, ours", "DynMM, ours, share 0.68"]
    assert list(frame.index[-3:]) == ours
    assert frame["macro_f1"][ours].tolist() == pytest.approx([47, 48, 49])
    assert frame["e2_share_pct"][ours].tolist() == pytest.approx([20, 50, 68])
    assert frame["budget_on_test"][ours[2]] == pytest.approx(0.69)
    assert frame["budget_on_validation"][ours[2]] == pytest.approx(0.68)
    assert frame["gate"][ours].tolist() == ["ours"] * 3
    assert pd.isna(frame["budget"][ours[1]])
    shared = ["lambda", "macro_f1", "e2_share_pct"]
    pd.testing.assert_frame_equal(frame.loc[before.index, shared], before[shared])


def test_a_row_at_a_budget_shows_the_point_that_it_names(paths, tmp_path):
    made = with_ours(tmp_path / "one", paths, lambda_="0.5")
    wanted = {"lambda": 0.5, "budget": {"share": 0.68}}
    frame = rows(made, points={"dynmm_b": wanted})
    assert frame.loc["DynMM-b, share 0.68", "macro_f1"] == pytest.approx(49)
    assert frame.loc["DynMM-a", "lambda"] == "1e-1", "points at budgets are no default"
    with pytest.raises(InputError, match="no grid point for a row"):
        rows(made, points={"dynmm_b": {"lambda": 0.5, "budget": {"share": 0.7}}})


def test_three_experts_under_the_gate(tmp_path):
    """The share that tables and rows go by is that of the last, and is named so."""
    shares = {"image": 0.2, "text": 0.7, "late_fusion": 0.1}
    path = write_dynamic(tmp_path, "mmimdb", 0, 0.1, f1(0.4), more={"expert_shares": shares})
    frame = rows([path])
    assert frame.loc["DynMM-a", "e3_share_pct"] == pytest.approx(10)
    assert frame.loc["DynMM-a", "experts"] == "image, text, late_fusion"


def test_an_undefined_score_stays_empty(tmp_path):
    """Constant predictions have no correlation; the seeds that have one are averaged."""
    paths = [
        write_expert(tmp_path, "mosei", name, seed, SENTIMENT | {"pearson_r": r})
        for name, seed, r in (("text", 0, None), ("audio", 0, None), ("audio", 1, 0.3))
    ]
    frame = rows(paths, "table2")
    assert pd.isna(frame.loc["Text Network (E1)", "pearson_r"])
    assert frame.loc["Audio Network", "pearson_r"] == pytest.approx(0.3)


def test_bad_records_are_named(paths, tmp_path):
    with pytest.raises(InputError, match=r"another task.*found: mmimdb; expected: mosei"):
        table(paths, "table2")
    bad = write_dynamic(tmp_path, "mmimdb", 0, 0.5, f1(0.4), lambda_="9", more={"point": {}})
    with pytest.raises(InputError, match=r"point\.lambda.*Evaluate the run again") as caught:
        table([*paths, bad])
    assert str(bad) in str(caught.value)
    with pytest.raises(InputError, match="one seed"):
        table([*paths, paths[-1]])


def test_the_program_writes_three_files(paths, tmp_path):
    program = ROOT / "workflow" / "scripts" / "tabulate_modality.py"
    out = tmp_path / "reports" / "table1.csv"
    command = [sys.executable, program, "--table", "table1", "--paper", PAPER, "--out", out]
    config = ["--config", '{"points": {"dynmm_a": {"lambda": "1e-2"}}}']
    subprocess.run([*command, "--metrics", *paths, *config], check=True)
    assert sorted(p.name for p in out.parent.iterdir()) == ["table1.csv", "table1.md", "table1.tex"]
    frame = pd.read_csv(out, dtype=str).set_index("method")
    assert frame.loc["DynMM-a", "lambda"] == "1e-2"


def test_epochs_in_all_are_a_column_of_every_form(paths):
    found = table(paths)
    frame = found.frame.set_index("method")
    assert frame.loc["Late Fusion (E2)", "epochs_total"] == pytest.approx(30.5)
    assert frame.loc["DynMM-a", "epochs_total_std"] == pytest.approx(0.5**0.5)
    assert pd.isna(frame.loc["LRTF", "epochs_total"])
    assert "epochs in all" in markdown(found) and "epochs in all" in tex(found)
