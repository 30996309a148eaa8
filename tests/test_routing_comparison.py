"""A perfect, a random and an inverted gate beside the reference policies."""

from dataclasses import replace

import numpy as np
import pytest

from dynmm.evaluation.routing.comparison import Resampling, compare, seed_sums
from dynmm.evaluation.routing.curves import interior
from dynmm.evaluation.routing.linear_router import fit_linear_router
from dynmm.evaluation.routing.paths import GateChoices, PathResults, PolicyCosts
from dynmm.evaluation.routing.study import GateGroup, GatePoint, family_of, study
from dynmm.metrics.additive import F1_SCORES, SENTIMENT_SCORES, f1_counts, sentiment_counts

N, SEEDS = 200, (0, 1, 2)
OWN, GATE, ROUTER = np.array([10.0, 100.0]), 5.0, 1.0
COSTS = {
    "total": PolicyCosts(OWN, GATE + OWN, OWN + np.array([0, OWN[0]]), ROUTER + OWN),
}
RESAMPLING = Resampling(draws=400, replicates=300)
ACC, MAE = SENTIMENT_SCORES["acc2"], SENTIMENT_SCORES["mae"]


def sentiment(seed=0, right=(0.5, 0.7)):
    """Two paths whose signs are right by chance, independently of each other."""
    rng = np.random.default_rng(seed)
    true = rng.choice([-1.0, 1.0], N)
    outputs = np.stack([np.where(rng.random(N) < share, true, -true) for share in right], axis=1)
    outputs *= rng.uniform(0.5, 1.5, (N, 2))
    counts = np.stack([sentiment_counts(outputs[:, k], true) for k in (0, 1)], axis=1)
    losses = np.abs(outputs - true[:, None])
    return PathResults(counts, losses, -np.abs(outputs[:, 0]), COSTS)


def gate(paths, kind, share=0.5, seed=0):
    """Choices of `share` of the samples for the second path."""
    word = paths.losses[:, 0] - paths.losses[:, 1]
    if kind == "inverted":
        word = -word
    elif kind == "random":
        word = np.random.default_rng(100 + seed).normal(size=N)
    chosen = np.zeros(N, dtype=np.int64)
    chosen[np.argsort(-word)[: round(share * N)]] = 1
    return GateChoices(chosen, np.stack([np.zeros(N), word], axis=1))


def compared(kind, score=ACC, share=0.5, seeds=SEEDS, make=sentiment):
    weights, drawn_seeds = RESAMPLING.weights(N, len(seeds))
    sums = [
        seed_sums(seed, paths, gate(paths, kind, share, seed), RESAMPLING, weights)
        for seed, paths in ((seed, make(seed)) for seed in seeds)
    ]
    return compare(score, sums, drawn_seeds)


def test_a_perfect_gate_is_the_oracle():
    found = compared("perfect")
    assert found["auc"] == 1
    assert found["oracle_share"] == pytest.approx(1)
    assert found["p"] == 1 / 401
    assert all(row["gate"] == row["oracle"] for row in found["seeds"])
    assert found["gain_low"] > 0.05
    assert found["gain_low"] < found["gain"] < found["gain_high"]


def test_an_inverted_gate_is_worse_than_random():
    found = compared("inverted")
    assert found["auc"] == 0
    assert found["oracle_share"] < -0.5
    assert found["p"] == 1.0
    assert found["gain_high"] < 0


def test_a_random_gate_gains_nothing():
    found = compared("random")
    assert found["auc"] == pytest.approx(0.5, abs=0.06)
    assert abs(found["oracle_share"]) < 0.2
    assert 0.02 < found["p"] < 0.98
    assert found["gain_low"] < 0 < found["gain_high"]


def test_the_gain_of_an_error_is_what_it_falls_by():
    found = compared("perfect", MAE)
    for row in found["seeds"]:
        assert row["gain"] == pytest.approx(row["random"] - row["gate"])
        assert row["gate"] == row["oracle"] < row["random"]
    assert found["p"] == 1 / 401 and found["gain_low"] > 0


def test_random_choice_of_a_mean_is_exact():
    found = compared("random", share=0.3)
    for seed, row in zip(SEEDS, found["seeds"], strict=True):
        right = sentiment(seed).counts[:, :, 1].mean(0)
        assert row["random"] == pytest.approx(0.7 * right[0] + 0.3 * right[1])
        assert row["shares"] == pytest.approx([0.7, 0.3])
        # N independent swaps of a right for a wrong sign: the deviation of the shuffles
        assert row["random_std"] == pytest.approx(np.sqrt(0.3 * 0.7 * 0.5 / N), rel=0.2)


@pytest.mark.parametrize(("share", "path"), [(0.0, 0), (1.0, 1)])
def test_with_one_path_alone_there_is_nothing_to_choose(share, path):
    for score in (ACC, MAE):
        found = compared("perfect", score, share)
        assert found["gain"] == pytest.approx(0, abs=1e-12)
        assert (found["gain_low"], found["gain_high"]) == pytest.approx((0, 0), abs=1e-12)
        assert found["p"] == 1.0
        assert found["oracle_share"] is None
        assert found["auc"] == 1, "its logits still rank the samples"
        for row in found["seeds"]:
            assert row["gate"] == pytest.approx(row["random"]) == pytest.approx(row["cascade"])
            assert row["costs"]["total"]["gate"] == GATE + OWN[path]


def test_every_policy_pays_for_what_it_runs():
    (row, *_) = compared("perfect", share=0.25)["seeds"]
    own = 0.75 * 10 + 0.25 * 100
    assert row["costs"]["total"] == pytest.approx(
        {"gate": own + GATE, "oracle": own + GATE, "random": own, "cascade": 10 + 0.25 * 100}
    )


def genres(seed=0):
    """Two paths for three genres; the second sees the third genre, the first does not."""
    rng = np.random.default_rng(seed)
    true = (rng.random((N, 3)) < 0.4).astype(np.float64)
    logits = np.stack([np.where(rng.random((N, 3)) < 0.7, true, 1 - true) - 0.5 for _ in (0, 1)], 1)
    logits[:, 0, 2] = -0.5
    counts = np.stack([f1_counts(logits[:, k], true) for k in (0, 1)], axis=1)
    losses = np.logaddexp(0, logits) - logits * true[:, None]
    return PathResults(counts, losses.mean(2), rng.random(N), COSTS)


def test_macro_f1_is_no_mean_and_is_shuffled():
    score = F1_SCORES["macro_f1"]
    found = compared("perfect", score, make=genres)
    (row, *_) = found["seeds"]
    paths = genres(SEEDS[0])
    own = gate(paths, "perfect").chosen
    rng, values = np.random.default_rng(9), []
    for _ in range(3000):
        values.append(float(score.value(paths.sums(rng.permutation(own)))))
    assert row["random"] == pytest.approx(np.mean(values), abs=0.002)
    assert row["random_std"] == pytest.approx(np.std(values), rel=0.15)
    assert row["gate"] == pytest.approx(float(score.value(paths.sums(own))))
    assert found["p"] == 1 / 401 and found["gain_low"] > 0
    assert abs(compared("random", score, make=genres)["oracle_share"]) < 0.25


def test_the_interval_is_that_of_a_plain_bootstrap():
    """Drawn anew sample by sample, with the same samples for every seed."""
    found = compared("random", seeds=(0,))
    paths = sentiment(0)
    chosen = gate(paths, "random", seed=0).chosen
    right = paths.counts[:, :, 1]
    rng, gains = np.random.default_rng(5), []
    for _ in range(2000):
        drawn = rng.integers(0, N, N)
        share = chosen[drawn].mean()
        random = (1 - share) * right[drawn, 0].mean() + share * right[drawn, 1].mean()
        gains.append(right[drawn, chosen[drawn]].mean() - random)
    low, high = np.percentile(gains, [2.5, 97.5])
    assert found["gain_low"] == pytest.approx(low, abs=0.012)
    assert found["gain_high"] == pytest.approx(high, abs=0.012)


def test_seeds_are_pooled_in_one_p():
    """Three seeds that are each a little better than chance are better than chance together."""
    weights, drawn_seeds = RESAMPLING.weights(N, 3)
    sums = []
    for seed in SEEDS:
        paths = sentiment(seed)
        word = paths.losses[:, 0] - paths.losses[:, 1]
        word = word + 7 * np.random.default_rng(seed + 20).normal(size=N)
        chosen = (word > np.median(word)).astype(np.int64)
        choices = GateChoices(chosen, np.stack([np.zeros(N), word], axis=1))
        sums.append(seed_sums(seed, paths, choices, RESAMPLING, weights))
    found = compare(ACC, sums, drawn_seeds)
    assert found["p"] < 0.05 < min(row["p"] for row in found["seeds"])
    assert found["gain"] == pytest.approx(np.mean([row["gain"] for row in found["seeds"]]))


def test_the_same_seeds_give_the_same_numbers():
    assert compared("random") == compared("random")


def test_a_linear_router_learns_a_linear_gain_and_ignores_noise():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 20))
    losses = np.stack([np.ones(300), 1 - features[:, 3] + 0.1 * rng.normal(size=300)], axis=1)
    predict = fit_linear_router(features[:200], losses[:200])
    found = predict(features[200:])
    assert found.shape == (100, 2) and not found[:, 0].any()
    assert np.corrcoef(found[:, 1], -features[200:, 3])[0, 1] > 0.98
    nothing = fit_linear_router(features[:200], rng.random((200, 2)))(features[200:])
    assert nothing[:, 1].std() < 0.05, "the strength is chosen so that noise is not learnt"


def test_the_router_is_a_policy_where_there_is_one():
    paths = sentiment(0)
    routed = replace(paths, predicted=paths.losses)
    weights, drawn = RESAMPLING.weights(N, 1)
    sums = [seed_sums(0, routed, gate(paths, "random"), RESAMPLING, weights)]
    (row,) = compare(ACC, sums, drawn)["seeds"]
    assert row["linear"] == row["oracle"] > row["random"]
    assert row["costs"]["total"]["linear"] == ROUTER + 0.5 * OWN.sum()


def group(kinds, shared=True):
    seeds = {seed: sentiment(seed) for seed in SEEDS}
    points = [
        GatePoint(
            "dynmm",
            {"lambda": str(share), "freeze": kind},
            f"freeze {kind}",
            {s: (p, gate(p, kind, share, s)) for s, p in seeds.items()},
        )
        for kind in kinds
        for share in (0.25, 0.5, 0.75)
    ]
    return GateGroup("experts", points, seeds if shared else None)


def test_a_study_has_fixed_paths_curves_and_an_area_for_each_family():
    found = study([group(["perfect", "inverted"])], {"acc2": ACC}, RESAMPLING)
    assert found["acc2"]["higher_is_better"] is True
    (made,) = found["acc2"]["groups"]
    assert [len(path) for path in made["fixed"]] == [3, 3]
    (first, second) = (np.mean([row["score"] for row in path]) for path in made["fixed"])
    assert made["fixed"][1][0]["costs"] == {"total": 100.0}
    curves = made["curves"]
    assert set(curves) == {"random", "oracle", "cascade"}
    for curve in curves.values():
        assert curve["scores"][0] == pytest.approx(first)
        assert curve["scores"][-1] == pytest.approx(second)
    assert curves["random"]["costs"][0] == 10 and curves["random"]["costs"][-1] == 100
    assert curves["oracle"]["costs"][0] == 15, "the gate of an oracle costs as well"
    assert curves["cascade"]["costs"][-1] == 110
    assert np.interp(55, curves["random"]["costs"], curves["random"]["scores"]) == pytest.approx(
        (first + second) / 2
    )
    assert max(curves["oracle"]["scores"]) > second + 0.05
    areas = {entry["family"]: entry for entry in made["families"]}
    assert areas["freeze perfect"]["area"] > 0.05 > -0.05 > areas["freeze inverted"]["area"]
    assert areas["freeze perfect"]["seeds"] == 3 and areas["freeze perfect"]["area_std"] > 0


def test_the_gates_own_cost_lowers_its_area():
    """A gate that chooses at random and costs something lies below the random line."""
    cheap = group(["random"])
    dear_costs = {"total": COSTS["total"]._replace(gated=OWN + 40)}
    dear = GateGroup(
        "dear",
        [
            p.__class__(
                p.run,
                p.point,
                p.family,
                {s: (replace(paths, costs=dear_costs), g) for s, (paths, g) in p.seeds.items()},
            )
            for p in cheap.points
        ],
        cheap.paths,
    )
    found = study([cheap, dear], {"acc2": ACC}, RESAMPLING)["acc2"]["groups"]
    first, second = (made["families"][0]["area"] for made in found)
    assert second < first - 0.02


def test_points_with_paths_of_their_own_have_curves_through_the_points():
    (made,) = study([group(["perfect"], shared=False)], {"acc2": ACC}, RESAMPLING)["acc2"]["groups"]
    assert made["fixed"] == []
    assert made["curves"]["random"]["costs"] == pytest.approx([32.5, 55.0, 77.5])
    assert made["families"][0]["area"] > 0.05


def test_interior_points_leave_something_to_choose():
    points = [
        {"seeds": [row(0.95, 0.4, 9.0, 9.0), row(0.6, 0.6, 1.0, 4.0)]},
        {"seeds": [row(0.1, 0.8, 2.0, 2.0), row(0.0, None, 0.0, 0.0)]},
    ]
    assert interior(points) == {
        "interior": 2,
        "interior_auc": pytest.approx(0.7),
        "interior_gain": pytest.approx(1.5),
        "interior_oracle_share": pytest.approx(0.5),
    }
    ends = interior([{"seeds": [row(1.0, 0.5, 0.0, 0.0)]}])
    assert set(ends.values()) == {0, None}
    without_oracle = interior([{"seeds": [row(0.5, None, 1.0, 0.0)]}])
    assert without_oracle["interior_gain"] == 1
    assert without_oracle["interior_oracle_share"] is without_oracle["interior_auc"] is None


def row(share, auc, gain, oracle_gain):
    return {"shares": [1 - share, share], "auc": auc, "gain": gain, "oracle_gain": oracle_gain}


def test_a_family_is_what_differs_in_lambda_alone():
    point = {"lambda": "0.1", "tau": "1", "freeze": "cross_fitted"}
    assert family_of(point, "dynmm") == "tau 1, freeze cross_fitted"
    assert family_of({}, "dynmm_b") == "dynmm_b"


def test_results_of_paths_must_fit_each_other():
    paths = sentiment()
    with pytest.raises(ValueError, match="uncertainty"):
        replace(paths, uncertainty=paths.uncertainty[:-1])
