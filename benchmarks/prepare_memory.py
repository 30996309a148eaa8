"""Peak memory of preparing a full-size NYU Depth V2 file.

    python benchmarks/prepare_memory.py [--frames 1449] [--chunk-frames 1] [--tile 640]
        [--folder DIR]

writes a fake raw file of the official size (480x640; compressed, so a few MB on disk), prepares it
in a process of its own, and prints that process's peak resident memory and time. The arrays made
take 3.6 GB of disk; folder and all are removed at the end. Exits with 1 above LIMIT_MB.
"""

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from dynmm.data.nyuv2.raw import LABELED, MAPPING, SPLITS

HEIGHT, WIDTH, TRAIN_SHARE = 480, 640, 795 / 1449
LIMIT_MB = 600
PREPARE = """
import resource, sys
from dynmm.data.nyuv2.prepare import prepare
prepare(sys.argv[1], sys.argv[2], {"depth": "raw"})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_fake(folder, frames, chunk_frames, tile):
    """Write the three raw files; the pictures are gradients that differ from frame to frame."""
    ramp = np.add.outer(np.arange(WIDTH), np.arange(HEIGHT))
    shapes = {
        "images": ((3, WIDTH, HEIGHT), np.uint8),
        "labels": ((WIDTH, HEIGHT), np.uint16),
        "depths": ((WIDTH, HEIGHT), np.float32),
        "rawDepths": ((WIDTH, HEIGHT), np.float32),
    }
    with h5py.File(folder / LABELED, "w") as file:
        for name, (shape, dtype) in shapes.items():
            array = file.create_dataset(
                name,
                (frames, *shape),
                dtype,
                chunks=(min(chunk_frames, frames), *(min(size, tile) for size in shape)),
                compression="gzip",
                compression_opts=1,
            )
            for first in range(0, frames, chunk_frames):
                count = min(chunk_frames, frames - first)
                numbers = np.arange(first, first + count)[:, None, None]
                block = (ramp // 8 + numbers) % (895 if name == "labels" else 256)
                block = block / 64 + 0.5 if dtype == np.float32 else block
                if name == "images":
                    block = np.repeat(block[:, None], 3, axis=1)
                array[first : first + count] = block.astype(dtype)
    numbers = np.arange(1, frames + 1, dtype=np.uint16)
    train = round(frames * TRAIN_SHARE)
    columns = {"trainNdxs": numbers[:train, None], "testNdxs": numbers[train:, None]}
    savemat(folder / SPLITS, columns)
    classes = (np.arange(894) % 40 + 1).astype(np.uint8)[None]
    names = np.array([f"class {number}" for number in range(40)], dtype=object)[None]
    savemat(folder / MAPPING, {"mapClass": classes, "className": names})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1449)
    parser.add_argument("--chunk-frames", type=int, default=1, help="frames in an HDF5 chunk")
    parser.add_argument("--tile", type=int, default=WIDTH, help="edge of an HDF5 chunk in pixels")
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = Path(folder)
        # in a process of its own: a child starts with its parent's peak as its own
        writer = multiprocessing.Process(
            target=write_fake, args=(folder, options.frames, options.chunk_frames, options.tile)
        )
        writer.start()
        writer.join()
        raw_mb = (folder / LABELED).stat().st_size / 1e6
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", PREPARE, folder, folder / "prepared"],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage: bytes on macOS, KiB on Linux
    peak = int(done.stdout) * unit / 1e6
    print(
        f"{options.frames} frames of {HEIGHT}x{WIDTH} in chunks of {options.chunk_frames} frames "
        f"and at most {options.tile} pixels, {raw_mb:.0f} MB raw: peak {peak:.0f} MB "
        f"(limit {LIMIT_MB}), {seconds:.0f} s"
    )
    return peak > LIMIT_MB


if __name__ == "__main__":
    sys.exit(main())
