"""Modality-level DynMM: several experts and the gate that chooses between them."""

from typing import NamedTuple

import torch
from torch import nn

from dynmm.errors import InputError
from dynmm.models.experts.inputs import FIRST, rows_for
from dynmm.models.gate_relaxation import relax_gate


class DynamicOutput(NamedTuple):
    """What a forward pass yields: B samples, K experts, C output values."""

    outputs: torch.Tensor  # (B, C), the weighted sum of the experts' outputs
    weights: torch.Tensor  # (B, K), one-hot with a hard gate; they carry the gate's gradient
    gate_logits: torch.Tensor  # (B, K)
    expert_outputs: torch.Tensor  # (B, K, C)


class Inference(NamedTuple):
    """What inference yields."""

    outputs: torch.Tensor  # (B, C)
    weights: torch.Tensor  # (B, K)
    chosen: torch.Tensor  # (B,) int64, the expert of the largest weight
    gate_logits: torch.Tensor  # (B, K)


class DynamicExperts(nn.Module):
    """Experts on subsets of the modalities under one gate (paper section 3.1).

    All inputs travel as one dict of tensors whose first dimension is the batch (features, or
    sequences with their `lengths`); an expert gets what its `modalities` name, and `lengths`.

    Args:
        experts: ordered dict from name to expert, two or more, cheapest first by convention: the
            authors' resource term counts the last.
        gate: module from the dict of inputs to logits (B, K). One with a true attribute
            `reads_first` gets the first expert's outputs (B, C) too, under `FIRST`: that expert
            then runs for every sample, a cascade that learns when to go on.

    Raises:
        InputError: fewer than two experts.
    """

    def __init__(self, experts, gate):
        super().__init__()
        if len(experts) < 2:
            raise InputError("too few experts for a gate", found=len(experts), expected="2 or more")
        self.experts = nn.ModuleDict(experts)
        self.gate = gate
        self.frozen = self.constant_experts = False
        self.reads_first = getattr(gate, "reads_first", False)

    def freeze_experts(self, training_mode=False):
        """Give the experts no gradients.

        Args:
            training_mode: False keeps them in evaluation mode also while the gate trains: an expert
                then gives the same output for a sample in every step (`constant_experts`), which is
                what lets `forward_frozen` work from stored outputs. True is what the authors'
                --freeze does: experts follow the model's mode, so that in training dropout is on
                and their batch statistics drift.
        """
        self.frozen, self.constant_experts = True, not training_mode
        self.experts.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode=True):
        """Set training mode, but for experts that stay constant."""
        super().train(mode)
        if self.constant_experts:
            self.experts.eval()
        return self

    def forward(
        self, inputs, mode="straight_through", temperature=1.0, *, gumbel=False, generator=None
    ):
        """Run every expert and weigh their outputs by the relaxed gate (equation 3).

        Args:
            inputs: dict of tensors (B, ...).
            mode: "soft" or "straight_through".
            temperature: tau of the relaxation.
            gumbel: add Gumbel noise to the logits.
            generator: source of that noise.

        Returns:
            DynamicOutput.
        """
        expert_outputs = self.run_experts(inputs)
        return self.forward_frozen(
            inputs, expert_outputs, mode, temperature, gumbel=gumbel, generator=generator
        )

    def forward_frozen(
        self,
        inputs,
        expert_outputs,
        mode="straight_through",
        temperature=1.0,
        *,
        gumbel=False,
        generator=None,
    ):
        """The same from stored `expert_outputs` (B, K, C): only the gate runs."""
        first = {FIRST: expert_outputs[:, 0].detach()} if self.reads_first else {}
        logits = self.gate(inputs | first)
        weights = relax_gate(logits, temperature, mode, gumbel=gumbel, generator=generator)
        return DynamicOutput(combine(expert_outputs, weights), weights, logits, expert_outputs)

    def run_experts(self, inputs):
        """Outputs of all experts, (B, K, C)."""
        return torch.stack([e(rows_for(e, inputs)) for e in self.experts.values()], dim=1)

    def decide(self, inputs):
        """The gate's logits (B, K), and the first expert's outputs (B, C) where it reads them."""
        if not self.reads_first:
            return self.gate(inputs), None
        expert = next(iter(self.experts.values()))
        first = expert(rows_for(expert, inputs))
        return self.gate(inputs | {FIRST: first}), first

    @torch.no_grad()
    def infer(self, inputs, mode="hard", temperature=1.0, offsets=None):
        """Predict; with a hard gate, mode "hard", only the chosen expert runs for each sample.

        The samples of an expert form a sub-batch of their own (padding is kept as it is in the
        batch), an expert that nobody chose does not run, and the order of the batch is restored.
        With mode "soft" (DynMM-d of table 1) every expert runs, and `temperature` counts.
        `offsets` (K,) are taken off the logits of a hard gate: they set it to a budget
        (`inference.budget`).

        Returns:
            Inference; the module has to be in evaluation mode.
        """
        if mode == "soft":
            result = self(inputs, mode, temperature)
            chosen = result.weights.argmax(dim=1)
            return Inference(result.outputs, result.weights, chosen, result.gate_logits)
        logits, first = self.decide(inputs)
        if offsets is not None:
            logits = logits - offsets
        weights = relax_gate(logits, temperature, "hard")
        chosen = weights.argmax(dim=1)
        counts = torch.bincount(chosen, minlength=len(self.experts)).tolist()
        order = torch.argsort(chosen, stable=True)
        outputs, cheapest = None, next(iter(self.experts.values()))
        for expert, rows in zip(self.experts.values(), order.split(counts), strict=True):
            if not len(rows):
                continue
            everyone = len(rows) == len(chosen)
            if first is not None and expert is cheapest:
                part = first if everyone else first[rows]
            else:
                part = expert(rows_for(expert, inputs, None if everyone else rows))
            if everyone:
                return Inference(part, weights, chosen, logits)
            if outputs is None:
                outputs = part.new_empty((len(chosen), *part.shape[1:]))
            outputs[rows] = part
        return Inference(outputs, weights, chosen, logits)


def madds_by_path(madds, reads_first):
    """What runs for a sample on the path of each expert, the gate apart.

    Args:
        madds: multiply-adds of each expert, in order; numbers or arrays.
        reads_first: whether the first runs for every sample, see `DynamicExperts`.

    Returns:
        List of the same kind.
    """
    if not reads_first:
        return list(madds)
    return [madds[0], *(madds[0] + own for own in madds[1:])]


def combine(expert_outputs, weights):
    """Weighted sum over the experts: (B, K, C) and (B, K) to (B, C)."""
    return (weights.unsqueeze(-1) * expert_outputs).sum(dim=1)
