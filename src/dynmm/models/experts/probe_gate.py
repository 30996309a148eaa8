"""A gate that reads what cheap linear probes say of a sample, not the sample itself.

Ours, not the paper's. Who gains from the costly expert can hardly be learned from thousands of
features and a thousand samples. But how far a linear reading of all modalities departs from one of
the cheap ones, and how sure each is, tells much of it. The probes know the labels; what the gate
learns from are their leave-one-out outputs, as it learns from cross-fitted losses of the experts.
"""

import torch
import torch.nn.functional as F
from torch import nn

from dynmm.errors import InputError
from dynmm.models.experts.inputs import FIRST
from dynmm.models.experts.registry import register_gate
from dynmm.models.experts.ridge_probe import RidgeProbe
from dynmm.options import Flag, Probes, SizeOrNone

PROBES = "probe_outputs"  # under this name outputs of the probes come with the inputs, (B, R, C)


class ProbeGate(nn.Module):
    """R readings of a sample, a few standardised numbers of them, and a small perceptron.

    A reading is what a probe says, or the first expert. `fit` has to be called before training.
    With `PROBES` among the inputs the probes do not run. A task's gate says what the probes read
    of a modality, and what the numbers are: `features`, `count(readings)`, `summaries(outputs)`.

    Args:
        input_sizes: feature size of each modality.
        experts: number of experts K to choose from.
        outputs: number of output values C of the experts, and of each probe.
        probes: lists of modalities: each probe reads the features of one list.
        first_expert: whether the first expert's output is a reading: it then runs for every sample.
        hidden: size of the hidden layer; 0 for none.

    Raises:
        InputError: fewer than two readings, or a modality that the data lack.
    """

    binary = True  # what the probes predict

    def __init__(
        self,
        input_sizes,
        experts,
        outputs,
        probes: Probes,
        first_expert: Flag = False,
        hidden: SizeOrNone = 0,
    ):
        super().__init__()
        named, readings = [name for names in probes for name in names], len(probes) + first_expert
        if readings < 2 or not all(probes) or not set(named) <= set(input_sizes):
            raise InputError(
                "probes that a gate cannot have",
                key="probes",
                found=probes,
                expected=f"lists of {', '.join(input_sizes)}, two or one beside the first expert",
            )
        self.modalities = tuple(name for name in input_sizes if name in named)
        self.reads_first, self.outputs = first_expert, outputs
        self._names = probes
        sizes = [sum(input_sizes[name] for name in names) for names in probes]
        self.probes = nn.ModuleList(RidgeProbe(size, outputs, self.binary) for size in sizes)
        count = self.count(readings)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        if hidden:
            layers = nn.Linear(count, hidden), nn.ReLU(), nn.Linear(hidden, experts)
            self.head = nn.Sequential(*layers)
        else:
            self.head = nn.Linear(count, experts)

    def read(self, inputs):
        """What each probe reads of a batch: a tuple of (B, size)."""
        features = {name: self.features(inputs, name) for name in self.modalities}
        return tuple(torch.cat([features[name] for name in names], dim=1) for names in self._names)

    @staticmethod
    def features(inputs, modality):
        """What probes read of a modality, (B, size)."""
        return inputs[modality]

    @torch.no_grad()
    def fit(self, reads, targets, first=None):
        """Fit the probes, and the scale of the numbers, to the training split.

        Args:
            reads: what `read` gives of all N samples.
            targets: (N, C).
            first: (N, C) outputs of the first expert, where it is a reading: of an expert that did
                not see the sample, if there is one.

        Returns:
            (N, R, C) leave-one-out outputs, to be given with the inputs in training.
        """
        fitted = [p.fit(x, targets) for p, x in zip(self.probes, reads, strict=True)]
        outputs = torch.stack(fitted, dim=1)
        numbers = self.summaries(self._with_first(outputs, {FIRST: first}))
        self.mean.copy_(numbers.mean(0))
        self.deviation.copy_(numbers.std(0).clamp(min=torch.finfo(numbers.dtype).eps))
        return outputs

    def forward(self, inputs):
        """Gate logits (B, K) of a dict of inputs."""
        outputs = inputs.get(PROBES)
        if outputs is None:
            read = zip(self.probes, self.read(inputs), strict=True)
            outputs = torch.stack([probe(x) for probe, x in read], dim=1)
        numbers = self.summaries(self._with_first(outputs, inputs))
        return self.head((numbers - self.mean) / self.deviation)

    def _with_first(self, outputs, inputs):
        if not self.reads_first:
            return outputs
        return torch.cat([inputs[FIRST].unsqueeze(1), outputs], dim=1)


@register_gate("mmimdb", "probes")
class GenreProbeGate(ProbeGate):
    """For labels of 0 and 1: every reading's entropy, and how far each departs from each other.

    That is the Kullback-Leibler divergence of the label probabilities of each from those of each
    other one; both are means over the labels, in nats.
    """

    @staticmethod
    def count(readings):
        """How many numbers there are."""
        return readings * readings

    @staticmethod
    def summaries(outputs):
        """(B, R, C) logits to (B, R * R): row by row, divergences with the entropy in its place."""
        probability = outputs.sigmoid()
        crossed = F.binary_cross_entropy_with_logits(
            *torch.broadcast_tensors(outputs.unsqueeze(2), probability.unsqueeze(1)),
            reduction="none",
        ).mean(-1)  # (B, R, R): of logits r under the probabilities s
        entropy = crossed.diagonal(dim1=1, dim2=2)
        apart = 1 - torch.eye(outputs.shape[1], dtype=crossed.dtype, device=crossed.device)
        return (crossed - apart * entropy.unsqueeze(1)).flatten(1)


@register_gate("mosei", "probes")
class SentimentProbeGate(ProbeGate):
    """For one score: how far every reading is from 0, and from each other.

    Probes read the mean of a sequence over its steps, which costs no multiply-adds.
    """

    binary = False

    @staticmethod
    def features(inputs, modality):
        """(B, T, size) padded sequences to (B, size)."""
        x, lengths = inputs[modality], inputs["lengths"].to(inputs[modality].device)
        valid = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
        return (x * valid.unsqueeze(-1)).sum(1) / lengths.clamp(min=1).unsqueeze(1)

    @staticmethod
    def count(readings):
        """How many numbers there are."""
        return readings * (readings + 1) // 2

    @staticmethod
    def summaries(outputs):
        """(B, R, 1) scores to (B, R * (R + 1) / 2)."""
        scores = outputs.squeeze(-1)
        rows, columns = torch.triu_indices(scores.shape[1], scores.shape[1], offset=1)
        return torch.cat([scores, scores[:, rows] - scores[:, columns]], dim=1).abs()
