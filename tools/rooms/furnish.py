"""Rooms: a box with furniture in it, nothing overlapping."""

from dataclasses import dataclass, replace

import numpy as np

from . import appearance, shapes

# kind of room: floor area in square metres, and (class, fewest, most) in order of placing
PROGRAMMES = {
    "bedroom": ((9, 16), (
        ("door", 0, 1), ("window", 0, 1), ("bed", 1, 2), ("cabinet", 1, 1), ("bookshelf", 0, 1),
        ("curtain", 1, 2), ("blinds", 0, 1), ("floor mat", 0, 1), ("chair", 0, 1),
        ("television", 0, 1), ("pillow", 1, 3), ("picture", 1, 2), ("box", 0, 1),
        ("plant", 0, 1), ("person", 0, 1))),
    "living room": ((11, 20), (
        ("door", 0, 1), ("window", 0, 1), ("sofa", 1, 2), ("bookshelf", 0, 1), ("cabinet", 0, 1),
        ("television", 1, 1), ("curtain", 1, 2), ("table", 1, 1), ("floor mat", 0, 1),
        ("chair", 0, 2), ("pillow", 1, 3), ("picture", 1, 2), ("plant", 0, 2), ("person", 0, 1),
        ("box", 0, 1))),
    "office": ((10, 18), (
        ("door", 0, 1), ("window", 0, 1), ("whiteboard", 1, 2), ("bookshelf", 1, 2),
        ("blinds", 1, 1), ("cabinet", 0, 1), ("table", 1, 2), ("chair", 2, 4), ("person", 0, 1),
        ("box", 1, 2), ("plant", 0, 1), ("picture", 0, 1))),
    "kitchen": ((8, 14), (
        ("door", 0, 1), ("window", 0, 1), ("counter", 1, 2), ("refridgerator", 1, 2),
        ("cabinet", 1, 2), ("sink", 0, 1), ("table", 1, 1), ("chair", 1, 3), ("blinds", 0, 1),
        ("person", 0, 1), ("picture", 0, 1), ("floor mat", 0, 1), ("box", 0, 1))),
    "bathroom": ((6, 9), (
        ("door", 0, 1), ("window", 0, 1), ("toilet", 1, 2), ("bathtub", 1, 1), ("sink", 1, 2),
        ("cabinet", 0, 1), ("curtain", 0, 1), ("floor mat", 1, 1), ("plant", 0, 1),
        ("person", 0, 1))),
}  # fmt: skip
SHARES = {"bedroom": 0.22, "living room": 0.22, "office": 0.18, "kitchen": 0.2, "bathroom": 0.18}
TRIES = 30
MODEL_TRIES = 20


@dataclass
class Placed:
    """A shape in the room: vertices and bounding box in room axes, and its look."""

    shape: object
    vertices: np.ndarray
    low: np.ndarray
    high: np.ndarray
    look: appearance.Look
    model: object


class Room:
    """A box of width x height x depth metres (`size`) with `things` in it."""

    def __init__(self, kind, rng):
        self.kind, self.rng, self.things = kind, rng, []
        area, ratio = rng.uniform(*PROGRAMMES[kind][0]), rng.uniform(0.75, 1.35)
        self.size = np.array([np.sqrt(area * ratio), rng.uniform(2.3, 2.8), np.sqrt(area / ratio)])

    def put(self, shape, model, x, y, z, turn):
        """Add the shape turned about the vertical; False where it does not fit."""
        c, s = np.cos(turn), np.sin(turn)
        vertices = shape.vertices @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + [x, y, z]
        low, high = vertices.min(0), vertices.max(0)
        if (low < -0.02).any() or (high > self.size + 0.02).any():
            return False
        if any(
            ((low + 0.02 < thing.high) & (high - 0.02 > thing.low)).all() for thing in self.things
        ):
            return False
        look = appearance.draw(shape.label, self.rng)
        self.things.append(Placed(shape, vertices, low, high, look, model))
        return True

    def at_wall(self, shape, model):
        """Stand or hang it with its back at a random place of a random wall."""
        width, height, deep = shape.size
        wall, gap = self.rng.integers(4), deep / 2 + 0.01
        along = self.size[2 if wall % 2 else 0]
        if width > along or height > self.size[1]:
            return False
        u = self.rng.uniform(width / 2, along - width / 2)
        w, _, d = self.size
        x, z, turn = [
            (u, gap, 0),
            (gap, u, np.pi / 2),
            (u, d - gap, np.pi),
            (w - gap, u, -np.pi / 2),
        ][wall]
        y = min(shape.elevation, self.size[1] - height - 0.02)
        return self.put(shape, model, x, y, z, turn)

    def on_floor(self, shape, model):
        """Stand it anywhere, turned anyhow."""
        x, z = self.rng.uniform(0.15, 0.85, 2) * self.size[[0, 2]]
        return self.put(shape, model, x, 0.0, z, self.rng.uniform(0, 2 * np.pi))

    def at_table(self, shape, model):
        """Stand it at a side of a table, facing it; anywhere where there is no table."""
        tables = [thing for thing in self.things if thing.shape.label == "table"]
        if not tables or self.rng.random() < 0.3:
            return self.on_floor(shape, model)
        table = tables[self.rng.integers(len(tables))]
        centre, half = (table.low + table.high) / 2, (table.high - table.low) / 2
        turn = self.rng.integers(4) * np.pi / 2
        back = np.array([-np.sin(turn), 0, -np.cos(turn)])
        spot = centre + back * (half + shape.size[2] / 2 + 0.03)
        return self.put(shape, model, spot[0], 0.0, spot[2], turn + self.rng.normal(0, 0.1))

    def on_mat_level(self, shape, model):
        """Lay it on the floor below the furniture."""
        x, z = self.rng.uniform(0.3, 0.7, 2) * self.size[[0, 2]]
        things, self.things = self.things, []
        done = self.put(shape, model, x, 0.0, z, self.rng.normal(0, 0.15))
        self.things = things + self.things
        return done

    def on_top(self, shape, model):
        """Lay it on a bed or a sofa."""
        soft = [thing for thing in self.things if thing.shape.label in ("bed", "sofa")]
        if not soft:
            return False
        support = soft[self.rng.integers(len(soft))]
        x, z = self.rng.uniform(support.low[[0, 2]], support.high[[0, 2]])
        y = surface_height(support, x, z)
        if y is None or not 0.25 < y < 0.8:
            return False
        box, support.high = support.high, np.minimum(support.high, [9, y - 0.03, 9])
        done = self.put(shape, model, x, y - 0.02, z, self.rng.normal(0, 0.5))
        support.high = box  # it was lowered because its own support is no obstacle
        return done

    def add(self, shape, model):
        """Try to place it where its kind belongs."""
        place = {
            "wall": self.at_wall,
            "hung": self.at_wall,
            "seat": self.at_table,
            "mat": self.on_mat_level,
            "top": self.on_top,
        }.get(shape.where, self.on_floor)
        return any(place(shape, model) for _ in range(TRIES))


def furnish(kind, models, rng):
    """A `Room` of the kind; `models` as `catalogue.load` gives them."""
    room = Room(kind, rng)
    for label, fewest, most in PROGRAMMES[kind][1]:
        for _ in range(rng.integers(fewest, most + 1)):
            shape, model = shapes.make(label, rng), None
            if shape is None:
                shape, model = _draw_model(models[label], rng)
            room.add(shape, model)
    return room


def surface_height(thing, x, z):
    """Height of the topmost triangle of the thing above (x, z), or None."""
    corner = thing.vertices[thing.shape.faces]
    (ax, bx, cx), (az, bz, cz) = corner[:, :, 0].T, corner[:, :, 2].T
    area = (bx - ax) * (cz - az) - (cx - ax) * (bz - az)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = ((x - ax) * (cz - az) - (cx - ax) * (z - az)) / area
        w = ((bx - ax) * (z - az) - (x - ax) * (bz - az)) / area
        inside = (np.abs(area) > 1e-9) & (v >= 0) & (w >= 0) & (v + w <= 1)
    a, b, c = corner[inside, :, 1].T
    heights = a + v[inside] * (b - a) + w[inside] * (c - a)
    return float(heights.max()) if len(heights) else None


def _draw_model(models, rng):
    """A readable model of the class, flattened against the wall where it is a door or window."""
    for _ in range(MODEL_TRIES):
        model = models[rng.integers(len(models))]
        shape = model.shape()
        if shape is None:
            continue
        if shape.label in ("door", "window"):
            vertices = shape.vertices * [1, 1, min(1, 0.08 / max(shape.size[2], 0.08))]
            shape = replace(shape, vertices=vertices)
        return shape, model
    raise ValueError(f"no readable model among those of class {models[0].label}")
