"""The builder of the NYU-form sample; what needs the furniture says where to get it."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
FURNITURE = Path(os.environ.get("SWEETHOME3D_FURNITURE", "/usr/share/sweethome3d/furniture"))
KEYS = ("images", "labels", "depths", "rawDepths")


@pytest.fixture
def tool(monkeypatch):
    """Import a module of the builder, or skip where its extra is not installed."""
    monkeypatch.syspath_prepend(ROOT)
    for package in ("trimesh", "embreex", "PIL"):
        pytest.importorskip(package, reason=f"{package}: pip install -e '.[rooms]'")
    return lambda name: importlib.import_module(f"tools.rooms.{name}")


@pytest.fixture
def furniture():
    if not (FURNITURE / "Scopia.sh3f").is_file():
        pytest.skip(
            f"no furniture libraries in {FURNITURE}: install Debian's sweethome3d-furniture, or "
            "unpack it and name its usr/share/sweethome3d/furniture in SWEETHOME3D_FURNITURE"
        )
    return FURNITURE


def run_builder(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.rooms.build", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def read(folder):
    with h5py.File(folder / "nyu_depth_v2_labeled.mat") as file:
        return {key: file[key][:] for key in KEYS}


@pytest.mark.slow
def test_same_seed_gives_the_same_arrays_and_another_seed_others(tool, furniture, tmp_path):
    for name, seed in (("first", 5), ("second", 5), ("other", 6)):
        done = run_builder(
            furniture, tmp_path / name, "--rooms", 1, 1, "--seed", seed,
            "--unpacked", tmp_path / "unpacked", "--sheet", tmp_path / "sheet.png",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    first, second, other = (read(tmp_path / name) for name in ("first", "second", "other"))
    for key in KEYS:
        assert first[key].tobytes() == second[key].tobytes(), key
    assert not np.array_equal(first["images"], other["images"])
    assert (tmp_path / "sheet.png").stat().st_size > 0


def test_without_furniture_the_command_says_which_package_holds_it(tool, tmp_path):
    done = run_builder(tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert "sweethome3d-furniture" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_class_of_a_room_has_a_look_and_a_number(tool):
    furnish, looks = tool("furnish"), tool("appearance").FAMILIES
    placed = {label for _, things in furnish.PROGRAMMES.values() for label, _, _ in things}
    placed |= {"wall", "floor", "ceiling"}
    assert placed == set(looks) == set(tool("raw_files").FINE_ID)
    assert sum(furnish.SHARES.values()) == pytest.approx(1)


def test_a_thing_is_not_put_where_another_stands(tool):
    furnish, shapes = tool("furnish"), tool("shapes")
    rng = np.random.default_rng(0)
    room = furnish.Room("office", rng)
    box = shapes.make("box", rng)
    assert room.put(box, None, 1.5, 0, 1.5, 0)
    assert not room.put(box, None, 1.6, 0, 1.5, 0)
    assert not room.put(box, None, 0, 0, 1.5, 0)  # half outside


def test_exact_depth_and_labels_of_a_box_before_a_wall(tool):
    furnish, render, shapes = tool("furnish"), tool("render"), tool("shapes")
    rng = np.random.default_rng(0)
    room = furnish.Room("office", rng)
    room.size = np.array([4.0, 2.5, 4.0])
    box = shapes.make("box", rng)
    assert room.put(box, None, 2.0, 0.0, 1.0, 0)
    scene = render.Scene(room, rng)
    middle = np.array([[2.0, box.size[1] / 2, 3.5], [0.5, 1.0, 3.5]])
    hit = scene.first_hit(middle, np.array([[0, 0, -1.0], [0, 0, -1.0]]))
    assert [scene.labels[i] for i in scene.object[hit["primID"]]] == ["box", "wall"]
    assert hit["tfar"] == pytest.approx([2.5 - box.size[2] / 2, 3.5], abs=1e-4)


def test_filling_takes_the_nearest_reading_and_leaves_readings_alone(tool):
    fill = tool("depth_camera").fill
    raw = np.full((96, 128), 2.0, "f4")
    raw[:, 64:] = 4.0
    raw[40:44, 100:104] = 0
    filled = fill(raw)
    assert np.array_equal(filled[raw > 0], raw[raw > 0])
    assert filled[40:44, 100:104] == pytest.approx(4.0, abs=0.05)
    with pytest.raises(ValueError, match="without any reading"):
        fill(np.zeros((96, 128), "f4"))
