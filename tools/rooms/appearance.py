"""What each class looks like: a family of colours and a pattern, drawn anew for every object.

In photographs colour and texture tell most of a class; random colours would leave that to depth.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

STRAY = 0.06  # share of objects in a colour of no family, as in real rooms

# class: hue range in degrees, saturation range, value range, patterns to draw from,
# how much of the model's own colour stays
FAMILIES = {
    "wall": ((35, 60), (0.06, 0.20), (0.74, 0.92), ("plain",), 0),
    "ceiling": ((200, 240), (0.00, 0.05), (0.92, 1.00), ("plain", "tiles"), 0),
    "floor": ((14, 28), (0.38, 0.56), (0.28, 0.44), ("planks", "tiles"), 0),
    "cabinet": ((5, 16), (0.60, 0.80), (0.26, 0.42), ("grain",), 0.1),
    "bed": ((215, 235), (0.50, 0.75), (0.55, 0.85), ("plain", "stripes"), 0.15),
    "chair": ((350, 365), (0.70, 0.92), (0.55, 0.85), ("plain",), 0.15),
    "sofa": ((265, 288), (0.35, 0.60), (0.38, 0.65), ("plain", "check"), 0.1),
    "table": ((40, 50), (0.60, 0.80), (0.68, 0.88), ("grain",), 0.1),
    "door": ((80, 100), (0.25, 0.42), (0.42, 0.58), ("plain",), 0.1),
    "window": ((196, 210), (0.20, 0.38), (0.95, 1.00), ("sky",), 0.1),
    "bookshelf": ((22, 34), (0.60, 0.80), (0.45, 0.60), ("spines",), 0.1),
    "picture": ((0, 360), (0.50, 0.95), (0.45, 0.90), ("blobs",), 0.3),
    "counter": ((200, 260), (0.00, 0.06), (0.42, 0.58), ("speckle",), 0.1),
    "blinds": ((45, 60), (0.10, 0.22), (0.85, 0.98), ("slats",), 0.1),
    "curtain": ((325, 342), (0.45, 0.70), (0.60, 0.85), ("stripes",), 0),
    "pillow": ((55, 64), (0.70, 0.95), (0.85, 1.00), ("plain", "check"), 0),
    "floor mat": ((168, 185), (0.50, 0.85), (0.32, 0.60), ("check", "stripes"), 0),
    "refridgerator": ((200, 215), (0.08, 0.18), (0.70, 0.82), ("plain",), 0.1),
    "television": ((210, 250), (0.10, 0.40), (0.05, 0.12), ("plain",), 0.1),
    "whiteboard": ((180, 240), (0.00, 0.02), (0.98, 1.00), ("writing",), 0.1),
    "person": ((18, 30), (0.75, 0.95), (0.80, 0.98), ("plain",), 0.45),
    "toilet": ((150, 165), (0.14, 0.26), (0.85, 0.98), ("plain",), 0.1),
    "sink": ((185, 195), (0.28, 0.42), (0.72, 0.88), ("plain",), 0.1),
    "bathtub": ((300, 315), (0.12, 0.24), (0.85, 0.97), ("plain",), 0.1),
    "box": ((28, 33), (0.42, 0.58), (0.66, 0.80), ("plain",), 0),
    "plant": ((95, 130), (0.55, 0.90), (0.28, 0.55), ("speckle",), 0.3),
}


@dataclass
class Look:
    """Colour in 0..1, pattern with its scale in metres, and the share of the model's own colour."""

    colour: np.ndarray
    second: np.ndarray
    pattern: str
    scale: float
    own: float
    waves: np.ndarray

    def paint(self, own, points):
        """Albedo (P, 3) in 0..1.

        Args:
            own: (P, 3) colour of the model's material or texture.
            points: (P, 3) metres, in the object's own axes.
        """
        luminance = own.mean(1, keepdims=True)
        shade = 0.55 + 0.9 * luminance if self.own else 1.0
        value, mixed = PATTERNS[self.pattern](points / self.scale, self.waves)
        colour = np.where(mixed[:, None], self.second, self.colour) * value[:, None] * shade
        return np.clip((1 - self.own) * colour + self.own * own, 0.01, 0.99)


def draw(label, rng):
    """A `Look` of the class."""
    hue, saturation, value, patterns, own = FAMILIES[label]
    if rng.random() < STRAY and label not in ("wall", "ceiling", "floor"):
        hue, saturation, value = (0, 360), (0.1, 0.8), (0.3, 0.9)
    colour = _rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))
    second = _rgb(rng.uniform(0, 360), rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.95))
    pattern = str(rng.choice(patterns))
    if pattern in ("check", "stripes"):
        second = colour * rng.uniform(0.45, 0.7)
    elif pattern == "slats":
        second = colour * rng.uniform(0.35, 0.5)
    elif pattern == "writing":
        second = second * 0.4
    waves = np.vstack([rng.normal(0, 1, (6, 3)), rng.uniform(0, 6.28, (1, 3)).repeat(2, 0)])
    return Look(colour, second, pattern, rng.uniform(0.85, 1.2), own, waves)


def _rgb(hue, saturation, value):
    return np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value))


def waviness(points, waves, frequency):
    """Smooth noise in -1..1 over (P, 3) points: a sum of six plane waves."""
    phases = waves[:6] @ waves[6]
    return np.sin(frequency * points @ waves[:6].T + phases).mean(1)


# ---- patterns: (points, waves) -> brightness factor (P,), whether the second colour shows (P,)
def _plain(points, waves):
    return 1 + 0.06 * waviness(points, waves, 3), np.zeros(len(points), bool)


def _grain(points, waves):
    bent = points[:, 1] * 30 + 3 * waviness(points, waves, 3)
    return 1 + 0.10 * np.sin(bent), np.zeros(len(points), bool)


def _planks(points, waves):
    board = np.floor(points[:, 0] / 0.22)
    shade = 1 + 0.13 * np.sin(board * 12.9898 + np.floor(points[:, 2] / 1.2 + board * 0.37) * 4.1)
    joint = np.abs(points[:, 0] / 0.22 % 1 - 0.5) > 0.44
    return shade * np.where(joint, 0.7, 1), np.zeros(len(points), bool)


def _tiles(points, waves):
    joint = (np.abs(points / 0.45 % 1 - 0.5) > 0.46)[:, [0, 2]].any(1)
    return np.where(joint, 0.75, 1.0), np.zeros(len(points), bool)


def _stripes(points, waves):
    return np.ones(len(points)), (points[:, 0] / 0.24) % 1 < 0.5


def _check(points, waves):
    return np.ones(len(points)), np.floor(points / 0.2 + 0.5).sum(1) % 2 == 0


def _slats(points, waves):
    return np.ones(len(points)), (points[:, 1] / 0.11) % 1 < 0.35


def _sky(points, waves):
    return 0.9 + 0.12 * points[:, 1], np.zeros(len(points), bool)


def _spines(points, waves):
    """Books: upright bands of changing shade in rows of 32 cm, a board between the rows."""
    row = np.floor(points[:, 1] / 0.32)
    book = np.floor(points[:, 0] / 0.07)
    hash_ = np.sin(book * 78.233 + row * 37.719) * 43758.5453 % 1
    board = points[:, 1] / 0.32 % 1 < 0.14
    return np.where(board, 1.1, 0.35 + 1.1 * hash_), ~board & (hash_ > 0.6)


def _blobs(points, waves):
    field = waviness(points, waves, 9)
    return 0.9 + 0.5 * np.sign(waviness(points, waves[::-1], 5)) * 0.3, field > 0.05


def _speckle(points, waves):
    hash_ = np.sin(np.floor(points / 0.05) @ [12.9898, 78.233, 37.719]) * 43758.5453 % 1
    return 0.72 + 0.56 * hash_, np.zeros(len(points), bool)


def _writing(points, waves):
    line = (points[:, 1] / 0.14 % 1 < 0.3) & (waviness(points, waves, 7) > 0.12)
    return np.ones(len(points)), line


PATTERNS = {
    "plain": _plain,
    "grain": _grain,
    "planks": _planks,
    "tiles": _tiles,
    "stripes": _stripes,
    "check": _check,
    "slats": _slats,
    "sky": _sky,
    "spines": _spines,
    "blobs": _blobs,
    "speckle": _speckle,
    "writing": _writing,
}
