"""The transformer that reads a sequence into one vector: MOSEI's encoders and gates.

MultiBench's `Transformer`: a convolution of width 1 without bias, then post-norm encoder layers,
then one time step of their output. The authors take the last step of the padded batch and mask
nothing; `readout` chooses between that and the last step of the sample itself.
"""

import contextlib
import copy

import torch
import torch.nn.functional as F
from torch import nn

from dynmm.errors import InputError
from dynmm.models.experts.sequence_layout import padded_layout, valid_layout
from dynmm.options import READOUTS


class SequenceTransformer(nn.Module):
    """Sequences (B, L, features) to one vector (B, width) each.

    Args:
        features: size of a time step.
        width: size of the model; a multiple of `heads`.
        heads: attention heads.
        layers: encoder layers, 1 or more.
        feedforward: hidden size of a layer's perceptron.
        dropout: as in `nn.TransformerEncoderLayer`.
        readout: "last_valid" masks the padding and reads each sample's last step, so that a
            prediction does not depend on the batch around it. "authors" attends to the padding and
            reads the last step of the padded batch.

    Attributes:
        whole_last_layer: compute the last layer at every step, though one step of it is read; the
            result is the same. Only for counting the multiply-adds of the published network.

    Raises:
        InputError: unknown readout, or a width that the heads do not divide.
    """

    def __init__(
        self,
        features,
        width,
        *,
        heads=5,
        layers=5,
        feedforward=2048,
        dropout=0.1,
        readout="last_valid",
    ):
        super().__init__()
        if readout not in READOUTS:
            raise InputError("unknown readout", found=readout, expected=" or ".join(READOUTS))
        if width % heads:
            raise InputError(
                "the heads of a transformer share its width evenly",
                found=f"width {width}, heads {heads}",
                expected="a width that is a multiple of heads",
            )
        self.readout = readout
        self.whole_last_layer = False
        self.conv = nn.Conv1d(features, width, kernel_size=1, bias=False)
        # as torch's TransformerEncoder, whose layers all start as copies of one
        first = EncoderLayer(width, heads, feedforward, dropout)
        copies = [first, *(copy.deepcopy(first) for _ in range(layers - 1))]
        self.transformer = nn.ModuleDict({"layers": nn.ModuleList(copies)})

    def forward(self, sequences, lengths):
        """Read out one vector a sample.

        Args:
            sequences: (B, L, features), padded at the end.
            lengths: (B,) int64, at least 1; not looked at by the authors' readout.

        Returns:
            (B, width).
        """
        if self.readout == "authors":
            layout = padded_layout(sequences)
        else:
            layout = valid_layout(sequences, lengths)
        tokens = self.conv(layout.pack(sequences).T.unsqueeze(0)).squeeze(0).T.contiguous()
        *others, last = self.transformer["layers"]
        for layer in others:
            tokens = layer(tokens, layout)
        if self.whole_last_layer:
            return last(tokens, layout)[layout.ends]
        return last.at_ends(tokens, layout)


@contextlib.contextmanager
def published_computation(model):
    """Inside, every transformer computes its last layer in full, as the published networks do.

    Its results stay the same; this is for counting the multiply-adds that the paper's tables hold.
    """
    transformers = [m for m in model.modules() if isinstance(m, SequenceTransformer)]
    before = [transformer.whole_last_layer for transformer in transformers]
    for transformer in transformers:
        transformer.whole_last_layer = True
    try:
        yield model
    finally:
        for transformer, flag in zip(transformers, before, strict=True):
            transformer.whole_last_layer = flag


class EncoderLayer(nn.Module):
    """A post-norm encoder layer over packed tokens, equal to `nn.TransformerEncoderLayer`.

    All but the attention itself works on the valid steps alone, (N, width) with N the sum of the
    lengths.
    """

    def __init__(self, width, heads, feedforward, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.self_attn = nn.MultiheadAttention(width, heads)  # holds the projections; not called
        self.linear1 = nn.Linear(width, feedforward)
        self.linear2 = nn.Linear(feedforward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, tokens, layout):
        """Tokens (N, width) to tokens (N, width)."""
        projected = F.linear(tokens, self.self_attn.in_proj_weight, self.self_attn.in_proj_bias)
        query, key, value = self._heads(layout.pad(projected), parts=3)
        attended = layout.pack(self._attend(query, key, value, layout))
        return self._after_attention(tokens, attended)

    def at_ends(self, tokens, layout):
        """The same, (N, width) to (B, width), computed for the steps that are read out alone."""
        weight, bias = self.self_attn.in_proj_weight, self.self_attn.in_proj_bias
        width = tokens.shape[1]
        ends = tokens[layout.ends]
        query = F.linear(ends, weight[:width], bias[:width]).unsqueeze(1)
        others = F.linear(tokens, weight[width:], bias[width:])
        (query,) = self._heads(query, parts=1)
        key, value = self._heads(layout.pad(others), parts=2)
        attended = self._attend(query, key, value, layout).squeeze(1)
        return self._after_attention(ends, attended)

    def _heads(self, padded, parts):
        """(B, L, parts * width) to `parts` tensors (B, heads, L, width / heads)."""
        batch, steps, _ = padded.shape
        return padded.view(batch, steps, parts, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def _attend(self, query, key, value, layout):
        attended = F.scaled_dot_product_attention(
            query, key, value, layout.key_mask, self.dropout if self.training else 0.0
        )
        return attended.transpose(1, 2).flatten(2)

    def _after_attention(self, tokens, attended):
        # as functions: the authors' counter of multiply-adds sees modules, and not attention's
        output = self.self_attn.out_proj
        attended = F.linear(attended, output.weight, output.bias)
        tokens = self.norm1(tokens + self._drop(attended))
        hidden = self._drop(torch.relu(self.linear1(tokens)))
        return self.norm2(tokens + self._drop(self.linear2(hidden)))

    def _drop(self, x):
        return F.dropout(x, self.dropout, self.training)
