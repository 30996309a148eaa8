"""Batches of prepared sequences, padded at the end to the longest of each batch.

A batch is one gather an array from the ragged files; no worker processes, no per-sample Python.
"""

from dataclasses import dataclass, field, replace

import torch

from dynmm.data.manifest import open_array, read_manifest
from dynmm.data.ordering import shuffled, whole_batches
from dynmm.errors import InputError

POOL_BATCHES = 50


@dataclass(frozen=True)
class SequenceSplit:
    """One split of a prepared data set of sequences.

    Attributes:
        steps: modality -> (sum of the lengths, size) float32, all samples one after another.
        offsets: (N + 1,) int64, sample i being the steps from offsets[i] to offsets[i + 1].
        targets: (N, 1) float32 scores.
        ids: (N,) bytes.
        sentences: (N,) UTF-8 bytes, or None where the raw data have no words.
        stored: further tensors (N, ...) that go with the samples into the batches, such as the
            outputs of frozen experts.
    """

    steps: dict
    offsets: torch.Tensor
    targets: torch.Tensor
    ids: object
    sentences: object = None
    stored: dict = field(default_factory=dict)

    @classmethod
    def open(cls, prepared_dir, split, task="mosei"):
        """Map the arrays of `split` ("train", "valid" or "test") of the prepared data.

        Raises:
            InputError: no manifest, an unknown split, an array that is not as it says.
        """
        manifest = read_manifest(prepared_dir, task)
        if split not in manifest["splits"]:
            raise InputError("unknown split", found=split, expected=" or ".join(manifest["splits"]))

        def array(kind):
            return open_array(prepared_dir, manifest, f"{split}_{kind}.npy")

        return cls(
            {modality: torch.from_numpy(array(modality)) for modality in manifest["input_sizes"]},
            torch.from_numpy(array("offsets")),
            torch.from_numpy(array("labels")).unsqueeze(1),
            array("ids"),
            array("sentences") if manifest["sentences"] else None,
        )

    def __len__(self):
        return len(self.targets)

    @property
    def input_sizes(self):
        """Feature size of each modality."""
        return {name: tensor.shape[1] for name, tensor in self.steps.items()}

    @property
    def lengths(self):
        """Number of steps of each sample, (N,) int64."""
        return self.offsets.diff()

    def to(self, device):
        """The split with its tensors on `device`, where batches are then gathered."""
        return replace(
            self,
            steps={name: tensor.to(device) for name, tensor in self.steps.items()},
            offsets=self.offsets.to(device),
            targets=self.targets.to(device),
            stored={name: tensor.to(device) for name, tensor in self.stored.items()},
        )

    def part(self, index):
        """The samples `index` (int64 tensor) as a split of their own, in that order."""
        lengths = self.lengths[index]
        ends = lengths.cumsum(0)
        starts = self.offsets[index] - (ends - lengths)  # of each sample, less where it will start
        places = torch.arange(int(lengths.sum())) + starts.repeat_interleave(lengths)
        return replace(
            self,
            steps={name: tensor[places] for name, tensor in self.steps.items()},
            offsets=torch.cat([ends.new_zeros(1), ends]),
            targets=self.targets[index],
            ids=self.ids[index.numpy()],
            sentences=None if self.sentences is None else self.sentences[index.numpy()],
            stored={name: tensor[index] for name, tensor in self.stored.items()},
        )

    def rows(self, index, device=None):
        """The samples `index` (B,) int64, padded with zeros at the end to the longest of them.

        Returns:
            dict of `inputs` (`vision`, `audio`, `text` (B, L, size) float32 and `lengths` (B,)
            int64), `targets` (B, 1), `index` itself and each of `stored`, on `device`.
        """
        index = index.to(self.offsets.device)
        starts = self.offsets[index]
        lengths = self.offsets[index + 1] - starts
        steps = torch.arange(int(lengths.max()), device=index.device)
        valid = steps < lengths.unsqueeze(1)
        places = (starts.unsqueeze(1) + steps)[valid]
        inputs = {"lengths": lengths}
        for name, tensor in self.steps.items():
            padded = tensor.new_zeros(*valid.shape, tensor.shape[1])
            padded[valid] = tensor.index_select(0, places)
            inputs[name] = padded
        named = {"targets": self.targets, **self.stored}
        return {
            "inputs": {name: tensor.to(device) for name, tensor in inputs.items()},
            "index": index.to(device),
            **{name: tensor[index].to(device) for name, tensor in named.items()},
        }

    def batches(self, batch_size, by_length=True, device=None):
        """Every sample once, for evaluation.

        Args:
            batch_size: samples in a batch.
            by_length: samples of like length together, the longest first; `in_order` puts results
                back into the order of the split. Otherwise the split's own order, as the authors
                evaluate: with `readout: authors` predictions depend on it.
            device: where the batches lie.
        """
        order = torch.arange(len(self))
        if by_length:
            order = self.lengths.cpu().argsort(descending=True, stable=True)
        for index in order.split(batch_size):
            yield self.rows(index, device)

    def training_batches(self, batch_size, seed, epoch, by_length=True, device=None):
        """Every sample once, in batches that depend on the seed and the epoch alone.

        Args:
            batch_size: samples in a batch.
            seed: seed of the run.
            epoch: epoch, from 0.
            by_length: batches of samples of like length, in shuffled order; otherwise plain
                shuffled batches, as the authors train.
            device: where the batches lie.
        """
        order = shuffled(len(self), seed, epoch)
        if not by_length:
            batches = whole_batches(order, batch_size)
        else:
            batches = bucketed(order, self.lengths.cpu(), batch_size)
            batches = [batches[i] for i in shuffled(len(batches), seed, epoch)]
        for index in batches:
            yield self.rows(index, device)


def bucketed(order, lengths, batch_size, pool_batches=POOL_BATCHES):
    """Batches of samples of like length, from a shuffled order.

    Each stretch of `pool_batches` batches of the order is sorted by length and cut, so that which
    samples meet still changes from epoch to epoch.

    Args:
        order: (N,) int64, shuffled indices.
        lengths: (N,) int64, lengths by index.

    Returns:
        List of index tensors; every one has `batch_size` members, but for the last.
    """
    batches = []
    for pool in order.split(batch_size * pool_batches):
        by_length = pool[lengths[pool].argsort(stable=True)]
        batches += whole_batches(by_length, batch_size)
    return batches
