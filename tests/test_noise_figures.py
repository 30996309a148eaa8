"""Figures 6 and 7 and the summary of all sweeps: what stands where, from numbers done by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynmm.errors import InputError
from dynmm.reporting import style
from dynmm.reporting.class_colours import class_colours
from dynmm.reporting.frame_figure import frame_figure, read_frames
from dynmm.reporting.noise_areas import relative_areas
from dynmm.reporting.noise_curves import Panel, noise_figure, over_runs, read_sweeps

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
LEVELS = (0.0, 0.5, 1.0)
MIOU = {  # (seed, run) -> at each level
    (0, 0): (0.50, 0.40, 0.30),
    (0, 1): (0.50, 0.44, 0.20),
    (1, 0): (0.60, 0.50, 0.42),
    (1, 1): (0.60, 0.50, 0.42),
}


@pytest.fixture(autouse=True)
def closed():
    yield
    style.plt.close("all")


def sweep(model, setting, factor=1.0, missing=None):
    rows = [
        {
            "model": model,
            "seed": seed,
            "setting": setting,
            "input": "noise",
            "level": level,
            "run": run,
            "miou": factor * value,
            "depth_encoder_madds": 2e9,
        }
        for (seed, run), values in MIOU.items()
        for level, value in zip(LEVELS, values, strict=True)
    ]
    if missing is not None:
        zero = {"input": "zero", "level": None, "run": 0, "miou": missing}
        rows += [{"model": model, "seed": s, "setting": setting, **zero} for s in (0, 1)]
    return pd.DataFrame(rows)


@pytest.fixture
def files(tmp_path):
    paths = []
    for model, factor in (("esanet", 1.0), ("dynmm_b", 1.1)):
        for setting in ("rgb", "depth"):
            paths.append(tmp_path / f"{model}_{setting}.csv")
            sweep(model, setting, factor).to_csv(paths[-1], index=False)
    return paths


def test_the_deviation_is_that_of_runs_and_not_of_seeds():
    summary = over_runs(sweep("esanet", "rgb"), "miou").set_index("level")
    assert summary["mean"].to_dict() == pytest.approx({0.0: 0.55, 0.5: 0.46, 1.0: 0.335})
    # seed 0 has variances 0.0008 and 0.005, seed 1 none
    expected = {0.0: 0.0, 0.5: 0.0004**0.5, 1.0: 0.0025**0.5}
    assert summary["std"].to_dict() == pytest.approx(expected)


def test_the_area_is_relative_to_each_seeds_clean_score():
    frame = pd.concat([sweep("esanet", "rgb"), sweep("dynmm", "rgb", 2.0, missing=0.3)])
    table = relative_areas(frame, "nyuv2", "miou").set_index("model")
    # trapezoids: (0.50 + 2 * 0.40 + 0.30) / 4 / 0.50 = 0.80, and 0.79; (0.60 + 1.0 + 0.42) / 2.4
    assert table.loc["esanet", "relative_area"] == pytest.approx((0.80 + 0.79 + 2 * 2.02 / 2.4) / 4)
    deviation = (np.var([0.80, 0.79], ddof=1) / 2) ** 0.5
    assert table.loc["esanet", "relative_area_std"] == pytest.approx(deviation)
    assert table.loc["dynmm", "relative_area"] == pytest.approx(table["relative_area"]["esanet"])
    assert table.loc["dynmm", "clean"] == pytest.approx(1.1)
    assert table.loc["dynmm", "missing"] == 0.3 and np.isnan(table.loc["esanet", "missing"])
    # 0.30, 0.20, 0.42, 0.42 at the highest level, over 0.50, 0.50, 0.60, 0.60
    assert table.loc["dynmm", "score_ratio"] == pytest.approx(1.34 / 2.2)
    assert table.loc["esanet", "cost_ratio"] == 1.0
    assert table.loc["esanet", ["runs", "seeds", "highest_level"]].tolist() == [2, 2, 1.0]


def test_an_area_needs_the_clean_score():
    frame = sweep("esanet", "rgb")
    with pytest.raises(InputError, match=r"without level 0.*0\.5, 1"):
        relative_areas(frame[frame["level"] > 0], "nyuv2", "miou")


def test_curves_stand_at_their_levels_and_missing_modalities_apart():
    frame = pd.concat([sweep("text", "text", missing=0.2), sweep("dynmm", "text", 1.1)])
    figure = noise_figure(
        frame,
        [Panel("miou", "mIoU (%)", 100), Panel("depth_encoder_madds", "G", 1e-9, limits=(0, None))],
        models={"text": "Text (E1)", "dynmm": "DynMM"},
        settings={"text": "noise on text"},
        notes=["a note"],
    )
    top, bottom = figure.axes
    lines = {c.get_label(): c[0] for c in top.containers}
    assert list(lines["Text (E1)"].get_xdata()) == list(LEVELS)
    assert list(lines["Text (E1)"].get_ydata()) == pytest.approx([55, 46, 33.5])
    assert list(lines["DynMM"].get_ydata()) == pytest.approx([60.5, 50.6, 36.85])
    (mark,) = [line for line in top.lines if len(line.get_xdata()) == 1]
    assert mark.get_xdata()[0] > 1.0 and mark.get_ydata()[0] == pytest.approx(20)
    labels = [tick.get_text() for tick in bottom.get_xticklabels()]
    assert labels == ["0", "0.5", "1", "∅"]
    assert bottom.get_ylim()[0] == 0
    assert list(bottom.containers[0][0].get_ydata()) == pytest.approx([2, 2, 2])


def test_a_model_without_a_sweep_is_named():
    with pytest.raises(InputError, match=r"model.*found: dynmm_a"):
        noise_figure(
            sweep("esanet", "rgb"),
            [Panel("miou", "mIoU", 1)],
            models={"esanet": "ESANet", "dynmm_a": "DynMM-a"},
            settings={"rgb": "RGB"},
            notes=[],
        )


@pytest.mark.parametrize("content", ["", "model,seed\nx,1\n", None])
def test_a_bad_sweep_is_named(tmp_path, content):
    path = tmp_path / "sweep.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"sweep\.csv"):
        read_sweeps([path])


def test_colours_are_those_of_the_voc_palette():
    colours = class_colours(40).tolist()
    assert colours[:5] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert colours[8] == [64, 0, 0] and colours[20] == [0, 64, 128]
    assert len({tuple(colour) for colour in colours}) == 41


def arrays():
    rng = np.random.default_rng(0)
    label = np.array([[[0, 1, 1, 1], [5, 5, 1, 1], [5, 5, 1, 1]]] * 2, np.uint8)
    prediction = np.ones((2, 3, 2, 3, 4), np.uint8)
    prediction[1, 2, 1, 0, 0] = 7
    return {
        "frame": np.array([12, 40]),
        "row": np.array(["clean", "rgb", "depth"]),
        "rgb": rng.integers(0, 256, (2, 3, 6, 8, 3)).astype(np.uint8),
        "depth": rng.standard_normal((2, 3, 6, 8)).astype(np.float32),
        "label": label,
        "prediction": prediction,
        "accuracy": rng.uniform(size=(2, 3, 2)),
        "path": np.array([[4, 4, 0], [2, 2, 1]]),
        "class_name": np.array([f"class {number}" for number in range(1, 41)]),
        "level": np.array(0.8),
    }


def test_figure_7_has_a_row_a_frame_and_noise_with_its_path():
    figure = frame_figure(arrays(), names=["ESANet", "DynMM-b"], notes=["a note"])
    grid = np.array(figure.axes).reshape(6, 5)
    assert [axes.get_title() for axes in grid[0]] == ["RGB", "depth", "truth", "ESANet", "DynMM-b"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == [
        *("clean\nframe 12", "noisy\nRGB", "noisy\ndepth"),
        *("clean\nframe 40", "noisy\nRGB", "noisy\ndepth"),
    ]
    paths = [axes.texts[-1].get_text() for axes in grid[:, 4]]
    assert paths == ["4 cells", "4 cells", "0 cells", "2 cells", "2 cells", "1 cell"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("no label", "class 1", "class 5", "class 7"),
    ]
    assert grid[5, 4].images[0].get_array()[0, 0].tolist() == class_colours(40)[7].tolist()
    below = legend.get_window_extent(figure.canvas.get_renderer()).y1
    assert below <= grid[5, 0].get_window_extent().y0 + 1


def test_predicted_frames_without_an_array_are_named(tmp_path):
    path = tmp_path / "frames.npz"
    np.savez(path, **{name: array for name, array in arrays().items() if name != "path"})
    with pytest.raises(InputError, match=r"frames\.npz.*key: path"):
        read_frames(path)


def run(program, *options, config):
    command = [sys.executable, SCRIPTS / f"{program}.py", *options, "--config", json.dumps(config)]
    source = str(SCRIPTS.parents[1] / "src")
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": source})


def test_figure_6_comes_with_all_rows(files, tmp_path):
    config = {
        "preset": "try",
        "content": "toy",
        "models": ["esanet", "dynmm_b"],
        "settings": ["rgb", "depth"],
        "per": "batch",
    }
    csv = tmp_path / "figure6.csv"
    options = ["--csv", csv, "--out", tmp_path / "figure6.pdf"]
    run("plot_figure6", "--sweeps", *files, *options, config=config)
    frame = pd.read_csv(csv)
    assert len(frame) == 4 * 12 and set(frame["preset"]) == {"try"}
    assert not frame.duplicated(["model", "seed", "setting", "level", "run"]).any()
    assert (tmp_path / "figure6.png").stat().st_size > 10_000


def test_figure_7_is_drawn_from_its_file_alone(tmp_path):
    np.savez(tmp_path / "frames.npz", **arrays())
    config = {"preset": "try", "content": "toy", "runs": ["esanet", "dynmm_b"]}
    frames = ["--frames", tmp_path / "frames.npz"]
    run("plot_figure7", *frames, "--out", tmp_path / "figure7.pdf", config=config)
    assert (tmp_path / "figure7.png").stat().st_size > 10_000


def test_the_summary_has_a_row_for_each_sweep(files, tmp_path):
    sweeps = {"nyuv2": files}
    for task, settings in (("mmimdb", ["image", "both"]), ("mosei", ["text"])):
        sweeps[task] = [tmp_path / f"{task}.csv"]
        frame = pd.concat([sweep("dynmm", setting, missing=0.1) for setting in settings])
        frame.rename(columns={"miou": "score"}).to_csv(sweeps[task][0], index=False)
    options = [part for task, paths in sweeps.items() for part in (f"--{task}", *paths)]
    config = {"preset": "try", "scores": {"nyuv2": "miou", "mmimdb": "score", "mosei": "score"}}
    run("tabulate_robustness", *options, "--out", tmp_path / "robustness.csv", config=config)
    table = pd.read_csv(tmp_path / "robustness.csv")
    assert table["task"].value_counts().to_dict() == {"nyuv2": 4, "mmimdb": 2, "mosei": 1}
    assert table["relative_area"].between(0.8, 0.85).all()
