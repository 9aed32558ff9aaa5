"""Intervals cover as promised and agree with MAPIE; abstention keeps its risk; bad input is said."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom

import howsure
from howsure import InputError, RegressionCertainty


def draw(rows, seed=0, targets=1, claimed=1.0):
    random = np.random.default_rng(seed)
    mean = random.normal(size=(rows, targets))
    std = np.exp(0.6 * random.normal(size=(rows, targets)))
    y = mean + std * random.standard_t(5, size=(rows, targets))
    return RegressionCertainty.from_mean_std(mean, claimed * std).with_truth(y)


def covered(intervals, result):
    return (intervals[..., 0] <= result.truth) & (result.truth <= intervals[..., 1])


# --- prediction intervals -----------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_agrees_with_mapie(coverage):
    pytest.importorskip("mapie", reason="MAPIE is not installed")
    from mapie.conformity_scores import ResidualNormalisedScore
    from mapie.regression import SplitConformalRegressor
    from sklearn.base import BaseEstimator, RegressorMixin

    class Told(RegressorMixin, BaseEstimator):
        def __init__(self, column=0):
            self.column, self.fitted_ = column, True

        def fit(self, x, y):
            return self

        def predict(self, x):
            return x[:, self.column]

    known, new = draw(333), draw(50, seed=1)
    score = ResidualNormalisedScore(residual_estimator=Told(1), prefit=True)
    theirs = SplitConformalRegressor(Told(0), coverage, score, prefit=True)
    theirs.conformalize(np.hstack([known.mean, known.std]), known.truth[:, 0])
    _, found = theirs.predict_interval(np.hstack([new.mean, new.std]))
    ours = howsure.prediction_intervals(known, coverage=coverage)(new)
    np.testing.assert_allclose(ours[:, 0], found[:, :, 0], rtol=1e-7, atol=1e-8)


def test_the_threshold_is_the_published_rank():
    known = draw(40)
    scores = np.sort(np.abs(known.truth - known.mean) / known.std, axis=0)[:, 0]
    fitted = howsure.prediction_intervals(known, coverage=0.9)
    assert fitted.threshold == (scores[36],)  # the ⌈41 · 0.9⌉-th
    low, high = fitted(known)[3, 0]
    assert (low + high) / 2 == pytest.approx(known.mean[3, 0])
    assert high - low == pytest.approx(2 * scores[36] * known.std[3, 0])
    assert covered(fitted(known), known).sum() == 37  # the number at the threshold too


def test_the_promise_holds_over_splits_however_wrong_std_is():
    new = draw(3000, seed=10**6, claimed=0.3)
    shares = [
        covered(howsure.prediction_intervals(draw(60, seed, claimed=0.3), coverage=0.9)(new), new).mean()
        for seed in range(120)
    ]
    exact = np.ceil(61 * 0.9) / 61
    assert np.mean(shares) == pytest.approx(exact, abs=4 * np.std(shares) / np.sqrt(120))


def test_each_group_and_each_target_has_its_own():
    random = np.random.default_rng(3)
    group = random.choice(["calm", "wild"], size=4000)
    mean = random.normal(size=(4000, 2))
    noise = np.where(group == "wild", 5.0, 1.0)[:, None] * random.normal(size=mean.shape) * [1, 10]
    result = RegressionCertainty.from_mean_std(mean, np.ones_like(mean), ["a", "b"]).with_truth(mean + noise)
    known, new = result[:2000], result[2000:]
    wild = group == "wild"
    for there, least, most in ((np.ones(4000, bool), 0.6, 0.85), (wild, 0.85, 0.95)):
        fitted = howsure.prediction_intervals(known[there[:2000]], coverage=0.9)
        held = covered(fitted(new), new)[wild[2000:]].mean(axis=0)
        assert np.all((held > least) & (held < most)), held
    assert fitted.rows == np.sum(wild[:2000])
    assert "for 'a'" in str(fitted)


def test_what_scales_the_intervals_is_said():
    mean, y = np.arange(50.0), np.arange(50.0) + np.linspace(-1, 1, 50)
    samples = mean + np.random.default_rng(0).normal(size=(9, 50))
    networks = RegressionCertainty.from_samples(samples)
    for result, by_std in ((networks.with_noise(0.5), True), (networks, False)):
        fitted = howsure.prediction_intervals(result, y)
        assert fitted.by_std == by_std
        width = np.diff(fitted(result), axis=-1)[:, 0, 0]
        assert (np.ptp(width) > 1e-9) == by_std
    assert "equally wide in every row" in str(fitted)


def test_the_certainty_that_is_printed_is_that_of_the_beta_distribution():
    fitted = howsure.prediction_intervals(draw(100), coverage=0.9)
    # 91 of 100 lie up to the threshold: P(share covered ≥ least) = P(Bin(100, least) ≤ 90) = 95 %
    assert binom.cdf(90, 100, fitted.least) == pytest.approx(0.95, abs=1e-9)
    assert "With these 100 labelled rows they hold it in 84.8" in str(fitted)


def paths(rows, seed):
    """Twelve steps of a random walk: what is missed at one step is missed at the next."""
    random = np.random.default_rng(seed)
    y = random.normal(size=(rows, 12)).cumsum(axis=1)
    std = np.sqrt(np.arange(1.0, 13)) * np.ones_like(y)
    return RegressionCertainty.from_mean_std(np.zeros_like(y), std).with_truth(y)


@pytest.mark.parametrize("of_group", [1, 3])
def test_whole_paths_lie_in_intervals_that_are_fitted_together(of_group):
    new, shares, at_each = paths(3000, 10**6), [], []
    for seed in range(60):
        known, groups = paths(180, seed), np.arange(180) // of_group
        if of_group > 1:  # rows of a group are the same
            known = known[groups * of_group]
        fitted = howsure.prediction_intervals(known, together=True, groups=groups if of_group > 1 else None)
        shares.append(covered(fitted(new), new).all(axis=-1).mean())
        at_each.append(covered(howsure.prediction_intervals(known)(new), new).all(axis=-1).mean())
    draws = 180 // of_group
    exact = np.ceil((draws + 1) * 0.9) / (draws + 1)
    assert np.mean(shares) == pytest.approx(exact, abs=4 * np.std(shares) / np.sqrt(60))
    assert np.mean(at_each) < 0.75
    assert len(set(fitted.threshold)) == 1
    assert "hold all true numbers of a row in at least 90 % of the rows" in str(fitted)


def test_together_is_the_largest_score_of_a_row():
    known = draw(39, targets=3)
    scores = np.sort((np.abs(known.truth - known.mean) / known.std).max(axis=-1))
    fitted = howsure.prediction_intervals(known, coverage=0.9, together=True)
    assert fitted.threshold == (scores[35],) * 3
    # 36 of 39 whole rows, and one threshold: P(Bin(39, least) ≤ 35) = 95 %
    assert binom.cdf(35, 39, fitted.least) == pytest.approx(0.95, abs=1e-9)
    alone = draw(39)
    one = howsure.prediction_intervals(alone, together=True)
    assert one == howsure.prediction_intervals(alone)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda known: howsure.prediction_intervals(known, together="yes"), "`together`"),
        (lambda known: howsure.prediction_intervals(known[:8]), "Too few.*90 %.*at least 9.*Received: 8"),
        (lambda known: howsure.prediction_intervals(known, coverage=1.0), "`coverage` is out of range"),
        (lambda known: howsure.prediction_intervals(known)(draw(3, targets=2)), "other targets"),
        (
            lambda known: dataclasses.replace(howsure.prediction_intervals(known), origin=None)(
                RegressionCertainty.from_samples(np.random.default_rng(0).normal(size=(3, 4)))
            ),
            "`std` of these rows is unknown",
        ),
        (lambda known: howsure.prediction_intervals(known.above(0.0), known.truth > 0), "prediction_sets"),
        (
            lambda known: howsure.prediction_intervals(
                RegressionCertainty.from_mean_std(known.mean, 0 * known.std), known.truth
            ),
            "No width would do: the `std` is 0",
        ),
        (lambda known: howsure.prediction_sets(known), "prediction_intervals"),
    ],
)
def test_bad_input_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call(draw(40))


# --- abstention ---------------------------------------------------------------------------------------


def test_abstention_keeps_its_risk_over_splits():
    new = draw(20_000, seed=10**6)
    off = np.abs(new.truth - new.mean)[:, 0] > 1.5
    broken, handed = [], []
    for seed in range(100):
        rule = howsure.abstain(draw(300, seed), risk=0.2, tolerance=1.5)
        person = rule(new)
        broken.append(off[~person].mean() > 0.2)
        handed.append(person.mean())
    assert np.sum(broken) <= binom.ppf(0.999, 100, 0.05)
    assert np.mean(handed) < 0.6
    assert off.mean() > 0.2  # some have to be handed over


def test_what_abstention_says_is_what_it_counts():
    known = draw(400)
    rule = howsure.abstain(known, risk=0.1, tolerance=2.0)
    kept = ~rule(known)
    off = np.abs(known.truth - known.mean)[:, 0] > 2.0
    assert (rule.accepted, rule.mistakes) == (kept.sum(), np.sum(kept & off))
    assert known.std[kept].max() < known.std[~kept].min()
    assert "At most 10 % of the rest are off by more than 2, with 95 % confidence" in str(rule)
    assert f"{rule.mistakes} of them off by more" in str(rule)


def test_a_row_of_several_targets_is_off_if_one_is():
    known = draw(600, targets=2)
    limits = {"0": 2.0, "1": 20.0}
    rule = howsure.abstain(known, risk=0.1, tolerance=limits)
    alone = howsure.abstain(known.of_target(0), risk=0.1, tolerance=2.0)
    np.testing.assert_array_equal(rule(known), alone(known.of_target(0)))  # the other is never off
    same = howsure.abstain(known, risk=0.3, tolerance=2.0)
    assert same.tolerance == {"0": 2.0, "1": 2.0}
    assert (
        same(known).mean()
        > howsure.abstain(known.of_target(0), risk=0.3, tolerance=2.0)(known.of_target(0)).mean()
    )
    assert "2 in '0' or 20 in '1'" in str(rule)


def test_a_larger_unit_hands_the_same_rows_over():
    known = draw(400)
    one = howsure.abstain(known, risk=0.1, tolerance=2.0)(known)
    larger = known.rescaled(3.0, 1000.0, truth="standardised")
    np.testing.assert_array_equal(one, howsure.abstain(larger, risk=0.1, tolerance=2000.0)(larger))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda known: howsure.abstain(known), "say in `tolerance` how far one may be off"),
        (lambda known: howsure.abstain(known, tolerance=-1.0), "`tolerance` cannot be used"),
        (lambda known: howsure.abstain(known, tolerance={"price": 1.0}), "a number for each of 'value'"),
        (lambda known: howsure.abstain(known, risk=0.01, tolerance=2.0), "Too few labelled rows to promise"),
        (lambda known: howsure.abstain(known, risk=0.1, tolerance=0.01), "do not allow to promise"),
        (
            lambda known: howsure.abstain(known.above(0.0), known.truth[:, 0] > 0, tolerance=2.0),
            "no tolerance",
        ),
        (
            lambda known: dataclasses.replace(howsure.abstain(known, risk=0.2, tolerance=2.0), origin=None)(
                RegressionCertainty.from_samples(np.random.default_rng(0).normal(size=(3, 4)))
            ),
            "cannot be ranked",
        ),
    ],
)
def test_bad_tolerance_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call(draw(200))
