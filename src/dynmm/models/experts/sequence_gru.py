"""The GRU that reads a sequence into one vector (MultiBench's `GRU` with `has_padding`)."""

from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class SequenceGru(nn.Module):
    """Sequences (B, L, features) to the last hidden state (B, width) of each.

    Packed by length, as the authors do it too: no prediction depends on the padding.

    Args:
        features: size of a time step.
        width: size of the hidden state.
        dropout: on the state that is read out.
    """

    def __init__(self, features, width, dropout=0.1):
        super().__init__()
        self.gru = nn.GRU(features, width, batch_first=True)
        self.drop = nn.Dropout(dropout)

    def forward(self, sequences, lengths):
        """Args: sequences (B, L, features) padded at the end, lengths (B,) int64, at least 1."""
        packed = pack_padded_sequence(
            sequences, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        return self.drop(self.gru(packed)[1][-1])
