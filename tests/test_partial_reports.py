"""What a report of the results that are there says of its gaps, in every form that it has."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dynmm.errors import InputError
from dynmm.reporting import style
from dynmm.reporting.gaps import PARTIAL, Gaps, Lacking, counted, lacking
from dynmm.reporting.modality_tables import build_modality_table
from dynmm.reporting.noise_curves import Panel, noise_figure
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import read_records
from dynmm.reporting.rendering import markdown, tex
from dynmm.reporting.segmentation_tables import build_segmentation_table
from dynmm.reporting.tradeoff import tradeoff_figure
from dynmm.stored_records import sealed
from modality_metrics import f1, mmimdb_metrics, write_dynamic, write_expert
from routing_study import modality_study
from test_figures import write_history
from test_noise_figures import arrays, sweep
from test_sentences import write_point, write_prepared
from test_tables import write_metrics

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "resources" / "paper.yaml"
REMARK = (
    "Partial: 30 of 36 results; lacking: lrtf (seeds 0, 1); lambda 0.04, mode straight_through "
    "(seed 1); gate hardened (seed 0: out of date); late_fusion_quarter (seed 1); and 12 more."
)


@pytest.fixture(autouse=True)
def closed():
    yield
    style.plt.close("all")


def gaps(modes=(), **missing):
    return Gaps(REMARK, 2, missing, modes).entry()


def test_models_are_named_once_with_their_seeds_and_the_rest_is_counted():
    results = [("lrtf", 0, False), ("lrtf", 1, False), ("text", 1, True), ("frames", None, True)]
    models = lacking(results)
    assert list(map(str, models)) == [
        "lrtf (seeds 0, 1)",
        "text (seed 1: out of date)",
        "frames (out of date)",
    ]
    assert counted(38, 42, models) == f"38 of 42 results; lacking: {'; '.join(map(str, models))}"
    many = [Lacking(f"point {k}", (0, 1)) for k in range(7)]
    assert counted(28, 42, many).endswith("point 3 (seeds 0, 1); and 6 more")
    assert counted(42, 42, []) == "42 of 42 results"
    assert counted(0, 14, many) == "0 of 14 results"
    assert "lacking: text (seed 1: out of date)" in counted(0, 1, models[1:2])


def test_a_complete_table_has_no_remark(tmp_path):
    paths = [write_metrics(tmp_path, "esanet", 0)]
    table = build_segmentation_table("table3", read_paper(PAPER), read_records(paths), {})
    assert not {PARTIAL, "seeds_missing"} & set(table.frame)
    assert "Partial" not in markdown(table) + tex(table)


@pytest.mark.parametrize("content", ["rendered rooms", "NYU Depth V2"])
def test_tables_3_and_4_say_what_lacks_on_top_and_row_by_row(tmp_path, content):
    paths = [
        write_metrics(tmp_path, run, seed, content=content)
        for run, seed in (("esanet", 0), ("esanet", 1), ("dynmm_a", 1))
    ]
    config = {"runs": {"own": "Our network"}, **gaps(dynmm_a=1, dynmm_b=2, rgb=2, own=2)}
    for name, second in (("table3", "DynMM-b (Stage II)"), ("table4", "DynMM-b")):
        table = build_segmentation_table(name, read_paper(PAPER), read_records(paths), config)
        rows = table.frame.set_index("method")
        assert set(rows[PARTIAL]) == {REMARK}
        assert rows.loc[f"{second} (lacking)", ["seeds", "seeds_missing"]].tolist() == [0, 2]
        assert rows.loc["RGB only (lacking)", "seeds_missing"] == 2
        assert rows.loc["Our network (lacking)", "seeds_missing"] == 2
        assert pd.isna(rows.loc[f"{second} (lacking)", "miou"])
        assert rows.set_index("run").loc["dynmm_a", "seeds_missing"] == 1
        text = markdown(table)
        assert f"\n\n**{REMARK}**\n\n" in text
        ours = text.split("## ")[0]
        (line,) = [line for line in ours.splitlines() if f"{second} (lacking)" in line]
        assert "0 of 2" in line
        assert "1 of 2" in ours and "Our network (lacking)" in ours
        caption = next(line for line in tex(table).splitlines() if r"\caption" in line)
        assert REMARK.replace("_", r"\_") in caption


def test_a_row_of_table_1_whose_point_lacks_says_so(tmp_path):
    paths = [
        write_expert(tmp_path, "mmimdb", "text", 0, f1(0.4)),
        write_dynamic(tmp_path, "mmimdb", 0, 0.5, f1(0.5), lambda_="0.1"),
        write_dynamic(tmp_path, "mmimdb", 1, 0.5, f1(0.5), lambda_="0.1"),
        write_dynamic(tmp_path, "mmimdb", 0, 0.5, f1(0.5), gate="g", more={"family": "Ours"}),
    ]
    named = {"points": {"dynmm_a": {"lambda": 0.2}, "dynmm_b": {"lambda": 0.1}}}
    built = read_paper(PAPER), read_records(paths)
    with pytest.raises(InputError, match="no grid point for a row"):
        build_modality_table("table1", *built, named)
    config = named | gaps(lrtf=2, text=1, mine=2)
    table = build_modality_table("table1", *built, config)
    missing = table.frame.set_index("method")["seeds_missing"]
    assert missing["DynMM-a (lacking)"] == missing["LRTF (lacking)"] == 2
    assert missing["mine (lacking)"] == 2
    assert missing["Text Network (E1)"] == 1 and missing["DynMM-b"] == 0
    assert missing["Ours"] == 1
    assert missing["MI-Matrix"] == 0, "an expert that config leaves out does not lack"
    assert "DynMM-a (lacking)" in markdown(table).split("## ")[0]


@pytest.mark.parametrize(
    ("modes", "hard", "soft"), [((), 0, 0), (("hard",), 2, 0), (("soft",), 0, 2)]
)
def test_rows_that_take_any_point_say_so_where_such_points_lack(tmp_path, modes, hard, soft):
    records = read_records([write_expert(tmp_path, "mmimdb", "text", 0, f1(0.4))])
    table = build_modality_table("table1", read_paper(PAPER), records, gaps(modes))
    missing = table.frame["seeds_missing"].set_axis(table.frame["method"].str.split(" ").str[0])
    assert missing[["DynMM-a", "DynMM-b", "DynMM-c"]].tolist() == [hard] * 3
    assert missing["DynMM-d"] == soft


def figure_texts(fig):
    fig.canvas.draw()
    return " ".join(fig.get_supxlabel().split())


def assert_legible(fig):
    """The remark stands whole inside the figure, below all axes and their legends."""
    assert REMARK in figure_texts(fig)
    renderer, whole = fig.canvas.get_renderer(), fig.bbox
    foot = fig._supxlabel.get_window_extent(renderer)
    assert whole.x0 <= foot.x0 and foot.x1 <= whole.x1 and whole.y0 <= foot.y0
    for axes in fig.axes:
        box = axes.get_tightbbox(renderer)
        assert box.y0 >= foot.y1 and box.y1 <= whole.y1 + 1


def test_a_trade_off_without_some_experts_and_seeds_says_so(tmp_path):
    kept = [
        path
        for path in mmimdb_metrics(tmp_path)
        if "experts/text" not in str(path) and "lambda~1e-2/" not in str(path)
    ]
    fig = tradeoff_figure(read_records(kept[1:]), scores=["macro_f1"], remarks=[REMARK])
    assert_legible(fig)
    one = [path for path in kept if "lambda~0/" in str(path) and "soft" not in str(path)]
    assert_legible(tradeoff_figure(read_records(one[:1]), shares=True, remarks=[REMARK]))


def test_a_noise_figure_leaves_out_the_models_that_lack():
    def draw(**more):
        return noise_figure(
            sweep("dynmm", "text"),
            [Panel("miou", "mIoU (%)", 100)],
            models={"text": "Text (E1)", "dynmm": "DynMM"},
            settings={"text": "noise on text"},
            notes=["a note"],
            **more,
        )

    fig = draw(lacking={"text": 2}, remarks=[REMARK])
    assert_legible(fig)
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == ["DynMM"]
    (line,) = fig.axes[0].containers
    assert line[0].get_color() == style.series(1)["color"], "as in the complete figure"
    with pytest.raises(InputError, match="found: text"):
        draw()


@pytest.fixture
def run(monkeypatch):
    """Call a program; gives the figures that it saved."""

    def function(name, config, **arguments):
        path = ROOT / "workflow" / "scripts" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        figures = []
        if hasattr(program, "save_figure"):
            monkeypatch.setattr(program, "save_figure", lambda fig, *_: figures.append(fig))
        program.main(SimpleNamespace(config=config, png=None, **arguments))
        return figures

    return function


def write_study(tmp_path):
    path = tmp_path / "routing.json"
    path.write_text(json.dumps(sealed(modality_study())))
    return path


def test_the_summary_of_all_sweeps_takes_the_tasks_that_have_some(tmp_path, run):
    sweep("esanet", "rgb").to_csv(tmp_path / "a.csv", index=False)
    sweeps = {"nyuv2": [tmp_path / "a.csv"], "mmimdb": [], "mosei": []}
    config = {"preset": "try", "scores": {"nyuv2": "miou", "mmimdb": "macro_f1", "mosei": "acc2"}}
    out = tmp_path / "r.csv"
    with pytest.raises(InputError, match="no noise sweeps"):
        run("tabulate_robustness", config, out=out, **sweeps)
    run("tabulate_robustness", config | gaps(), out=out, **sweeps)
    table = pd.read_csv(out)
    assert table["task"].tolist() == ["nyuv2"] and set(table[PARTIAL]) == {REMARK}


def test_the_routing_study_as_a_table_has_the_remark(tmp_path, run):
    files = {"out": tmp_path / "r.csv", "md": tmp_path / "r.md"}
    config = {"score": "macro_f1"} | gaps()
    run("tabulate_routing", config, routing=write_study(tmp_path), **files)
    assert set(pd.read_csv(files["out"])[PARTIAL]) == {REMARK}
    assert f"\n\n**{REMARK}**\n\n" in files["md"].read_text()


def test_noise_figures_and_their_csv_have_the_remark(tmp_path, run):
    """Robustness of experts alone has no panel of shares."""
    point = {"model": "dynmm", "title": "DynMM", "point": {"lambda": "0.1"}}
    experts = {"experts": ["text", "late_fusion"], "dynamic": [point], "score": "macro_f1"}
    for program, score, config, panels in (
        ("plot_figure6", "miou", {"models": ["esanet", "text"]}, 2),
        ("plot_robustness", "macro_f1", experts, 1),
    ):
        frame = sweep("text", "both").rename(columns={"miou": score})
        frame.to_csv(tmp_path / "sweep.csv", index=False)
        config |= {"preset": "try", "content": "toy", "settings": ["both"], "per": "batch"}
        config |= gaps(esanet=2, late_fusion=2, dynmm=2)
        files = {"sweeps": [tmp_path / "sweep.csv"], "csv": tmp_path / "r.csv"}
        (fig,) = run(program, config, **files, out=tmp_path / "r.pdf")
        assert_legible(fig)
        assert len(fig.axes) == panels
        assert set(pd.read_csv(files["csv"])[PARTIAL]) == {REMARK}


def test_the_other_figures_have_the_remark(tmp_path, run):
    history = write_history(tmp_path, "esanet", 0, [0.1, 0.2])
    (fig,) = run("plot_history", gaps(), histories=[history], labels=None, out=tmp_path / "a.pdf")
    assert_legible(fig)
    metrics = {"metrics": mmimdb_metrics(tmp_path), "out": tmp_path / "b.pdf"}
    (fig,) = run("plot_tradeoff", {"shares": True} | gaps(), **metrics)
    assert_legible(fig)
    study = {"routing": write_study(tmp_path), "out": tmp_path / "c.pdf"}
    (fig,) = run("plot_routing", {"score": "macro_f1"} | gaps(), **study)
    assert_legible(fig)
    np.savez(tmp_path / "frames.npz", **arrays())
    config = {"preset": "try", "content": "toy", "runs": ["esanet", "dynmm_b"]}
    frames = {"frames": tmp_path / "frames.npz", "out": tmp_path / "d.pdf"}
    (fig,) = run("plot_figure7", config | gaps(), **frames)
    assert REMARK in figure_texts(fig)


def test_figure_5_shows_its_model_or_says_that_it_lacks(tmp_path, run):
    """The row names a point that lacks, or no point has the first seed."""
    metrics, predictions = write_point(tmp_path, weight="0.01")
    files = {
        "paper": PAPER,
        "metrics": [metrics],
        "predictions": [predictions],
        "manifest": write_prepared(tmp_path / "prepared"),
        "out": tmp_path / "figure5.pdf",
    }
    named = {"dynmm_b": {"lambda": 0.5}}
    for points, seed, there in (({}, 0, True), (named, 0, False), ({}, 3, False)):
        config = {"row": "dynmm_b", "points": points, "seed": seed}
        if not there:
            with pytest.raises(InputError):
                run("plot_sentences", config, **files)
        (fig,) = run("plot_sentences", config | gaps(), **files)
        said = " ".join(text.get_text() for text in fig.axes[0].texts)
        assert REMARK in said
        assert ("Figure 5 lacks its model" in said) is not there
        assert (f"No result for row dynmm_b of Table 2 with seed {seed}." in said) is not there
        assert ("true predicted" in said) is there
