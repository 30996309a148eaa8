"""Pinhole cameras that look into a room from near its walls."""

from dataclasses import dataclass

import numpy as np

TRIES = 12


@dataclass
class Camera:
    """`axes` has the rows right, down, forward; `view` is the horizontal angle in radians."""

    eye: np.ndarray
    axes: np.ndarray
    view: float

    def rays(self, height, width):
        """Directions (H*W, 3), row by row, of length 1 along the optical axis."""
        focal = width / 2 / np.tan(self.view / 2)
        u, v = np.meshgrid(
            (np.arange(width) + 0.5 - width / 2) / focal,
            (np.arange(height) + 0.5 - height / 2) / focal,
        )
        return np.stack([u, v, np.ones_like(u)], -1).reshape(-1, 3) @ self.axes


def choose(room, scene, rng):
    """Of a dozen random cameras the one that sees most classes from a sensible distance."""
    best, best_score = None, -np.inf
    while best is None:
        for _ in range(TRIES):
            camera = _random(room, rng)
            if any(
                ((camera.eye > thing.low - 0.15) & (camera.eye < thing.high + 0.15)).all()
                for thing in room.things
                if thing.shape.where != "mat"
            ):
                continue  # inside a piece of furniture
            score = _score(scene, camera)
            if score > best_score:
                best, best_score = camera, score
    return best


def _score(scene, camera):
    rays = camera.rays(24, 32)
    hit = scene.first_hit(np.tile(camera.eye, (len(rays), 1)), rays)
    objects = scene.object[np.maximum(hit["primID"], 0)]
    counts = np.bincount(objects, minlength=len(scene.surfaces)) / len(rays)
    seen = {scene.labels[i] for i in np.flatnonzero(counts > 0.015)}
    near = (hit["tfar"] < 0.6).mean()
    return len(seen) - 12 * near - 6 * (counts.max() > 0.55) - 5 * counts[0]


def _random(room, rng):
    width, height, deep = room.size
    eye = np.array(
        [
            rng.uniform(0.3, width - 0.3),
            rng.uniform(1.1, min(1.75, height - 0.4)),
            rng.uniform(0.3, deep - 0.3),
        ]
    )
    axis = rng.choice([0, 2])
    eye[axis] = rng.choice([0.2, room.size[axis] - 0.2])
    target = room.size * rng.uniform([0.25, 0, 0.25], [0.75, 0, 0.75])
    target[1] = rng.uniform(0.4, 1.6)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = rng.normal(0, np.radians(1.5))
    c, s = np.cos(roll), np.sin(roll)
    axes = np.stack([c * right + s * down, c * down - s * right, forward])
    return Camera(eye, axes, np.radians(rng.uniform(57, 66)))
