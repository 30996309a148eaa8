"""What an evaluated expert or dynamic model leaves: `metrics.json` and `predictions.npz`."""

import numpy as np

from dynmm.files import atomic_path
from dynmm.models.experts.dynamic import madds_by_path
from dynmm.vocabulary import MADDS_CONVENTIONS


def expert_record(result, scores, madds, sample_madds=None):
    """The part of an expert's `metrics.json` that depends on its results.

    Args:
        result: `SplitOutputs` of the test split.
        scores: the task's metrics, fractions.
        madds: {convention: multiply-adds of one sample}.
        sample_madds: {convention: (N,) multiply-adds of every sample} where they differ; their
            means stand in `madds` under `true_lengths`.
    """
    totals = {convention: {"total": madds[convention]} for convention in MADDS_CONVENTIONS}
    if sample_madds is not None:
        totals["true_lengths"] = {
            convention: {"total": float(sample_madds[convention].mean())}
            for convention in MADDS_CONVENTIONS
        }
    return {"metrics": scores, "madds": totals, **_pace(result)}


def dynamic_record(
    result, scores, experts, madds, sample_madds=None, *, soft=False, reads_first=False
):
    """The part of a dynamic model's `metrics.json` that depends on its results.

    Args:
        result: `SplitOutputs` of the test split.
        scores: the task's metrics.
        experts: names of the experts, in the order of the gate.
        madds: for each expert and, last, the gate: {convention: multiply-adds of one sample}.
        sample_madds: the same with (N,) arrays, or None.
        soft: the gate stays soft, so that every expert runs for every sample.
        reads_first: the first expert runs for every sample, see `DynamicExperts`.

    Returns:
        As `expert_record`, `reads_first`, and `expert_shares`: expert -> share of the samples that
        chose it. Each convention has the mean over samples in `total`, and one run of the gate in
        `gate` and of each expert in `experts`.
    """
    chosen = result.chosen.numpy()
    shares = np.bincount(chosen, minlength=len(experts)) / len(chosen)
    totals = {}
    for convention in MADDS_CONVENTIONS:
        *of_experts, of_gate = [counts[convention] for counts in madds]
        totals[convention] = {
            "total": float(mean_madds(shares, of_experts, of_gate, soft, reads_first)),
            "gate": of_gate,
            "experts": dict(zip(experts, of_experts, strict=True)),
        }
    if sample_madds is not None:
        totals["true_lengths"] = {
            convention: {
                "total": _mean_of_samples(sample_madds, convention, chosen, soft, reads_first)
            }
            for convention in MADDS_CONVENTIONS
        }
    return {
        "metrics": scores,
        "expert_shares": dict(zip(experts, shares.tolist(), strict=True)),
        "reads_first": reads_first,
        "madds": totals,
        **_pace(result),
    }


def mean_madds(shares, expert_madds, gate_madds, soft=False, reads_first=False):
    """Multiply-adds per sample of a dynamic model: the gate and the experts that ran.

    Args:
        shares: share of the samples that each expert got, (K,), summing to 1.
        expert_madds: multiply-adds of each expert for one sample.
        gate_madds: multiply-adds of the gate for one sample.
        soft: soft gates weigh all outputs, so every expert runs for every sample.
        reads_first: the first expert runs for every sample.
    """
    if soft:
        return gate_madds + sum(expert_madds)
    ran = madds_by_path(expert_madds, reads_first)
    return gate_madds + sum(share * cost for share, cost in zip(shares, ran, strict=True))


def save_predictions(path, result, ids, targets, more=None):
    """Write what figures need of every sample, so that none of them runs a model.

    `predictions.npz`: `ids` (N,) bytes, `targets` and `outputs` (N, C) float32, and for a dynamic
    model `gate_logits` (N, K) and `chosen` (N,); `more` are arrays to add.
    """
    arrays = {"ids": np.asarray(ids), "targets": targets.numpy(), "outputs": result.outputs.numpy()}
    arrays |= more or {}
    if result.chosen is not None:
        arrays |= {
            "gate_logits": result.gate_logits.numpy(),
            "chosen": result.chosen.numpy(),
        }
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def _mean_of_samples(sample_madds, convention, chosen, soft, reads_first):
    *of_experts, of_gate = [counts[convention] for counts in sample_madds]
    ran = np.stack(madds_by_path(of_experts, reads_first))
    run = sum(of_experts) if soft else ran[chosen, np.arange(len(chosen))]
    return float((of_gate + run).mean())


def _pace(result):
    samples = len(result.outputs)
    return {"samples": samples, "seconds_per_sample": result.seconds / samples}
