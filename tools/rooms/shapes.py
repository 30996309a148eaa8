"""Simple shapes for classes that the catalogues have few models of."""

import numpy as np
import trimesh

from .catalogue import Material, Shape

MID_GREY = Material(np.full(3, 0.5))
DARK = Material(np.full(3, 0.12))


def make(label, rng):
    """A shape of the class, or None where there is no recipe."""
    recipe = RECIPES.get(label)
    return recipe(label, rng.uniform) if recipe else None


def _blocks(label, where, blocks, elevation=0.0):
    """A shape of axis-aligned blocks: (centre x, bottom y, centre z, w, h, d, Material)."""
    units = [trimesh.creation.box(block[3:6]) for block in blocks]
    lift = [[x, y + h / 2, z] for x, y, z, _, h, _, _ in blocks]
    count = 12 * len(blocks)
    return Shape(
        label,
        where,
        np.vstack([unit.vertices + by for unit, by in zip(units, lift, strict=True)]),
        np.vstack([unit.faces + 8 * i for i, unit in enumerate(units)]),
        np.repeat(np.arange(len(blocks)), 12),
        np.zeros((count, 3, 2)),
        [block[6] for block in blocks],
        elevation,
    )


def _sheet(label, width, height, offset, elevation, columns, rows):
    """An upright sheet; `offset(x, y)` says how far each point stands out from the wall."""
    x, y = np.meshgrid(
        np.linspace(-width / 2, width / 2, columns + 1), np.linspace(0, height, rows + 1)
    )
    vertices = np.stack([x, y, offset(x, y)], -1).reshape(-1, 3)
    vertices[:, 2] -= (vertices[:, 2].min() + vertices[:, 2].max()) / 2
    a = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    b, c, d = a + 1, a + columns + 2, a + columns + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    zero = np.zeros(len(faces), int)
    uv = np.zeros((len(faces), 3, 2))
    return Shape(label, "hung", vertices, faces, zero, uv, [MID_GREY], elevation)


def _framed(label, width, height, edge, elevation):
    inner = (0, edge, 0.01, width - 2 * edge, height - 2 * edge, 0.025, MID_GREY)
    frame = (0, 0, 0, width, height, 0.03, DARK)
    return _blocks(label, "hung", [frame, inner], elevation)


def _picture(label, u):
    return _framed(label, u(0.8, 1.5), u(0.7, 1.1), 0.05, u(0.9, 1.3))


def _whiteboard(label, u):
    return _framed(label, u(1.7, 2.6), u(1.0, 1.4), 0.02, u(0.7, 0.9))


def _television(label, u):
    width = u(1.2, 1.8)
    return _framed(label, width, 0.58 * width, 0.03, u(0.7, 1.1))


def _curtain(label, u):
    width, waves, deep = u(0.9, 1.8), u(5, 10), u(0.04, 0.07)
    return _sheet(
        label, width, 2.15, lambda x, y: deep * np.sin(x / width * waves * 6.28), 0.06, 48, 2
    )


def _blinds(label, u):
    width, height = u(1.3, 2.0), u(1.2, 1.6)
    return _sheet(label, width, height, lambda x, y: 0.03 * (y / 0.11 % 1), u(0.5, 0.8), 2, 48)


def _counter(label, u):
    width, height, deep = u(1.4, 2.6), u(0.85, 0.95), u(0.55, 0.7)
    return _blocks(
        label,
        "wall",
        [
            (0, 0, 0, width, height - 0.05, deep - 0.05, MID_GREY),
            (0, height - 0.05, 0, width, 0.05, deep, Material(np.full(3, 0.7))),
        ],
    )


def _box(label, u):
    side = u(0.4, 0.75)
    return _blocks(label, "floor", [(0, 0, 0, side, u(0.35, 0.7), side * u(0.7, 1.2), MID_GREY)])


def _floor_mat(label, u):
    return _blocks(label, "mat", [(0, 0, 0, u(1.2, 2.6), 0.015, u(0.9, 1.8), MID_GREY)])


def _pillow(label, u):
    ball = trimesh.creation.icosphere(subdivisions=3)
    corner = np.sign(ball.vertices) * np.abs(ball.vertices) ** 0.6  # a rounded block
    size = np.array([u(0.5, 0.75), u(0.16, 0.28), u(0.4, 0.55)])
    vertices = corner / np.abs(corner).max(0) * size / 2 + [0, size[1] / 2, 0]
    count = len(ball.faces)
    zero, uv = np.zeros(count, int), np.zeros((count, 3, 2))
    return Shape(label, "top", vertices, np.asarray(ball.faces), zero, uv, [MID_GREY])


RECIPES = {
    "picture": _picture,
    "whiteboard": _whiteboard,
    "television": _television,
    "curtain": _curtain,
    "blinds": _blinds,
    "counter": _counter,
    "box": _box,
    "floor mat": _floor_mat,
    "pillow": _pillow,
}
