"""A picture of some frames, to judge a build by eye."""

import colorsys

import numpy as np
from PIL import Image

from .raw_files import COARSE, coarse_of, fine_names


def write(path, arrays, lights, columns=3, rows=10):
    """PNG of frames spread over the build: RGB, depths, rawDepths, labels, side by side."""
    golden = [0.0] + [0.618034 * k % 1 for k in range(len(COARSE))]
    palette = [colorsys.hsv_to_rgb(hue, 0.5 + 0.5 * (k % 2), 0.95 - 0.2 * (k % 3))
               for k, hue in enumerate(golden)]  # fmt: skip
    palette = (255 * np.array(palette)).astype("u1")
    palette[0] = 0
    coarse = np.array([0] + [coarse_of(name) for name in fine_names()])
    strips = []
    for i in np.linspace(0, len(lights) - 1, min(columns * rows, len(lights))).astype(int):
        grey = [
            np.clip(arrays[key][i] * 42, 0, 255).astype("u1") for key in ("depths", "rawDepths")
        ]
        cells = [arrays["images"][i], *(np.repeat(g[:, :, None], 3, 2) for g in grey)]
        strips.append(np.hstack([*cells, palette[coarse[arrays["labels"][i]]]]))
    blank = np.zeros_like(strips[0])
    strips += [blank] * (-len(strips) % columns)
    stacked = [np.hstack(strips[k : k + columns]) for k in range(0, len(strips), columns)]
    Image.fromarray(np.vstack(stacked)).save(path)
