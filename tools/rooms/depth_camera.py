"""A Kinect's view of the exact depth: quantised disparity, and holes where it sees nothing."""

import numpy as np
from scipy import ndimage

BASELINE = 0.075  # metres between the projector and the infrared camera of a Kinect
FOCAL = 580.0  # pixels of its 640x480 picture
NEAR, FAR = 0.5, 9.0
GLASSY = ("window", "television")


def raw_depth(scene, camera, view, sunny, rng):
    """Depth (H, W) float32 in metres, 0 where a Kinect has no reading.

    `sunny`: infrared light from outside drowns the pattern on a large part of the frame.
    """
    depth, shape = view.depth, view.depth.shape
    unit = shape[1] / 160
    smooth = _smooth(shape, 1.5 * unit, rng)
    disparity = FOCAL * BASELINE / np.maximum(depth, 0.05) + 0.02 * smooth
    raw = FOCAL * BASELINE / np.maximum(np.round(8 * disparity) / 8, 0.5)  # steps of 1/8 pixel

    points = view.points.reshape(-1, 3)
    projector = np.broadcast_to(camera.eye + BASELINE * camera.axes[0], points.shape)
    hole = scene.blocked(points, projector).reshape(shape)
    hole |= (depth < NEAR) | (depth > FAR)
    hole |= view.cosine < rng.uniform(0.06, 0.14) * (1 + 0.5 * smooth)  # grazing rays
    step = ndimage.maximum_filter(depth, 3) - ndimage.minimum_filter(depth, 3)
    hole |= (step > 0.12 * depth) & (rng.random(shape) < 0.4)
    glass = np.isin(np.array(scene.labels)[view.object], GLASSY)
    hole |= glass & _blobs(shape, 0.45, 3 * unit, rng)
    hole |= (view.albedo < 0.12) & _blobs(shape, 0.35, 2 * unit, rng)  # dark surfaces
    if sunny:
        hole |= _blobs(shape, rng.uniform(0.35, 0.6), 4 * unit, rng)
    edge = round(rng.uniform(1, 3) * unit)
    framed = np.ones(shape, bool)
    framed[edge:-edge, edge:-edge] = False
    hole = ndimage.median_filter(hole.astype("u1"), 3).astype(bool) | framed
    return np.where(hole, 0, np.round(128 * raw) / 128).astype("f4")  # 8 mm: stores well


def fill(raw):
    """`depths`: each hole takes the nearest reading, smoothed inside the holes."""
    hole = raw == 0
    if hole.all():
        raise ValueError("a depth frame without any reading cannot be filled")
    rows, columns = ndimage.distance_transform_edt(
        hole, return_distances=False, return_indices=True
    )
    smooth = ndimage.gaussian_filter(raw[rows, columns], 1.5 * raw.shape[1] / 160)
    return np.where(hole, np.round(20 * smooth) / 20, raw).astype("f4")


def _smooth(shape, sigma, rng):
    field = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return field / field.std()


def _blobs(shape, share, sigma, rng):
    """A mask (H, W) of smooth random patches that covers about `share` of the frame."""
    field = _smooth(shape, sigma, rng)
    return field < np.quantile(field, share)
