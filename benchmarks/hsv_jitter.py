"""Time our HSV jitter against the formulas of matplotlib that the authors' code goes through.

    python benchmarks/hsv_jitter.py [--rounds 15]

Both run in turn on the same 480x640 pictures on one core, so that a busy machine slows both; the
medians, their ratio and the largest difference are printed for both versions of the jitter.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from dynmm.data.nyuv2.hsv import VERSIONS, jitter_hsv
from hsv_formulas import jitter_by_formulas

HEIGHT, WIDTH = 480, 640


def picture(rng):
    """A picture of smooth blobs with some noise: hues in patches, as photographs have them."""
    coarse = rng.randint(0, 256, (12, 16, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(smooth + rng.randint(-8, 9, smooth.shape), 0, 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    rng = np.random.RandomState(0)
    for version in VERSIONS:
        seconds, difference = {jitter_by_formulas: [], jitter_hsv: []}, 0
        for _ in range(rounds):
            image = picture(rng)
            value = rng.uniform(-25, 25) if version == "authors" else rng.uniform(0.9, 1.1)
            arguments = (image, *rng.uniform(0.9, 1.1, 2), value, version)
            results = []
            for function, times in seconds.items():
                started = time.perf_counter()
                results.append(function(*arguments).astype(float))
                times.append(time.perf_counter() - started)
            difference = max(difference, np.abs(results[0] - results[1]).max())
        formulas, ours = (1000 * np.median(times) for times in seconds.values())
        print(
            f"{version}: formulas {formulas:.1f} ms, ours {ours:.1f} ms, {formulas / ours:.1f} "
            f"times as fast; largest difference {difference:.2g} of 255"
        )


if __name__ == "__main__":
    main()
