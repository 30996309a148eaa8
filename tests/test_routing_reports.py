"""Tables and figures of the routing study, and gains over random in Tables 1 and 3."""

import json
from pathlib import Path

import pandas as pd
import pytest

from dynmm.code_closure import code_closure
from dynmm.errors import InputError
from dynmm.reporting.modality_tables import build_modality_table
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import read_records
from dynmm.reporting.rendering import markdown
from dynmm.reporting.routing import read_routing
from dynmm.reporting.routing_figure import routing_figure
from dynmm.reporting.routing_markdown import routing_markdown
from dynmm.reporting.routing_table import routing_frame
from dynmm.reporting.style import save_figure
from modality_metrics import mmimdb_metrics
from routing_study import modality_study, segmentation_study, write_study

ROOT = Path(__file__).parents[1]
CROSS_FITTED = ({}, {"freeze": "cross_fitted"})


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp(name) for name in ("experts", "families", "paths")}
    return {
        "experts": read_routing(write_study(folders["experts"], modality_study()), "macro_f1"),
        "families": read_routing(
            write_study(folders["families"], modality_study(CROSS_FITTED)), "macro_f1"
        ),
        "paths": read_routing(write_study(folders["paths"], segmentation_study()), "miou"),
    }


def gates(study):
    frame = routing_frame(study)
    return frame[frame["kind"] == "gate"].set_index("name")


def test_a_row_a_gate_in_the_units_of_print(studies):
    study = studies["experts"]
    frame = gates(study)
    assert list(frame.index) == ["DynMM λ 1e-1", "DynMM λ 1e-2", "DynMM λ 0"], "by cost"
    row = frame.loc["DynMM λ 1e-1"]
    (point,) = [p for p in study["groups"][0]["points"] if p["point"]["lambda"] == "1e-1"]
    seeds = point["seeds"]
    assert row["share_late_fusion_pct"] == pytest.approx(30)
    assert row["madds_m"] == pytest.approx(0.5 + 0.7 * 1 + 0.3 * 10)
    assert row["madds_from_raw_g"] == pytest.approx(4 + row["madds_m"] / 1000)
    assert row["cascade_madds_m"] == pytest.approx(1 + 0.3 * 10)
    assert row["cascade_madds_from_raw_g"] == pytest.approx(0.3 * 4 + 0.004)
    for name in ("score", "random", "cascade", "linear", "oracle"):
        key = "gate" if name == "score" else name
        assert row[name] == pytest.approx(50 * sum(seed[key] for seed in seeds)), name
    assert row["gain_over_random"] == pytest.approx(row["score"] - row["random"])
    assert row["gain_low"] < row["gain_over_random"] < row["gain_high"]
    assert row["oracle_share_pct"] == pytest.approx(100 * point["oracle_share"])
    assert (row["p"], row["auc"], row["seeds"]) == (point["p"], point["auc"], 2)
    assert row["p"] < 0.05 < frame.loc["DynMM λ 0", "p"]
    assert pd.isna(frame.loc["DynMM λ 0", "oracle_share_pct"])
    assert row["area"] == pytest.approx(100 * study["groups"][0]["families"][0]["area"])


def test_what_has_no_gate_has_rows_of_its_own_and_none_twice(studies):
    frame = routing_frame(studies["experts"])
    others = frame[frame["kind"] != "gate"].set_index("name")
    assert list(others.index) == [
        "Text (E1)",
        "Late fusion (E2)",
        "LRTF",
        "narrow",
        "half",
        "soft gates, λ 0",
        "Image",
    ]
    assert others.loc["LRTF", "score"] == pytest.approx(82.5)
    assert others.loc["LRTF", "score_std"] == pytest.approx(0.5**0.5)
    assert others.loc["Text (E1)", "madds_m"] == 1
    assert others.loc["half", "family"] == "late fusion, narrower"


def test_families_are_named_by_what_sets_them_apart(studies):
    names = set(gates(studies["families"]).index)
    assert "DynMM, freeze true λ 1e-1" in names
    assert "DynMM, freeze cross_fitted λ 1e-1" in names


def test_the_rows_of_paths_have_the_depth_encoder(studies):
    frame = routing_frame(studies["paths"])
    row = frame[frame["kind"] == "gate"].set_index("name").loc["DynMM-a"]
    shares = [row[f"share_path{path}_pct"] for path in range(5)]
    assert sum(shares) == pytest.approx(100)
    depth = [0.2, 2, 4, 7, 10]
    assert row["depth_madds_g"] == pytest.approx(
        sum(share * cost for share, cost in zip(shares, depth, strict=True)) / 100
    )
    assert row["madds_g"] == pytest.approx(row["depth_madds_g"] + 10.1 - 0.002 * shares[0])
    fixed = frame[frame["kind"] == "fixed path"]
    assert list(fixed["name"]) == [f"fixed path {path}" for path in range(5)] * 2
    assert list(fixed["group"]) == ["dynmm_a"] * 5 + ["dynmm_b"] * 5


def test_the_markdown_marks_what_is_better_than_chance(studies):
    study = studies["experts"]
    frame = routing_frame(study)
    text = routing_markdown(study, frame)
    (line,) = [line for line in text.splitlines() if line.startswith("| DynMM λ 1e-1")]
    assert " * |" in line
    (line,) = [line for line in text.splitlines() if line.startswith("| DynMM λ 0")]
    assert " * |" not in line and "+0.00 [+0.00, +0.00]" in line and "1.000" in line
    assert "data: clip art" in text and "entropy of E1" in text and "200 shuffles" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| DynMM  ")]
    assert [cell.strip() for cell in line.strip("|").split("|")][2] == "4", "interior gates"
    paths = routing_markdown(studies["paths"], routing_frame(studies["paths"]))
    assert "| DynMM-a, fixed path 0 " in paths and "depth encoder MAdds (G)" in paths


@pytest.mark.parametrize("name", ["experts", "families", "paths"])
def test_the_figure_draws_every_gate_and_policy(studies, name, tmp_path):
    study = studies[name]
    fig = routing_figure(study)
    assert len(fig.axes) == len(study["groups"])
    for axis, group in zip(fig.axes, study["groups"], strict=True):
        lines = {line.get_label(): line for line in axis.lines}
        curve = group["curves"]["oracle"]
        assert list(lines["oracle"].get_ydata()) == pytest.approx(
            [100 * score for score in curve["scores"]]
        )
        shuffled = ["its choices shuffled"] * (name == "paths")
        assert len(axis.containers) == len(group["families"]) + len(shuffled)
        assert [c.get_label() for c in axis.containers[len(group["families"]) :]] == shuffled
        first = axis.containers[0].lines[0]
        points = [p for p in group["points"] if p["family"] == group["families"][0]["family"]]
        assert len(first.get_xdata()) == len(points)
    legend = [text.get_text() for text in fig.axes[0].get_legend().get_texts()]
    assert {"random choice", "oracle", "cascade"} < set(legend) and len(set(legend)) == len(legend)
    assert legend[0] in ("DynMM", "DynMM, freeze true", "the gate's choices")
    words = " ".join(text.get_text() for text in fig.findobj() if hasattr(text, "get_text"))
    assert study["content"] in words
    save_figure(fig, tmp_path / "a.pdf", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_the_figure_says_areas_labels_points_and_joins_static_families(studies):
    fig = routing_figure(studies["experts"])
    (axis,) = fig.axes
    labels = axis.get_legend_handles_labels()[1]
    area = 100 * studies["experts"]["groups"][0]["families"][0]["area"]
    note = fig.get_supxlabel().replace("\n", " ")
    assert f"(mean height): DynMM {area:+.2f}.".replace("-", "\N{MINUS SIGN}") in note
    assert "late fusion, narrower" in labels and "Text" not in labels
    lines = {line.get_label(): line for line in axis.lines}
    assert list(lines["late fusion, narrower"].get_xdata()) == pytest.approx([3, 6])
    assert {"λ 1e-1", "λ 1e-2", "λ 0"} <= {text.get_text() for text in axis.texts}
    low, _ = axis.get_ylim()
    assert lines["Image"].get_ydata()[0] == low > 1.5, "far below: at the edge"
    assert "Image 1.50" in fig.get_supxlabel()


def test_points_close_together_share_a_label(studies):
    study = json.loads(json.dumps({k: v for k, v in studies["experts"].items() if k != "scores"}))
    first, second, _ = study["groups"][0]["points"]
    for mine, other in zip(first["seeds"], second["seeds"], strict=True):
        mine |= {"gate": other["gate"], "costs": other["costs"]}
    (axis,) = routing_figure(study).axes
    assert "λ 1e-2, 1e-1" in {text.get_text() for text in axis.texts}


def test_a_family_of_its_own_name_goes_by_what_varies_in_it(studies):
    study = json.loads(json.dumps({k: v for k, v in studies["experts"].items() if k != "scores"}))
    (group,) = study["groups"]
    for point, budget in zip(group["points"], ("0.5", "0.25", "1"), strict=True):
        point["family"] = "calibrated"
        point["point"] |= {"lambda": "0.1", "budget": budget}
    group["families"][0]["family"] = "calibrated"
    assert set(gates(study).index) == {f"calibrated at {b}" for b in ("0.25", "0.5", "1")}
    (axis,) = routing_figure(study).axes
    assert {"at 0.5", "at 0.25", "at 1"} <= {text.get_text() for text in axis.texts}


def table1(paths, study):
    return build_modality_table(
        "table1", read_paper(ROOT / "resources" / "paper.yaml"), read_records(paths), {}, study
    )


def test_table_1_has_the_gain_of_its_points_and_marks_it(studies, tmp_path):
    study = studies["experts"]
    table = table1(mmimdb_metrics(tmp_path), study)
    frame = table.frame.set_index("method")
    by_lambda = {p["point"]["lambda"]: p for p in study["groups"][0]["points"]}
    chosen = frame.loc["DynMM-a"]
    assert chosen["lambda"] == "1e-1"
    gains = [100 * row["gain"] for row in by_lambda["1e-1"]["seeds"]]
    assert chosen["gain_over_random"] == pytest.approx(sum(gains) / 2)
    assert chosen["gain_p"] == by_lambda["1e-1"]["p"] < 0.05
    assert pd.isna(frame.loc["Text Network (E1)", "gain_over_random"])
    assert pd.isna(frame.loc["DynMM-d (soft gates)", "gain_over_random"]), "no choices"
    text = markdown(table)
    assert "gain over random, macro F1 (points)" in text and "* p < 0.05" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| DynMM-a")][:1]
    assert line.count(" * |") == 1
    (line,) = [line for line in text.splitlines() if line.startswith("| DynMM-b")][:1]
    assert " * |" not in line


def test_without_a_study_the_tables_have_no_such_column(tmp_path):
    table = table1(mmimdb_metrics(tmp_path), None)
    assert "gain_over_random" not in table.frame and "p <" not in markdown(table)


def test_bad_studies_are_named(studies, tmp_path):
    path = write_study(tmp_path, modality_study())
    with pytest.raises(InputError, match=r"no such score; file: .*key: miou; expected: micro_f1"):
        read_routing(path, "miou")
    path.write_text("{}")
    with pytest.raises(InputError, match=r"does not say what was written.*routing\.json"):
        read_routing(path, "miou")
    with pytest.raises(InputError, match="no gate to draw"):
        routing_figure({**studies["experts"], "groups": []})


def test_a_study_without_gates_still_has_a_table(studies):
    study = {**studies["experts"], "groups": []}
    text = routing_markdown(study, routing_frame(study))
    assert "No gate here chooses" in text and "| Text " in text


@pytest.mark.parametrize("program", ["tabulate_routing", "plot_routing"])
def test_reports_depend_on_no_model_training_or_data(program):
    closure = code_closure(ROOT / "workflow" / "scripts" / f"{program}.py", ROOT / "src")
    assert {path.parent.name for path in closure[1:]} <= {"dynmm", "reporting", "configuration"}
