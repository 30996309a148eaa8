"""Peak memory of preparing a full-size fake of `mosei_senti_data.pkl` (3.7 GB).

    python benchmarks/prepare_mosei_memory.py FOLDER [--samples 22777]

Pickles the fake (float64, sequences of 50, half of them padding in front), prepares it in a process
of its own and prints that process's peak against the size of the raw arrays; exits with 1 above the
allowed ratio. FOLDER needs twice the size of the fake, which is removed at the end.
"""

import argparse
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dynmm.data.mosei.raw import FILE

STEPS, PADDING = 50, 25
SIZES = {"vision": 35, "audio": 74, "text": 300}
SPLITS = {"train": 16265, "valid": 1869, "test": 4643}
ALLOWED = 1.3
PREPARE = """
import resource, sys
from dynmm.data.mosei.prepare import prepare
prepare(sys.argv[1], sys.argv[2], {})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def fake(samples):
    """The content of the fake; every sample is a view of the same one."""
    random = np.random.default_rng(0)
    content = {}
    for split, share in SPLITS.items():
        count = max(1, samples * share // sum(SPLITS.values()))
        content[split] = {
            "labels": np.linspace(-3, 3, count).reshape(count, 1, 1),
            "id": np.array([[f"{split}{i}", "0.0", "1.0"] for i in range(count)]),
        }
        for modality, size in SIZES.items():
            sample = random.standard_normal((1, STEPS, size))
            sample[:, :PADDING] = 0.0
            content[split][modality] = np.broadcast_to(sample, (count, STEPS, size))
    return content


def measure(folder, samples):
    """(bytes of the raw arrays, peak bytes, seconds)."""
    content = fake(samples)
    size = sum(array.nbytes for part in content.values() for array in part.values())
    with open(folder / FILE, "wb") as file:
        pickle.dump(content, file, protocol=4)
    started = time.perf_counter()
    command = [sys.executable, "-c", PREPARE, str(folder), str(folder / "prepared")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return size, int(done.stdout), time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=sum(SPLITS.values()))
    arguments = parser.parse_args()
    folder = arguments.folder / "fake_mosei"
    folder.mkdir(parents=True)
    try:
        size, peak, seconds = measure(folder, arguments.samples)
    finally:
        shutil.rmtree(folder)
    ratio = peak / size
    print(
        f"raw arrays {size / 1e9:.2f} GB, peak {peak / 1e9:.2f} GB ({ratio:.2f}), {seconds:.0f} s"
    )
    return 0 if ratio <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
