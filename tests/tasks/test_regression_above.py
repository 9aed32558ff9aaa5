"""`RegressionCertainty.above`: the share of networks, or of answers, above a limit, and its error.

Oracles: networks that are counted one by one, closed forms, and all thinned networks of a small network.
"""

import dataclasses

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.ensemble import RandomForestRegressor

import howsure
from howsure.inputs.rows import InputSpec
from tests.sampling.test_numbers import enumerated, network, rows
from tests.support.arrays import ArrayModel, Dense, Dropout

SAMPLES = np.random.default_rng(0).normal([[[0.0, 5.0]]], [[[1.0, 2.0]]], (40, 30, 2))
LIMITS = (-1.3, 0.0, 0.7, 2.2)


def given(samples=SAMPLES, **more):
    return howsure.RegressionCertainty.from_samples(samples, ["age", "dose"], **more)


def moved(result, limit):
    """The rows with a limit (N,) of their own at 0."""
    by = np.asarray(limit)[:, None]
    given = {"mean": result.mean - by}
    for name in ("quantiles", "networks"):
        given[name] = getattr(result, name) - by[..., None]
    return dataclasses.replace(result, **given)


# --- what is told -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trees", [30, 100])
def test_the_trees_above_are_counted(trees):
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = np.round(x[:, 0] + np.random.default_rng(1).normal(size=200), 1)
    forest = RandomForestRegressor(trees, min_samples_leaf=3, random_state=0).fit(x[:100], y[:100])
    each = np.array([tree.predict(x[100:].astype(np.float32)) for tree in forest.estimators_])
    result = howsure.assess(forest, x[100:])
    for limit in LIMITS:
        np.testing.assert_allclose(
            result.above(limit).probabilities[:, 1], (each > limit).mean(axis=0), atol=1e-12
        )


def test_samples_above_are_counted_and_noise_widens_each():
    for k, name in enumerate(("age", "dose")):
        for limit in LIMITS:
            counted = (SAMPLES[..., k] > limit).mean(axis=0)
            np.testing.assert_allclose(given().above(limit, name).probabilities[:, 1], counted, atol=1e-12)
            widened = ndtr((SAMPLES[..., k] - limit) / 0.3).mean(axis=0)
            asked = given(noise=0.3).above(limit, name)
            np.testing.assert_allclose(asked.probabilities[:, 1], widened, atol=1e-12)


def test_members_with_noise_of_their_own_are_a_mixture():
    x = rows(20)
    members = [network(2, seed=seed, head=True)[0] for seed in range(4)]
    result = howsure.assess(
        *(members[0], x), method=howsure.Ensemble(members[1:]), outputs="mean-log-variance"
    )
    mean, log = np.moveaxis([member.predict([x]).astype(float) for member in members], -1, 0)
    for limit in (-1.0, 0.5, 3.0):
        expected = ndtr((mean - limit) / np.exp(log / 2)).mean(axis=0)
        np.testing.assert_allclose(result.above(limit).probabilities[:, 1], expected, rtol=1e-6, atol=1e-9)


def test_a_normal_distribution_is_told_in_closed_form():
    result = howsure.RegressionCertainty.from_mean_std([1.0, 2.0], [0.5, 0.0])
    asked = result.above(1.5)
    np.testing.assert_allclose(asked.probabilities[:, 1], [ndtr(-1), 1], atol=1e-12)
    assert asked.mc_error.max() == 0


def test_where_the_noise_is_unknown_the_classes_are_of_the_mean():
    assert given().above(3.0, "dose").class_names == ("mean dose at most 3.000", "mean dose above 3.000")
    assert given(noise=1.0).above(3.0, "dose").class_names == ("dose at most 3.000", "dose above 3.000")
    one = howsure.RegressionCertainty.from_samples(SAMPLES[..., 0])
    assert one.above(3.0).class_names == one[:0].above(3.0).class_names
    assert "'mean at most 3.000'" in str(one.above(3.0)[0])
    assert one.with_noise(1.0).above(3.0).class_names == ("at most 3.000", "above 3.000")
    half = one.with_noise(np.where(np.arange(30) < 3, np.nan, 1.0)[:, None])
    with pytest.raises(howsure.InputError, match=r"nothing says how far .* in 3 rows: 0, 1, 2"):
        half.above(3.0)
    plain = howsure.RegressionCertainty(one.mean, one.mc_error, one.passes, ("y",), one.row)
    with pytest.raises(howsure.InputError, match="calibrate"):
        plain.above(3.0)


# --- the same at every door ---------------------------------------------------------------------------


def test_calibration_moves_each_network():
    truth = SAMPLES.mean(axis=0) + np.random.default_rng(2).normal(size=(30, 2)) * [0.3, 0.9]
    known = given(noise=0.4)
    calibrator = howsure.calibrate(known, truth)
    found = calibrator(known)
    factor = calibrator.values["age"].value
    centre = SAMPLES[..., 0].mean(axis=0)
    each = ndtr((centre + factor * (SAMPLES[..., 0] - centre) - 0.5) / (0.4 * factor))
    np.testing.assert_allclose(found.above(0.5, "age").probabilities[:, 1], each.mean(axis=0), atol=1e-12)


# --- the error ----------------------------------------------------------------------------------------


def test_a_share_of_none_is_not_exact():
    """Rule of three: none of T passes is compatible with a share of 3/T."""
    for count in (20, 40, 200):
        values = np.random.default_rng(3).normal(size=(count, 50))
        result = howsure.RegressionCertainty.from_samples(values)
        asked = moved(result, values.max(axis=0) + 0.01).above(0.0)
        assert asked.probabilities[:, 1].max() == 0
        assert 1.96 * asked.mc_error.min() >= 0.9 * 3 / count
        assert moved(result, np.full(50, 60.0)).above(0.0).mc_error.max() < 0.001  # 50 spreads away


def test_errors_are_those_of_independent_samples():
    """In the middle they are √(p(1 − p)/T)."""
    values = np.random.default_rng(4).normal(size=(400, 200))
    asked = howsure.RegressionCertainty.from_samples(values).above(0.0)
    np.testing.assert_allclose(asked.mc_error, np.sqrt(0.25 / 400), rtol=0.1)


def limits_between(y, share, level):
    """(N,) limits in the middle of a gap between thinned networks (M, N), and the shares above them."""
    order = np.argsort(y, axis=0)
    ordered = np.take_along_axis(y, order, axis=0)
    above = 1 - np.cumsum(share[order], axis=0)[:-1]
    is_gap = np.diff(ordered, axis=0) > 1e-3 * y.std(axis=0)
    place = np.where(is_gap, np.abs(above - level), np.inf).argmin(axis=0)[None]
    ends = [np.take_along_axis(ordered, place + step, axis=0)[0] for step in (0, 1)]
    return np.mean(ends, axis=0), np.take_along_axis(above, place, axis=0)[0]


@pytest.mark.parametrize("passes", [None, 40, 300])
def test_errors_cover_the_share_of_all_thinned_networks(passes):
    """Of a mean, and of an answer with noise of 0.3 of the usual spread."""
    covered = {(which, noise): [] for which in ("tails", "middle") for noise in (0.0, 0.3)}
    for number in range(3):
        model, weights = network(1, seed=number)
        x = rows(60)
        y, share = enumerated(weights, x)
        y = y[..., 0]
        x, y = x[y.std(axis=0) > 0.05], y[:, y.std(axis=0) > 0.05]
        usual = np.median(y.std(axis=0))
        levels = (0.006, 0.01, 0.02, 0.035, 0.2, 0.4, 0.6, 0.8, 0.97, 0.99)
        limits = [limits_between(y, share, level) for level in levels]
        for seed in range(6):
            result = howsure.assess(model, x, method=howsure.MCDropout(passes=passes), seed=seed)
            for noise in (0.0, 0.3):
                known = result.with_noise(noise * usual) if noise else result
                for limit, true in limits:
                    if noise:
                        true = share @ ndtr((y - limit) / (noise * usual))
                    asked = moved(known, limit).above(0.0)
                    held = np.abs(asked.probabilities[:, 1] - true) <= 1.96 * asked.mc_error[:, 1]
                    is_tail = np.minimum(true, 1 - true) <= 0.04
                    for which, there in (("tails", is_tail), ("middle", ~is_tail)):
                        covered[which, noise].append(held[there & (true > 0.005) & (true < 0.995)])
    for which, held in covered.items():
        assert np.mean(np.concatenate(held)) >= 0.9, which


def test_networks_of_an_ensemble_of_dropout_are_put_together():
    """The share is the mean of those of the members, and its error that of a mean over so few of them."""
    x = rows(40)
    models = [network(1, seed=seed)[0] for seed in range(3)]
    alone = [howsure.assess(model, x, method=howsure.MCDropout(passes=60)) for model in models]
    together = howsure.assess(
        *(models[0], x), method=howsure.Ensemble(models[1:], each=howsure.MCDropout(passes=60))
    )
    for limit in (0.0, 2.0, 5.0):
        each = np.array([result.above(limit).probabilities[:, 1] for result in alone])
        asked = together.above(limit)
        # A share near α is told in steps of π √(α(1 − α))/64.
        step = np.pi * np.sqrt(each.mean(axis=0) * (1 - each.mean(axis=0))) / 64
        off = np.abs(asked.probabilities[:, 1] - each.mean(axis=0))
        assert (off <= step + 1e-3).all()
        assert (asked.mc_error[:, 1] >= each.std(axis=0, ddof=1) / np.sqrt(3) / 2).mean() > 0.9


@pytest.mark.parametrize(("passes", "independent"), [(40, 30), (41, 31), (3, 3)])
def test_of_each_balanced_group_one_pass_follows_from_the_others(passes, independent):
    """Masks of rate 0.5 come in groups of four, and three passes one by one."""
    steps = {"drop": (Dropout(0.5), "x"), "output": (Dense(np.ones((3, 1)), [0.0]), "drop")}
    model = ArrayModel("net", [InputSpec("x", (3,), "float32")], steps, trained_for="regression")
    found = howsure.assess(model, rows(5), method=howsure.MCDropout(passes=passes))
    assert found.independent.tolist() == [independent] * 5
    free = howsure.MCDropout(passes=passes, balanced=False)
    assert howsure.assess(model, rows(5), method=free).independent.tolist() == [passes] * 5


def test_large_limits_are_written_out():
    prices = howsure.RegressionCertainty.from_mean_std(np.array([1e6, 2e6]), np.array([3e5, 3e5]))
    assert prices.above(1_234_567.0).class_names == ("at most 1,234,567", "above 1,234,567")
