"""One gate beside the reference policies at its cost: one seed, then all seeds together."""

import statistics as of_seeds
from dataclasses import dataclass

import numpy as np

from dynmm.evaluation.routing import policies
from dynmm.evaluation.routing.paths import CASCADE, GATE, LINEAR, ORACLE, RANDOM
from dynmm.evaluation.routing.statistics import (
    bootstrap_weights,
    choice_auc,
    gain,
    interval,
    oracle_share,
    permutation_p,
)

DRAWS_AT_ONCE = 250  # bounds the memory of shuffled choices


@dataclass(frozen=True)
class Resampling:
    """How often choices are shuffled and samples drawn, all from one seed.

    Attributes:
        draws: shuffles of a gate's choices.
        replicates: of the bootstrap.
    """

    draws: int
    replicates: int

    def weights(self, samples, seeds):
        """See `bootstrap_weights`: the same for every gate over these samples."""
        return bootstrap_weights(samples, seeds, self.replicates, np.random.default_rng(0))


@dataclass(frozen=True)
class SeedSums:
    """Counts of one seed, summed over the samples under each policy: all that scores need.

    Attributes:
        seed: of the training.
        shares: (K,) share of the samples on each path.
        costs: cost name -> policy -> mean cost of a sample.
        policies: policy -> (M,) for the gate, the oracle, the cascade and the linear router.
        shuffled: (D, M) the gate's choices shuffled.
        expected: (M,) mean of what shuffling can give.
        drawn, drawn_expected: (B, M) of the gate and of `expected`, on the bootstrap's samples.
        auc: see `choice_auc`.
    """

    seed: int
    shares: np.ndarray
    costs: dict
    policies: dict
    shuffled: np.ndarray
    expected: np.ndarray
    drawn: np.ndarray
    drawn_expected: np.ndarray
    auc: float


def seed_sums(seed, paths, gate, resampling, weights):
    """Everything about one seed of a gate, before any score.

    Args:
        seed: of the training.
        paths: `PathResults`.
        gate: `GateChoices`.
        resampling: `Resampling`.
        weights: (B, N) how often the bootstrap drew each sample.

    Returns:
        `SeedSums`.
    """
    samples, count = paths.losses.shape
    chosen = gate.chosen
    shares = policies.path_counts(chosen, count) / samples
    choices = {
        GATE: chosen,
        ORACLE: policies.by_loss(paths.losses, paths.path_costs, chosen),
        CASCADE: policies.cascade(paths.uncertainty, chosen, paths.path_costs),
    }
    if paths.predicted is not None:
        choices[LINEAR] = policies.by_loss(paths.predicted, paths.path_costs, chosen)
    own_shares = {
        name: policies.path_counts(choice, count) / samples for name, choice in choices.items()
    }
    own = paths.counts[np.arange(samples), chosen]
    on_path = np.eye(count)[chosen]  # (N, K)
    drawn_shares = weights @ on_path / samples
    return SeedSums(
        seed=seed,
        shares=shares,
        costs={
            name: {policy: costs.of(policy, own) for policy, own in own_shares.items()}
            | {RANDOM: costs.of(RANDOM, shares)}
            for name, costs in paths.costs.items()
        },
        policies={name: paths.sums(choice) for name, choice in choices.items()},
        shuffled=_shuffled_sums(paths.counts, chosen, resampling.draws, seed),
        expected=np.tensordot(shares, paths.counts.sum(0), 1),
        drawn=weights @ own,
        drawn_expected=sum(
            drawn_shares[:, k, None] * (weights @ paths.counts[:, k]) for k in range(count)
        ),
        auc=choice_auc(gate.logits, paths.losses, paths.path_costs),
    )


def compare(score, seeds, drawn_seeds):
    """The numbers of one gate by one score.

    Args:
        score: `metrics.additive.AdditiveScore`.
        seeds: list of `SeedSums`.
        drawn_seeds: (B, S) how often the bootstrap drew each seed.

    Returns:
        dict: `seeds`, a list with a dict a seed (seed, shares, auc, costs, p, gain, oracle_gain,
        and of each policy its score; of `random` also `random_std`), and over all seeds: `gain`,
        `gain_low`, `gain_high`, `oracle_share`, `p`, `auc` (None where not defined).
    """
    rows, shuffled = [], []
    for one in seeds:
        row, values = _one_seed(score, one)
        rows.append(row)
        shuffled.append(values)
    own_gain = of_seeds.fmean(row["gain"] for row in rows)
    low, high = interval(_drawn_gains(score, seeds, drawn_seeds, rows))
    own_score = of_seeds.fmean(row[GATE] for row in rows)
    defined = [row["auc"] for row in rows if row["auc"] is not None]
    return {
        "seeds": rows,
        "gain": own_gain,
        "gain_low": low,
        "gain_high": high,
        "oracle_share": _or_none(
            oracle_share(own_gain, of_seeds.fmean(row["oracle_gain"] for row in rows))
        ),
        "p": permutation_p(own_score, np.mean(shuffled, axis=0), score.higher_is_better),
        "auc": of_seeds.fmean(defined) if defined else None,
    }


def _one_seed(score, one):
    values = score.value(one.shuffled)
    found = {name: float(score.value(sums)) for name, sums in one.policies.items()}
    found[RANDOM] = float(score.value(one.expected) if score.linear else values.mean())
    better = score.higher_is_better
    row = {
        "seed": one.seed,
        "shares": one.shares.tolist(),
        "auc": _or_none(one.auc),
        "costs": one.costs,
        **found,
        "random_std": float(values.std(ddof=1)),
        "p": permutation_p(found[GATE], values, better),
        "gain": gain(found[GATE], found[RANDOM], better),
        "oracle_gain": gain(found[ORACLE], found[RANDOM], better),
    }
    return row, values


def _drawn_gains(score, seeds, drawn_seeds, rows):
    """(B,) gains over random choice on the bootstrap's samples and seeds.

    Random choice there is the score of the expected counts; where that is not the expected score,
    the difference between both on the whole split is taken off.
    """
    gains = []
    for one, row in zip(seeds, rows, strict=True):
        expected = float(score.value(one.expected))
        shift = gain(expected, row[RANDOM], score.higher_is_better)
        drawn, random = score.value(one.drawn), score.value(one.drawn_expected)
        gains.append(gain(drawn, random, score.higher_is_better) + shift)
    return (np.array(gains) * drawn_seeds.T).sum(0) / len(seeds)


def _shuffled_sums(counts, chosen, draws, seed):
    """(D, M) sums under shuffled choices: for each path one product of matrices."""
    rng, parts = np.random.default_rng([seed, 1]), []
    for start in range(0, draws, DRAWS_AT_ONCE):
        choices = policies.shuffled(chosen, min(DRAWS_AT_ONCE, draws - start), rng)
        parts.append(
            sum((choices == k).astype(np.float64) @ counts[:, k] for k in range(counts.shape[1]))
        )
    return np.concatenate(parts)


def _or_none(value):
    return None if np.isnan(value) else float(value)
