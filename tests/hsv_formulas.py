"""The HSV jitter as the authors' code computes it, by plain numpy: slow, for comparison.

The conversions are written from the definition of HSV in the way of matplotlib's `rgb_to_hsv` and
`hsv_to_rgb` (float32, one boolean mask a case), which the authors call.
"""

import numpy as np


def jitter_by_formulas(image, hue, saturation, value, version):
    """As `dynmm.data.nyuv2.hsv.jitter_hsv`."""
    shifted = version == "authors"
    hsv = to_hsv(image.astype(np.float32) if shifted else image.astype(np.float32) / 255)
    h = np.clip(hsv[..., 0] * hue, 0, 1)
    s = np.clip(hsv[..., 1] * saturation, 0, 1)
    v = np.clip(hsv[..., 2] + value, 0, 255) if shifted else np.clip(hsv[..., 2] * value, 0, 1)
    rgb = to_rgb(np.stack([h, s, v], axis=-1))
    return rgb if shifted else (rgb * 255).astype(np.uint8)


def to_hsv(rgb):
    """(H, W, 3) RGB to hue and saturation in 0..1 and value in the range of the input."""
    largest = rgb.max(-1)
    spread = np.ptp(rgb, -1)
    hsv = np.zeros_like(rgb)
    lit, coloured = largest > 0, spread > 0
    hsv[lit, 1] = spread[lit] / largest[lit]
    for channel in range(3):
        here = coloured & (rgb[..., channel] == largest)
        following, preceding = rgb[here, (channel + 1) % 3], rgb[here, (channel + 2) % 3]
        hsv[here, 0] = 2 * channel + (following - preceding) / spread[here]
    hsv[..., 0] = hsv[..., 0] / 6 % 1
    hsv[..., 2] = largest
    return hsv


def to_rgb(hsv):
    """The inverse of `to_hsv`; hue 1 is hue 0."""
    h, s, v = np.moveaxis(hsv, -1, 0)
    sector = (h * 6).astype(int)
    within = h * 6 - sector
    low, falling, rising = v * (1 - s), v * (1 - s * within), v * (1 - s * (1 - within))
    channels = [
        (v, rising, low),
        (falling, v, low),
        (low, v, rising),
        (low, falling, v),
        (rising, low, v),
        (v, low, falling),
    ]
    rgb = np.empty_like(hsv)
    for number, of_sector in enumerate(channels):
        here = sector % 6 == number
        for channel, values in enumerate(of_sector):
            rgb[here, channel] = values[here]
    return rgb
