"""Running experts and dynamic models over a split."""

import contextlib
from dataclasses import dataclass

import torch

from dynmm.data.ordering import in_order
from dynmm.models.experts.inputs import rows_for


@dataclass
class SplitOutputs:
    """What a pass over a split leaves, in the order of the split, on the CPU.

    Args:
        outputs: (N, C).
        weights, gate_logits: (N, K), None for an expert.
        chosen: (N,) int64 places of the experts, None for an expert.
        seconds: time spent in the model alone, None where it was not taken.
    """

    outputs: torch.Tensor
    weights: torch.Tensor | None
    gate_logits: torch.Tensor | None
    chosen: torch.Tensor | None
    seconds: float | None


def run_expert(expert, task, split, settings, device, timed=None):
    """Outputs of one expert.

    Args:
        expert: the module, in evaluation mode, on `device`.
        task: see `dynmm.tasks`.
        split: a split of the prepared data.
        settings: `batch_size` and what the task reads.
        device: torch device.
        timed: a `Stopwatch` that takes the time of the model; the first batch then runs once more
            before it.

    Returns:
        `SplitOutputs`.
    """

    def predict(inputs):
        return (expert(rows_for(expert, inputs)),)

    (outputs,) = _run(predict, task, split, settings, device, timed)
    return SplitOutputs(outputs, None, None, None, timed.seconds if timed else None)


def run_dynamic(
    model,
    task,
    split,
    settings,
    device,
    mode="hard",
    temperature=1.0,
    offsets=None,
    timed=None,
):
    """Outputs and choices of a dynamic model; with a hard gate only the chosen expert runs.

    Args:
        model: `DynamicExperts` in evaluation mode, on `device`.
        task, split, settings, device, timed: as for `run_expert`.
        mode, temperature, offsets: of `DynamicExperts.infer`; offsets as numbers.

    Returns:
        `SplitOutputs`.
    """

    if offsets is not None:
        offsets = torch.as_tensor(offsets, dtype=torch.float32, device=device)

    def predict(inputs):
        found = model.infer(inputs, mode, temperature, offsets)
        return found.outputs, found.weights, found.gate_logits, found.chosen

    results = _run(predict, task, split, settings, device, timed)
    return SplitOutputs(*results, timed.seconds if timed else None)


def run_gate(model, task, split, settings, device, timed=None):
    """The gate's logits (N, K); arguments as for `run_dynamic`.

    With a gate that reads the first expert its time holds that expert's too.
    """

    def predict(inputs):
        return (model.decide(inputs)[0],)

    (logits,) = _run(predict, task, split, settings, device, timed)
    return logits


@torch.inference_mode()
def _run(predict, task, split, settings, device, timed):
    """Results of `predict`, each in the order of the split."""
    split = split.to(device)
    parts, indices = [], []
    for batch in task.evaluation_batches(split, settings):
        if timed and not parts:  # the first call of a network takes longer
            predict(batch["inputs"])
        with timed or contextlib.nullcontext():
            parts.append(predict(batch["inputs"]))
        indices.append(batch["index"].cpu())
    return [in_order([v.cpu() for v in values], indices) for values in zip(*parts, strict=True)]
