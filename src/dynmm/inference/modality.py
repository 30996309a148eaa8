"""Running experts and dynamic models over a split, timed."""

import time
from dataclasses import dataclass

import torch

from dynmm.data.ordering import in_order
from dynmm.inference.timing import wait_for
from dynmm.models.experts.inputs import rows_for


@dataclass
class SplitOutputs:
    """What a pass over a split leaves, in the order of the split, on the CPU.

    Args:
        outputs: (N, C).
        weights, gate_logits: (N, K), None for an expert.
        chosen: (N,) int64 places of the experts, None for an expert.
        seconds: time spent in the model alone.
    """

    outputs: torch.Tensor
    weights: torch.Tensor | None
    gate_logits: torch.Tensor | None
    chosen: torch.Tensor | None
    seconds: float


def run_expert(expert, task, split, settings, device):
    """Outputs of one expert.

    Args:
        expert: the module, in evaluation mode, on `device`.
        task: see `dynmm.tasks`.
        split: a split of the prepared data.
        settings: `batch_size` and what the task reads.
        device: torch device.

    Returns:
        `SplitOutputs`.
    """

    def predict(inputs):
        return (expert(rows_for(expert, inputs)),)

    (outputs,), seconds = _run(predict, task, split, settings, device)
    return SplitOutputs(outputs, None, None, None, seconds)


def run_dynamic(model, task, split, settings, device, mode="hard", temperature=1.0, offsets=None):
    """Outputs and choices of a dynamic model; with a hard gate only the chosen expert runs.

    Args:
        model: `DynamicExperts` in evaluation mode, on `device`.
        task, split, settings, device: as for `run_expert`.
        mode, temperature, offsets: of `DynamicExperts.infer`; offsets as numbers.

    Returns:
        `SplitOutputs`.
    """

    if offsets is not None:
        offsets = torch.as_tensor(offsets, dtype=torch.float32, device=device)

    def predict(inputs):
        found = model.infer(inputs, mode, temperature, offsets)
        return found.outputs, found.weights, found.gate_logits, found.chosen

    results, seconds = _run(predict, task, split, settings, device)
    return SplitOutputs(*results, seconds)


def run_gate(model, task, split, settings, device):
    """The gate's logits (N, K) and the seconds that they took; arguments as for `run_dynamic`.

    With a gate that reads the first expert these seconds hold that expert's too.
    """

    def predict(inputs):
        return (model.decide(inputs)[0],)

    (logits,), seconds = _run(predict, task, split, settings, device)
    return logits, seconds


@torch.inference_mode()
def _run(predict, task, split, settings, device):
    """Results of `predict` in order, and its seconds; the first batch runs once more, untimed."""
    split = split.to(device)
    parts, indices, seconds = [], [], 0.0
    for batch in task.evaluation_batches(split, settings):
        if not parts:
            predict(batch["inputs"])
        wait_for(device)
        started = time.perf_counter()
        parts.append(predict(batch["inputs"]))
        wait_for(device)
        seconds += time.perf_counter() - started
        indices.append(batch["index"].cpu())
    results = [in_order([v.cpu() for v in values], indices) for values in zip(*parts, strict=True)]
    return results, seconds
