"""From gate logits to branch weights: soft, straight-through, hard and random gates.

Paper equation 3; the authors' `DiffSoftmax` (equal in their three models) and
`exp_decay_temp`. Their code adds no Gumbel noise though the paper does: `gumbel` chooses.
"""

import torch
import torch.nn.functional as F

MODES = ("soft", "straight_through", "hard")


def relax_gate(logits, temperature, mode, *, gumbel=False, generator=None):
    """Weights of K branches from the gate's logits.

    Args:
        logits: (B, K) floating point.
        temperature: tau > 0; "hard" weights do not depend on it.
        mode: "soft" (softmax at tau), "straight_through" (one-hot values, gradient of the
            softmax at tau) or "hard" (one-hot, no gradient). Ties go to the first index.
        gumbel: add Gumbel(0, 1) noise to the logits first, so that the largest entry is a draw
            from softmax(logits).
        generator: source of that noise; its device may differ from the logits'.

    Returns:
        (B, K) weights; every row sums to 1 and one-hot rows hold exactly 0 and 1.

    Raises:
        ValueError: on an unknown mode or a temperature that is not positive.
    """
    if mode not in MODES:
        raise ValueError(f"gate mode {mode!r}; expected one of {', '.join(MODES)}")
    if not temperature > 0:
        raise ValueError(f"gate temperature must be positive, got {temperature}")
    if gumbel:
        logits = logits + _gumbel_noise(logits, generator)
    hard = F.one_hot(logits.detach().argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    if mode == "hard":
        return hard
    soft = torch.softmax(logits / temperature, dim=-1)
    if mode == "soft":
        return soft
    # the bracket is exactly zero, so the chosen entry stays exactly one
    return hard + (soft - soft.detach())


def random_paths(batch, paths, generator=None, device=None):
    """One-hot gates drawn uniformly (the paper's Stage I at the fusion level).

    Args:
        batch: number of samples B.
        paths: number of branches K.
        generator: source of the draw; its device may differ from `device`.
        device: where the result lies.

    Returns:
        (B, K) float32, one 1 in each row.
    """
    drawn_on = generator.device if generator is not None else device
    chosen = torch.randint(paths, (batch,), generator=generator, device=drawn_on)
    return F.one_hot(chosen.to(device), paths).float()


def temperature_at(epoch, start, end, epochs):
    """Exponential decay from `start` at epoch 0 to `end` at epoch `epochs` (DynMM-b of the paper).

    With `epochs` 0 the temperature stays at `start`, as in the authors' `exp_decay_temp`.
    """
    if epochs == 0:
        return start
    return start * (end / start) ** (epoch / epochs)


def _gumbel_noise(logits, generator):
    drawn_on = generator.device if generator is not None else logits.device
    exponential = torch.empty(logits.shape, dtype=torch.float32, device=drawn_on)
    exponential.exponential_(generator=generator)
    return -exponential.log().to(device=logits.device, dtype=logits.dtype)
