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
from dynmm.models.experts.registry import register_gate
from dynmm.models.experts.ridge_probe import RidgeProbe

PROBES = "probe_outputs"  # under this name outputs of the probes come with the inputs, (B, R, C)


class ProbeGate(nn.Module):
    """R probes, a few standardised numbers of what they say, and a small perceptron.

    `fit` has to be called before training. With `PROBES` among the inputs the probes do not run.
    A task's gate says what the numbers are: `count(probes)` and `summaries(outputs)`.

    Args:
        input_sizes: feature size of each modality.
        experts: number of experts K to choose from.
        outputs: number of output values C of the experts, and of each probe.
        probes: lists of modalities, two or more, the cheapest first: each probe reads the features
            of one list.
        hidden: size of the hidden layer; 0 for none.

    Raises:
        InputError: fewer than two probes, or a modality that the data lack.
    """

    binary = True  # what the probes predict

    def __init__(self, input_sizes, experts, outputs, probes, hidden=0):
        super().__init__()
        named = [name for names in probes for name in names]
        if len(probes) < 2 or not all(probes) or not set(named) <= set(input_sizes):
            raise InputError(
                "probes that a gate cannot have",
                key="probes",
                found=probes,
                expected=f"two or more lists of {', '.join(input_sizes)}",
            )
        self.modalities = tuple(name for name in input_sizes if name in named)
        self._names = probes
        sizes = [sum(input_sizes[name] for name in names) for names in probes]
        self.probes = nn.ModuleList(RidgeProbe(size, outputs, self.binary) for size in sizes)
        count = self.count(len(probes))
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        if hidden:
            layers = nn.Linear(count, hidden), nn.ReLU(), nn.Linear(hidden, experts)
            self.head = nn.Sequential(*layers)
        else:
            self.head = nn.Linear(count, experts)

    def read(self, inputs):
        """What each probe reads of a batch: a tuple of (B, size)."""
        return tuple(torch.cat([inputs[name] for name in names], dim=1) for names in self._names)

    @torch.no_grad()
    def fit(self, reads, targets):
        """Fit the probes, and the scale of the numbers, to the training split.

        Args:
            reads: what `read` gives of all N samples.
            targets: (N, C).

        Returns:
            (N, R, C) leave-one-out outputs, to be given with the inputs in training.
        """
        fitted = [p.fit(x, targets) for p, x in zip(self.probes, reads, strict=True)]
        outputs = torch.stack(fitted, dim=1)
        numbers = self.summaries(outputs)
        self.mean.copy_(numbers.mean(0))
        self.deviation.copy_(numbers.std(0).clamp(min=torch.finfo(numbers.dtype).eps))
        return outputs

    def forward(self, inputs):
        """Gate logits (B, K) of a dict of inputs."""
        outputs = inputs.get(PROBES)
        if outputs is None:
            read = zip(self.probes, self.read(inputs), strict=True)
            outputs = torch.stack([probe(x) for probe, x in read], dim=1)
        return self.head((self.summaries(outputs) - self.mean) / self.deviation)


@register_gate("mmimdb", "probes")
class GenreProbeGate(ProbeGate):
    """For labels of 0 and 1: every probe's entropy, and how far each departs from each other.

    That is the Kullback-Leibler divergence of the label probabilities of each probe from those of
    each other one; both are means over the labels, in nats.
    """

    @staticmethod
    def count(probes):
        """How many numbers there are."""
        return probes * probes

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
