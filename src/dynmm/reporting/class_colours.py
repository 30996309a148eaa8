"""The colours of segmentation classes, as the authors' data set gives them."""

import numpy as np


def class_colours(count):
    """Colours of class 0 (void, black) to `count`: the palette of PASCAL VOC's tools.

    ESANet prepares NYU Depth V2 with the same one. The bits of the class number go to red, green
    and blue in turn, the lowest to the highest bit of each colour.

    Returns:
        (count + 1, 3) uint8.
    """
    numbers = np.arange(count + 1)
    colours = np.zeros((count + 1, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            bit = numbers >> (3 * step + channel) & 1
            colours[:, channel] |= (bit << (7 - step)).astype(np.uint8)
    return colours
