"""Colour jitter in HSV, as in ESANet's `RandomHSV`, through OpenCV's float conversion.

The formulas are those of matplotlib's `rgb_to_hsv` and `hsv_to_rgb`, which ESANet calls; OpenCV
computes them without temporary masks, tens of times as fast and equal within rounding.
"""

import cv2
import numpy as np

FULL_TURN = np.float32(360)  # OpenCV's hue is in degrees
MAX_VALUE = np.float32(255)
FACTOR = (0.9, 1.1)
SHIFT = 25.0
VERSIONS = ("authors", "corrected")


def jitter_hsv(image, hue, saturation, value, version):
    """Scale hue and saturation (capped, not wrapped) and change the value of an image.

    authors: the value is shifted by `value` within 0..255 and the result is not rounded (ESANet
    until December 2025, so the paper's runs). corrected: the value is multiplied by `value` and
    the result truncated to whole numbers (ESANet since).

    Args:
        image: (H, W, 3) uint8, RGB.
        hue, saturation: factors; scaled hue ends at the full turn, saturation at 1.
        value: a shift in -255..255 (authors) or a factor (corrected).
        version: one of VERSIONS.

    Returns:
        (H, W, 3) in 0..255, float32 (authors) or uint8 (corrected).
    """
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    planes = cv2.split(hsv)
    # OpenCV keeps the value in the image's own range, here 0..255
    np.minimum(planes[0] * np.float32(hue), FULL_TURN, out=planes[0])
    np.minimum(planes[1] * np.float32(saturation), np.float32(1), out=planes[1])
    if version == "authors":
        np.clip(planes[2] + np.float32(value), 0, MAX_VALUE, out=planes[2])
        return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB)
    np.minimum(planes[2] * np.float32(value), MAX_VALUE, out=planes[2])
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB).astype(np.uint8)


def random_hsv(image, rng, version):
    """`jitter_hsv` with factors in 0.9..1.1 (and a shift in -25..25 for `authors`).

    Args:
        image: (H, W, 3) uint8, RGB.
        rng: has `uniform` as numpy's RandomState; drawn from in the authors' order.
        version: one of VERSIONS.
    """
    hue, saturation = rng.uniform(*FACTOR), rng.uniform(*FACTOR)
    value = rng.uniform(-SHIFT, SHIFT) if version == "authors" else rng.uniform(*FACTOR)
    return jitter_hsv(image, hue, saturation, value, version)
