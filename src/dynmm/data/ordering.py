"""The order in which samples meet: shuffled into batches, and back into the order of the split."""

import torch


def shuffled(count, seed, epoch):
    """A permutation of 0..count-1 (int64) that depends on count, seed and epoch alone."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(count, generator=generator)


def fold(count, folds, place, seed):
    """Part samples for cross-fitting.

    Args:
        count: number of samples.
        folds: in how many parts, which differ by one sample at most.
        place: which of them is held out, from 0.
        seed: decides who is in which part, with count and folds alone.

    Returns:
        (kept, held_out): ascending positions, int64.
    """
    generator = torch.Generator().manual_seed(seed)
    of_sample = torch.randperm(count, generator=generator) % folds
    return (of_sample != place).nonzero().flatten(), (of_sample == place).nonzero().flatten()


def in_order(values, indices):
    """Results of batches, put back into the order of the split.

    Args:
        values: list of tensors (B, ...), one a batch.
        indices: the batches' `index`.

    Returns:
        (N, ...).
    """
    values, index = torch.cat(list(values)), torch.cat(list(indices)).to(values[0].device)
    result = torch.empty_like(values)
    result[index] = values
    return result


def whole_batches(order, batch_size):
    """`order` in pieces of `batch_size`; a last piece of one joins the piece before it."""
    pieces = list(order.split(batch_size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces
