"""Weights of the classes in the segmentation loss, from pixel counts (ESANet, `src/datasets`)."""

from dataclasses import dataclass, field

import numpy as np

from dynmm.errors import InputError

RULES = ("median_frequency", "logarithmic", "linear")


@dataclass
class ClassCounts:
    """Pixel counts over label images, `classes` counted without void (label 0).

    Attributes:
        pixels: (classes + 1,) int64, pixels of each class, void first.
        pixels_of_images: (classes + 1,) int64, all pixels (void too) of the images that contain
            the class.
    """

    classes: int
    pixels: np.ndarray = field(init=False)
    pixels_of_images: np.ndarray = field(init=False)

    def __post_init__(self):
        self.pixels = np.zeros(self.classes + 1, np.int64)
        self.pixels_of_images = np.zeros(self.classes + 1, np.int64)

    def add(self, label):
        """Count one label image, (H, W) of integers in 0..classes."""
        found = np.bincount(label.ravel(), minlength=self.classes + 1)
        self.pixels += found
        self.pixels_of_images += np.where(found > 0, label.size, 0)

    @property
    def absent(self):
        """Numbers (1-based) of the classes without any pixel."""
        return [int(number) for number in np.flatnonzero(self.pixels[1:] == 0) + 1]


def class_weights(counts, rule="median_frequency", strict=False):
    """Weight of each class, void left out.

    median_frequency: frequency_c = pixels of c / pixels of the images that contain c, and
    weight_c = median(frequency) / frequency_c, the median over the classes present.
    logarithmic: 1 / ln(1.02 + p_c) with p_c the share of c among the labeled pixels.
    linear: pixels of c.

    Args:
        counts: ClassCounts of the training labels.
        rule: one of RULES.
        strict: refuse an absent class, as the authors' code does. Otherwise its weight is 0: no
            training pixel asks for it, and the others keep finite weights.

    Returns:
        (classes,) float64.

    Raises:
        InputError: unknown rule, no labeled pixel, or (strict) an absent class.
    """
    if rule not in RULES:
        raise InputError("unknown rule for class weights", found=rule, expected=" or ".join(RULES))
    pixels = counts.pixels[1:].astype(np.float64)
    present = pixels > 0
    if not present.any() or (strict and not present.all()):
        raise InputError(
            "classes without a pixel in the training labels",
            key="labels",
            found=f"no pixel of {counts.absent}",
            expected="a pixel of every class" if strict else "a pixel of some class",
        )
    weights = np.zeros(counts.classes)
    if rule == "median_frequency":
        frequency = pixels[present] / counts.pixels_of_images[1:][present]
        weights[present] = np.median(frequency) / frequency
    elif rule == "logarithmic":
        weights[present] = 1 / np.log(1.02 + pixels[present] / pixels.sum())
    else:
        weights[present] = pixels[present]
    return weights
