"""Experts and dynamic models of the modality level on noisy or missing modalities.

The paper sweeps noise over NYU Depth V2 alone; this is the same rule on features and sequences.
"""

from collections import deque
from functools import cached_property

import numpy as np
import torch

from dynmm.evaluation.noise import PER
from dynmm.models.experts.inputs import rows_for
from dynmm.vocabulary import AVAILABLE

NO_CHOICE = -1  # of an expert alone


class NoisyFeatures:
    """Outputs and chosen experts of a test split under one model, clean and noisy.

    Whole batches are predicted, with noise per sample too: what a sample shares a batch with never
    differs from a plain loop (with the authors' readout of sequences it counts).

    Args:
        load: function without arguments that gives the model in eval mode on its device; called
            when the first sample has to be predicted.
        predict: function (model, inputs) -> outputs (B, C), chosen (B,) or None.
        task, split: see `dynmm.tasks`.
        settings: `batch_size` and what the task reads.
        device: torch device of the model.
    """

    def __init__(self, load, predict, task, split, settings, device):
        self._load, self._predict = load, predict
        self.task, self.split, self.settings, self.device = task, split, settings, device

    @cached_property
    def _model(self):
        return self._load()

    def units(self, per):
        """Positions of the units of the noise: the evaluation's batches, or their samples."""
        if per not in PER:
            raise ValueError(f"noise per {per!r}; expected one of {', '.join(PER)}")
        batches = [batch["index"].tolist() for batch in self._batches()]
        return batches if per == "batch" else [[place] for batch in batches for place in batch]

    def clean(self):
        """`outputs` (N, C) float32 and `chosen` (N,) of all samples."""
        return self._in_order([self._run(batch, batch["inputs"]) for batch in self._batches()])

    def noisy(self, inputs):
        """The same for the positions of `NoisyInputs`, with their noise."""
        waiting, parts = deque(inputs.units), []
        for batch in self._batches():
            rows = {position: row for row, position in enumerate(batch["index"].tolist())}
            units = []
            while waiting and waiting[0][0][0] in rows:
                positions, modality = waiting.popleft()
                units.append(([rows[position] for position in positions], modality))
            if units:
                parts.append(self._run(batch, _with_noise(batch["inputs"], units, inputs)))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        places = {position: place for place, position in enumerate(found.pop("index"))}
        order = [places[position] for position in inputs.positions]
        return {name: array[order] for name, array in found.items()}

    def missing(self, modalities):
        """The same as `clean` with these modalities set to zero in every sample.

        Their inputs say so too (`available`), for gates that read it.
        """
        names = self.split.input_sizes
        there = torch.tensor([[name not in modalities for name in names]])
        parts = []
        for batch in self._batches():
            lost = {name: torch.zeros_like(batch["inputs"][name]) for name in modalities}
            mask = {AVAILABLE: there.expand(len(batch["index"]), -1)}
            parts.append(self._run(batch, batch["inputs"] | lost | mask))
        return self._in_order(parts)

    def _batches(self):
        return self.task.evaluation_batches(self.split, self.settings)

    @torch.inference_mode()
    def _run(self, batch, inputs):
        moved = {name: tensor.to(self.device) for name, tensor in inputs.items()}
        outputs, chosen = self._predict(self._model, moved)
        if chosen is None:
            chosen = torch.full((len(outputs),), NO_CHOICE)
        found = {"outputs": outputs, "chosen": chosen, "index": batch["index"]}
        return {name: tensor.cpu().numpy() for name, tensor in found.items()}

    def _in_order(self, parts):
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.argsort(found.pop("index"))
        return {name: array[order] for name, array in found.items()}


def predict_expert(model, inputs):
    """Outputs of an expert, and no choice; see `NoisyFeatures`."""
    return model(rows_for(model, inputs)), None


def dynamic_predictor(mode, temperature):
    """A function for `NoisyFeatures`: a dynamic model with hard gates or soft ones."""

    def predict(model, inputs):
        found = model.infer(inputs, mode, temperature)
        return found.outputs, found.chosen

    return predict


def feature_scores(results, score, experts):
    """The numbers of one run.

    Args:
        results: `outputs` (N, C) and `chosen` (N,).
        score: function of (N, C) outputs that gives the task's metrics.
        experts: names of the experts under the gate.

    Returns:
        The task's single numbers, and with a gate `share_<expert>` of the samples.
    """
    found = score(torch.from_numpy(results["outputs"]))
    row = {name: value for name, value in found.items() if not isinstance(value, dict)}
    if (results["chosen"] == NO_CHOICE).any():
        return row
    shares = np.bincount(results["chosen"], minlength=len(experts)) / len(results["chosen"])
    return row | {
        f"share_{name}": float(share) for name, share in zip(experts, shares, strict=True)
    }


def _with_noise(inputs, units, noisy):
    inputs = dict(inputs)
    valid = None
    if "lengths" in inputs:
        steps = torch.arange(next(x.shape[1] for x in inputs.values() if x.dim() == 3))
        valid = steps < inputs["lengths"].cpu().unsqueeze(1)
    for rows, modality in units:
        x = inputs[modality].clone()  # the file's own memory
        steps = None if valid is None else valid[rows]
        x[rows] = noisy.noise.add(x[rows], noisy.level, steps)
        inputs[modality] = x
    return inputs
