"""Figure 4 and its form for MOSEI: where the marks stand, and what the axes say."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dynmm.errors import InputError
from dynmm.reporting import style
from dynmm.reporting.records import read_records
from dynmm.reporting.tradeoff import tradeoff_figure
from modality_metrics import f1, mmimdb_metrics, write_dynamic, write_expert

PROGRAM = Path(__file__).parents[1] / "workflow" / "scripts" / "plot_tradeoff.py"


@pytest.fixture
def paths(tmp_path):
    return mmimdb_metrics(tmp_path)


@pytest.fixture
def draw():
    figures = []

    def function(paths, **panels):
        figures.append(tradeoff_figure(read_records(paths), **panels))
        return figures[-1]

    yield function
    for figure in figures:
        style.plt.close(figure)


def marks(axes):
    """Label -> (x, y, deviations in x, in y) of everything drawn with error bars."""
    found = {}
    for container in axes.containers:
        line, _, (horizontal, vertical) = container
        dx, dy = (
            [(s[1] - s[0])[axis] / 2 for s in bars.get_segments()]
            for axis, bars in enumerate((horizontal, vertical))
        )
        found[container.get_label()] = (list(line.get_xdata()), list(line.get_ydata()), dx, dy)
    return found


def bars(axes):
    """(label, x, y) of everything drawn with vertical error bars."""
    return [
        (c.get_label(), list(c[0].get_xdata()), list(c[0].get_ydata())) for c in axes.containers
    ]


def test_the_sweep_runs_in_order_of_lambda_with_its_deviations(paths, draw):
    (axes,) = draw(paths, scores=["macro_f1"]).axes
    x, y, dx, dy = marks(axes)["DynMM, hard gates"]
    shares = np.array([0.99, 0.89, 0.59, 0.09])  # of E2, mean over seeds, lambda 0 to 0.1
    assert x == pytest.approx(0.5 + 10 * shares + (1 - shares))
    assert y == pytest.approx([53, 52, 50, 47])
    assert dy == pytest.approx([2**0.5] * 4)
    assert dx == pytest.approx([9 * 0.01 * 2**0.5] * 4)
    assert marks(axes)["DynMM, soft gates"][0] == pytest.approx([11.5])
    assert axes.get_ylabel() == "macro F1 (%)"
    assert axes.get_xlabel() == "MAdds per sample (M)"


def test_experts_are_reference_marks(paths, draw):
    fig = draw(paths, scores=["macro_f1"])
    found = marks(fig.axes[0])
    assert found["Text (E1)"][:2] == (pytest.approx([1]), pytest.approx([46]))
    assert found["Late fusion (E2)"][:2] == (pytest.approx([10]), pytest.approx([51]))
    lines = {c.get_label(): c[0] for c in fig.axes[0].containers}
    assert lines["Image"].get_linestyle() == "None"
    looks = {lines[name].get_marker() for name in lines}
    assert len(looks) == len(lines), "marks differ without colour"


def test_a_far_expert_stands_at_the_edge_and_is_told(paths, draw):
    fig = draw(paths, scores=["macro_f1"])
    (x, y, _, dy) = marks(fig.axes[0])["Image"]
    assert (x, y, dy) == (pytest.approx([5]), [fig.axes[0].get_ylim()[0]], [0])
    assert "off its scale: Image 26.0" in fig._supxlabel.get_text()
    low, high = fig.axes[0].get_ylim()
    assert low > 40
    assert high < 60


def test_shares_against_lambda_and_lambda_zero_apart(paths, draw):
    (axes,) = draw(paths, shares=True).axes
    drawn = bars(axes)
    assert axes.get_xscale() == "log"
    assert axes.get_ylabel() == "share of samples (%)"
    lines = {label: (x, y) for label, x, y in drawn if not label.startswith("_")}
    assert lines["Text (E1)"][0] == [0.001, 0.01, 0.1]
    assert lines["Text (E1)"][1] == pytest.approx([11, 41, 91])
    assert lines["Late fusion (E2)"][1] == pytest.approx([89, 59, 9])
    ticks = dict(
        zip([t.get_text() for t in axes.get_xticklabels()], axes.get_xticks(), strict=True)
    )
    assert list(ticks) == ["0.001", "0.01", "0.1", "0", "0\nsoft"]
    assert ticks["0\nsoft"] < ticks["0"] < 0.001
    apart = {(x[0], round(y[0])) for label, x, y in drawn if label.startswith("_")}
    hard, soft = ticks["0"], ticks["0\nsoft"]
    assert apart == {(hard, 1), (hard, 99), (soft, 31), (soft, 69)}


def test_two_temperatures_are_two_sweeps(paths, tmp_path, draw):
    paths += [
        write_dynamic(tmp_path, "mmimdb", 0, 0.5, f1(0.5), lambda_=weight, tau="0.5")
        for weight in ("1e-3", "1e-2")
    ]
    fig = draw(paths, scores=["macro_f1"], shares=True)
    labels = fig.axes[0].get_legend_handles_labels()[1]
    assert labels[:3] == [
        "DynMM, τ 0.5, hard gates",
        "DynMM, τ 1.0, hard gates",
        "DynMM, τ 1.0, soft gates",
    ]
    assert "Text (E1), τ 0.5, hard gates" in fig.axes[1].get_legend_handles_labels()[1]
    assert fig.get_size_inches()[0] == style.COLUMN_WIDTH


def test_an_annealed_soft_gate_is_hard_in_the_end(tmp_path, draw):
    paths = [
        write_dynamic(tmp_path, "mmimdb", 0, 0.5, f1(0.5), lambda_="0", tau=tau, mode="soft")
        for tau in ("1.0", "1.0..0.001")
    ]
    (axes,) = draw(paths, shares=True).axes
    assert [t.get_text() for t in axes.get_xticklabels()][-2:] == ["0", "0\nsoft"]
    assert axes.get_legend_handles_labels()[1] == ["Text (E1)", "Late fusion (E2)"]


def test_a_task_without_percentages(tmp_path, draw):
    paths = [write_expert(tmp_path, "mosei", "text", 0, {"mae": 0.8})]
    paths += [write_dynamic(tmp_path, "mosei", 0, 0.5, {"mae": 0.7})]
    (axes,) = draw(paths, scores=["mae"]).axes
    assert axes.get_ylabel() == "MAE"
    assert marks(axes)["DynMM"][1] == pytest.approx([0.7])


@pytest.mark.parametrize(
    ("keep", "panels", "words"),
    [
        ("experts", {"shares": True}, "no dynamic model"),
        ("", {}, "without panels"),
        ("", {"scores": ["acc2"]}, r"lacks a number.*metrics\.acc2"),
    ],
)
def test_bad_input_is_named(paths, draw, keep, panels, words):
    with pytest.raises(InputError, match=words):
        draw([path for path in paths if keep in str(path)], **panels)


def test_files_are_the_same_bytes_in_every_process(paths, tmp_path):
    sums = []
    for hash_seed in ("0", "1"):
        out = tmp_path / hash_seed / "mosei_tradeoff.pdf"
        config = '{"scores": ["macro_f1"], "shares": true}'
        subprocess.run(
            [sys.executable, PROGRAM, "--metrics", *paths, "--config", config, "--out", out],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
        files = [out, out.with_suffix(".png")]
        sums.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert sums[0] == sums[1]
