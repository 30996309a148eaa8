"""Figures: what they draw, and that their files are the same bytes every time."""

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import colors

from dynmm.errors import InputError
from dynmm.reporting import style
from dynmm.reporting.history import history_figure, over_seeds, read_histories
from dynmm.reporting.style import save_figure, series

PROGRAM = Path(__file__).parents[1] / "workflow" / "scripts" / "plot_history.py"


def write_history(folder, run, seed, scores, losses=None, score_name="miou"):
    path = folder / run / f"seed{seed}" / "history.csv"
    path.parent.mkdir(parents=True)
    epochs = range(1, len(scores) + 1)
    frame = pd.DataFrame({"epoch": epochs, "score": scores, "score_name": score_name})
    frame["total_loss"] = losses or [3.0 / epoch for epoch in epochs]
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def histories(tmp_path):
    return [
        write_history(tmp_path, "esanet", 0, [0.1, 0.2, 0.3]),
        write_history(tmp_path, "esanet", 1, [0.3, 0.4, 0.5]),
        write_history(tmp_path, "dynmm_a", 0, [0.2, 0.3]),
    ]


def read(histories):
    return read_histories(histories, [path.parent.parent.name for path in histories])


def test_mean_and_sample_deviation_over_seeds(histories):
    summary = over_seeds(read(histories), "score")
    assert list(dict.fromkeys(summary["run"])) == ["esanet", "dynmm_a"]
    assert list(summary["mean"]) == pytest.approx([0.2, 0.3, 0.4, 0.2, 0.3])
    assert list(summary["std"]) == pytest.approx([0.02**0.5] * 3 + [0, 0])


def test_the_figure_draws_the_score_in_per_cent(histories):
    fig = history_figure(read(histories), select_on="test", note="rendered rooms")
    loss, score = fig.axes
    assert score.get_ylabel() == "test mIoU (%)"
    assert list(score.lines[0].get_ydata()) == pytest.approx([20, 30, 40])
    assert list(loss.lines[0].get_ydata()) == pytest.approx([3, 1.5, 1])
    assert len(score.collections) == 1, "a band for the run with two seeds alone"
    assert fig.get_size_inches()[0] == style.COLUMN_WIDTH
    style.plt.close(fig)


def test_files_are_the_same_bytes_in_every_process(histories, tmp_path):
    sums = []
    for hash_seed in ("0", "1"):
        out = tmp_path / hash_seed / "history.pdf"
        subprocess.run(
            [sys.executable, PROGRAM, "--histories", *histories, "--out", out],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
        files = [out, out.with_suffix(".png")]
        sums.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert sums[0] == sums[1]


def test_a_failing_figure_leaves_no_file(tmp_path):
    fig, axes = style.figure()
    axes.set_title(r"$\nosuchcommand$", parse_math=True)
    with pytest.raises(ValueError, match="nosuchcommand"):
        save_figure(fig, tmp_path / "a.pdf", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_titles_are_drawn_as_users_give_them(tmp_path):
    fig, axes = style.figure()
    for title in (r"$\nosuchcommand$", "$5 and $6_{", "a_b^c"):
        axes.plot([0, 1], label=title)
    axes.legend()
    save_figure(fig, tmp_path / "a.pdf", tmp_path / "a.png")


def test_series_differ_without_colour():
    looks = [series(index) for index in range(6)]
    assert len({(str(look["linestyle"]), look["marker"]) for look in looks}) == 6
    greys = [lightness(look["color"]) for look in looks]
    for first, second in itertools.pairwise(greys):
        assert abs(first - second) > 0.1, "neighbours differ in lightness"


def lightness(colour):
    """Lightness of a colour by the weights of ITU-R BT.601."""
    return sum(w * c for w, c in zip((0.299, 0.587, 0.114), colors.to_rgb(colour), strict=True))


def test_bad_histories_are_named(tmp_path, histories):
    other = write_history(tmp_path, "mosei", 0, [0.6], score_name="mae")
    with pytest.raises(InputError, match="different kinds"):
        read([*histories, other])
    other.write_text("epoch,score\n1,0.5\n")
    with pytest.raises(InputError, match=r"history\.csv.*total_loss"):
        read([other])
    with pytest.raises(InputError, match="one label per history"):
        read_histories(histories, ["one"])
