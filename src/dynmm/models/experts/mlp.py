"""The two-layer perceptron that heads most experts (MultiBench's `MLP`)."""

import torch
from torch import nn


class Mlp(nn.Module):
    """Linear, ReLU, linear."""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.fc = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, x):
        """(B, inputs) to (B, outputs)."""
        return self.fc2(torch.relu(self.fc(x)))
