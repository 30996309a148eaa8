"""A linear map from features to targets, fitted in closed form with its leave-one-out outputs."""

import torch
import torch.nn.functional as F
from torch import nn

STRENGTHS = torch.logspace(
    0, 7, 29, dtype=torch.float64
)  # of the ridge, on features of deviation 1
CONSTANT = 1e-6  # deviation below which a feature says nothing
RANK = 1e-9  # of the largest eigenvalue: smaller ones are rounding


class RidgeProbe(nn.Linear):
    """Ridge regression on standardised features, its strength chosen by leave-one-out error.

    `fit` returns the leave-one-out outputs, those of the probe fitted without the sample, in closed
    form (Golub, Heath and Wahba 1979): what is learned from them is not misled by how well the
    probe knows its own training samples. After `fit` it is a plain linear layer.

    Args:
        size: number of features.
        outputs: number of targets.
        binary: targets are 0 or 1, and the outputs logits: scores of the regression and the share
            of ones of each target, weighed by a logistic regression on the leave-one-out scores.
    """

    def __init__(self, size, outputs, binary):
        super().__init__(size, outputs)
        self.binary = binary
        self.requires_grad_(False)

    @torch.no_grad()
    def fit(self, features, targets):
        """Fit to N samples.

        Args:
            features: (N, size).
            targets: (N, outputs).

        Returns:
            (N, outputs) float32, what the probe says of each sample without having seen it.
        """
        x, y = features.double(), targets.double()
        mean, deviation = x.mean(0), x.std(0, unbiased=False)
        scale = torch.where(deviation > CONSTANT, 1 / deviation, 0.0)
        z, prior = (x - mean) * scale, y.mean(0)
        values, vectors = _left_singular(z)
        projected = vectors.T @ (y - prior)
        strength, left_out = self._strength(y, prior, values, vectors, projected)
        weight = z.T @ (vectors @ (projected / (values + strength)[:, None]))  # (size, outputs)
        slope, shift = 1.0, torch.zeros_like(prior)
        if self.binary:
            slope, of_prior, constant = _calibrated(left_out, prior, y)
            shift = of_prior * prior + constant
        weight = slope * scale[:, None] * weight
        self.weight.copy_(weight.T)
        self.bias.copy_(slope * prior + shift - mean @ weight)
        return (slope * left_out + shift).float()

    def _strength(self, y, prior, values, vectors, projected):
        """The strength of the lowest leave-one-out error, and the leave-one-out scores."""
        best = None
        for strength in STRENGTHS:
            kept = values / (values + strength)
            fitted = vectors @ (kept[:, None] * projected)
            leverage = (vectors * vectors) @ kept + 1 / len(y)
            left_out = y - (y - prior - fitted) / (1 - leverage)[:, None]
            error = (left_out - y).pow(2).mean()
            if best is None or error < best[0]:
                best = error, strength, left_out
        return best[1:]


def _left_singular(z):
    """Eigenvalues (R,) of z z^T and their vectors (N, R)."""
    samples, size = z.shape
    if size >= samples:
        values, vectors = torch.linalg.eigh(z @ z.T)
        return values.clamp(min=0), vectors
    values, right = torch.linalg.eigh(z.T @ z)
    kept = values > RANK * values.max()
    return values[kept], z @ right[:, kept] / values[kept].sqrt()


@torch.enable_grad()
def _calibrated(scores, prior, targets):
    """(slope, weight of the prior, constant) of the logistic regression on scores (N, C)."""
    found = torch.tensor([5.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        logits = found[0] * scores + found[1] * prior + found[2]
        loss = F.binary_cross_entropy_with_logits(logits, targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    return found.detach()
