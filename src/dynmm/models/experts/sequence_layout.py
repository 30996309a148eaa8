"""Where the valid steps of a padded batch lie: packing them side by side and padding them again."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Layout:
    """B sequences of up to L steps whose N valid steps are packed into one row of tokens.

    Args:
        batch, steps: B and L.
        places: (N,) int64 places of the tokens in the padded batch, flattened; None where every
            step is a token.
        ends: (B,) int64 place of each sample's last step among the tokens.
        key_mask: (B, 1, 1, L) bool, true where attention may look; None for everywhere.
    """

    batch: int
    steps: int
    places: torch.Tensor | None
    ends: torch.Tensor
    key_mask: torch.Tensor | None

    def pack(self, padded):
        """(B, L or more, F) to tokens (N, F)."""
        flat = padded[:, : self.steps].flatten(0, 1)
        return flat if self.places is None else flat.index_select(0, self.places)

    def pad(self, tokens):
        """Tokens (N, F) to (B, L, F), zeros between."""
        if self.places is not None:
            zeros = tokens.new_zeros(self.batch * self.steps, tokens.shape[1])
            tokens = zeros.index_copy(0, self.places, tokens)
        return tokens.view(self.batch, self.steps, -1)


def padded_layout(sequences):
    """Every step of the padded batch (B, L, F) is a token, padding too (the authors' way)."""
    batch, steps, _ = sequences.shape
    ends = torch.arange(1, batch + 1, device=sequences.device) * steps - 1
    return Layout(batch, steps, None, ends, None)


def valid_layout(sequences, lengths):
    """The first `lengths` (B,) steps of each sample are tokens; L is the longest of them."""
    batch, steps = len(lengths), int(lengths.max())
    lengths = lengths.to(sequences.device)
    if int(lengths.min()) == steps:
        return padded_layout(sequences[:, :steps])
    valid = torch.arange(steps, device=sequences.device) < lengths.unsqueeze(1)
    places = valid.flatten().nonzero().squeeze(1)
    return Layout(batch, steps, places, lengths.cumsum(0) - 1, valid[:, None, None, :])
