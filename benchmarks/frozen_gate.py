"""Steps per second of training the gate of MM-IMDB over frozen experts, three ways in one run.

authors      the loop of imdb_dyn.py: one HDF5 read a row and data set, every expert in every step
             (in training mode, as their `model.train()` leaves them), gradient clipping, AdamW
every expert the same step on this project's batches
stored       this project's way: expert outputs computed once, a step trains the gate alone

The three take turns, so that a shared machine slows all of them; medians of the turns count. Sizes
are the paper's, values random. Exits with 1 if `stored` is below 20 times `authors`.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from dynmm.data.mmimdb.batches import FeatureSplit
from dynmm.models.experts import mlp_gate  # noqa: F401 (they register what is built below)
from dynmm.models.experts import mmimdb as mmimdb_experts  # noqa: F401 (they register what is built below)
from dynmm.models.experts.dynamic import DynamicExperts
from dynmm.models.experts.registry import build_expert, build_gate
from dynmm.training.resource_term import expert_costs, resource_term

SIZES, GENRES, BATCH = {"text": 300, "image": 4096}, 23, 128
KEYS = {"text": "features", "image": "vgg_features"}
LAMBDA, CLIP, WANTED = 0.1, 8.0, 20.0


class Rows(Dataset):
    """One HDF5 read for each data set of each row, as the authors' loader does."""

    def __init__(self, path):
        self.file = h5py.File(path, "r")

    def __len__(self):
        return len(self.file["genres"])

    def __getitem__(self, index):
        return [self.file[key][index] for key in ("features", "vgg_features", "genres")]


def build(frozen):
    torch.manual_seed(0)
    experts = {
        name: build_expert("mmimdb", name, SIZES, GENRES) for name in ("text", "late_fusion")
    }
    model = DynamicExperts(experts, build_gate("mmimdb", "mlp", SIZES, 2)).train()
    if frozen:
        return model.freeze_experts()
    model.experts.requires_grad_(False)  # as theirs: without gradients, in training mode
    return model


def trainer(model, fused):
    """A function that takes one optimisation step on a batch."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, fused=fused)
    costs = expert_costs([1.0, 1.0], "authors")

    def step(inputs, targets, stored=None):
        optimizer.zero_grad()
        result = model(inputs) if stored is None else model.forward_frozen(inputs, stored)
        loss = F.binary_cross_entropy_with_logits(result.outputs, targets)
        loss = loss + LAMBDA * resource_term(result.weights, costs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()

    return step


def authors_epoch(path, step):
    for text, image, genres in DataLoader(Rows(path), BATCH, shuffle=True, drop_last=True):
        step({"text": text, "image": image}, genres.float())


def every_expert_epoch(split, step, epoch):
    for batch in split.shuffled_batches(BATCH, 0, epoch):
        step(batch["inputs"], batch["targets"])


def stored_epoch(split, step, epoch):
    for batch in split.shuffled_batches(BATCH, 0, epoch):
        step(batch["inputs"], batch["targets"], batch["expert_outputs"])


def write_raw(path, rows):
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for modality, key in KEYS.items():
            values = random.standard_normal((rows, SIZES[modality]), dtype=np.float32)
            file.create_dataset(key, data=values)
        file.create_dataset("genres", data=(random.random((rows, GENRES)) < 0.1).astype(np.int32))


def main(arguments):
    rows = arguments.steps * BATCH
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.hdf5"
        write_raw(path, rows)
        with h5py.File(path) as file:
            inputs = {name: torch.from_numpy(file[key][:]) for name, key in KEYS.items()}
            targets = torch.from_numpy(file["genres"][:].astype(np.float32))
        split = FeatureSplit(inputs, targets, None, ())
        frozen = build(frozen=True)
        with torch.no_grad():
            stored = {"expert_outputs": frozen.run_experts(inputs)}
            joined = FeatureSplit(frozen.gate.join(inputs), targets, None, (), stored)
        theirs, same, ours = (
            trainer(build(False), False),
            trainer(build(False), False),
            trainer(frozen, True),
        )
        ways = {
            "authors": lambda epoch: authors_epoch(path, theirs),
            "every expert": lambda epoch: every_expert_epoch(split, same, epoch),
            "stored": lambda epoch: stored_epoch(joined, ours, epoch),
        }
        seconds = {name: [] for name in ways}
        for turn in range(arguments.turns + 1):
            for name, epoch in ways.items():
                start = time.perf_counter()
                epoch(turn)
                if turn:  # the first turn warms up
                    seconds[name].append(time.perf_counter() - start)
    rates = {name: arguments.steps / statistics.median(times) for name, times in seconds.items()}
    for name, rate in rates.items():
        print(f"{name:<13} {rate:8.1f} steps/s   {rate / rates['authors']:6.1f} x authors")
    return 0 if rates["stored"] >= WANTED * rates["authors"] else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=24, help="steps of an epoch (3,000 rows)")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="of torch (default: all cores)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sys.exit(main(arguments))
