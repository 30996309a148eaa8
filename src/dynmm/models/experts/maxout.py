"""Maxout layers and the perceptrons built of them, as MultiBench has them for MM-IMDB."""

from torch import nn

POOL = 2
DROPOUT = 0.3
INPUT_NORM_EPS = 1e-4


class Maxout(nn.Module):
    """A linear layer whose neighbouring `pool` outputs compete: (B, inputs) to (B, outputs)."""

    def __init__(self, inputs, outputs, pool=POOL):
        super().__init__()
        self.outputs, self.pool = outputs, pool
        self.lin = nn.Linear(inputs, outputs * pool)

    def forward(self, x):
        """The largest of each group of `pool` outputs."""
        return self.lin(x).unflatten(-1, (self.outputs, self.pool)).amax(dim=-1)


class MaxoutMlp(nn.Module):
    """Normalised inputs, two maxout layers with batch norm and dropout, and a linear layer or none.

    Parameters bear the names of MultiBench's `MaxOut_MLP`.

    Args:
        inputs: feature size.
        hidden: size after the first maxout layer.
        second_hidden: size after the second.
        outputs: size of the linear layer at the end; None leaves it out (the encoders of late
            fusion end with the second maxout layer).
        dropout: share of features dropped after each maxout layer.
    """

    def __init__(self, inputs, hidden, second_hidden, outputs=None, dropout=DROPOUT):
        super().__init__()
        self.op0 = nn.BatchNorm1d(inputs, eps=INPUT_NORM_EPS)
        self.op1 = Maxout(inputs, hidden)
        self.op2 = nn.Sequential(nn.BatchNorm1d(hidden), nn.Dropout(dropout))
        self.op3 = Maxout(hidden, second_hidden)
        self.op4 = nn.Sequential(nn.BatchNorm1d(second_hidden), nn.Dropout(dropout))
        self.hid2val = nn.Linear(second_hidden, outputs) if outputs is not None else None

    def forward(self, x):
        """(B, inputs) to (B, outputs), or to (B, second_hidden) without the linear layer."""
        x = self.op4(self.op3(self.op2(self.op1(self.op0(x)))))
        return x if self.hid2val is None else self.hid2val(x)
