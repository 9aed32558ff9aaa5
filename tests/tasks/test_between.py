"""Spread and quantiles of given passes, their errors, and what rows say of them."""

import re

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure import InputError
from howsure.sampling import between
from howsure.sampling.between import LEVELS, exact, interval_error_of, interval_of, of_class, sampled
from howsure.statistics import ERROR_FLOOR


def of_passes(values, label):
    return sampled(values, of_class(values, label), label)


def draw(passes, rows=5, classes=3, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes)) + 0.7 * random.normal(size=(passes, rows, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def top(p):
    label = p.mean(axis=0).argmax(axis=-1)
    return label, np.take_along_axis(p, label[None, :, None], axis=-1)[..., 0]


def test_spread_and_quantiles_of_members_are_those_of_numpy():
    for count in (2, 5, 30, 1_000):
        p = draw(count)
        label, of_top = top(p)
        found = exact(p, of_class(p, label))
        np.testing.assert_allclose(found["spread"], p.std(axis=0))
        expected = np.quantile(of_top, LEVELS, axis=0, method="inverted_cdf").T
        np.testing.assert_array_equal(found["quantiles"], expected)
        assert not found["spread_error"].any()
        assert not found["quantiles_error"].any()


def test_nine_members_reach_from_the_least_to_the_largest():
    p = draw(9)
    label, of_top = top(p)
    ends = interval_of(exact(p, of_class(p, label))["quantiles"], 0.9)
    np.testing.assert_allclose(ends, np.stack([of_top.min(axis=0), of_top.max(axis=0)], axis=-1))


def test_spread_and_quantiles_of_passes_are_those_of_numpy():
    p = draw(40)
    label, of_top = top(p)
    found = of_passes(p, label)
    np.testing.assert_allclose(found["spread"], p.std(axis=0, ddof=1))
    known = [0.5 / 40 <= level <= 1 - 0.5 / 40 for level in LEVELS]
    expected = np.quantile(of_top, LEVELS, axis=0, method="hazen").T
    np.testing.assert_allclose(found["quantiles"][:, known], expected[:, known])
    assert np.isnan(found["quantiles"][:, ~np.array(known)]).all()
    assert len(np.unique(known)) == 2


@pytest.mark.parametrize(("passes", "told"), [(9, False), (10, True)])
def test_an_interval_takes_as_many_passes_that_one_lies_outside(passes, told):
    p = draw(passes)
    assert np.isfinite(interval_of(of_passes(p, top(p)[0])["quantiles"], 0.9)).all() == told


def test_levels_between_are_straight_lines_in_normal_scores():
    """So they are exact for a law that is normal in the angle of the probability."""
    quantiles = between.from_angles(0.4 + 0.1 * stats.norm.ppf(LEVELS))[None]
    for level in (0.5, 0.68, 0.9, 0.98, 0.99):
        exact = between.from_angles(0.4 + 0.1 * stats.norm.ppf([(1 - level) / 2, (1 + level) / 2]))
        np.testing.assert_allclose(interval_of(quantiles, level)[0], exact)
    error = np.arange(11.0)[None]
    np.testing.assert_array_equal(interval_error_of(error, 0.8), [[3, 7]])


@pytest.mark.parametrize("level", [0, -0.1, 0.995, 1, np.nan, True, "0.9", None])
def test_other_levels_are_refused(level):
    with pytest.raises(InputError, match="level"):
        interval_of(np.full((1, 11), 0.5), level)


@pytest.mark.parametrize(("mean", "share"), [(0.5, 0.1), (0.9, 0.2), (0.97, 0.05), (0.3, 0.6)])
def test_the_error_of_a_spread_is_that_of_a_beta_distribution(mean, share):
    """By its kurtosis, as scipy has it, and over many samples."""
    a, b = mean * (1 / share - 1), (1 - mean) * (1 / share - 1)
    law, passes = stats.beta(a, b), 200
    of_mean, spread, counts = np.array([[mean]]), np.array([[law.std()]]), np.array([float(passes)])
    found = between.spread_variance(spread, counts, np.zeros((1, 1)), of_mean)
    kurtosis = float(law.stats("k")) + 3
    exact = (kurtosis - (passes - 3) / (passes - 1)) / (4 * passes) * law.var()
    np.testing.assert_allclose(found, exact)
    drawn = law.rvs((4_000, passes), random_state=1).std(axis=1, ddof=1)
    # The variance of 4,000 spreads is known to about √(2/4,000) = 2 %, and the delta method to 1/passes.
    assert drawn.var() == pytest.approx(exact, rel=0.15)
    more = between.spread_variance(spread, counts, np.full((1, 1), kurtosis + 5), of_mean)
    assert more[0, 0] == pytest.approx(exact + 5 / (4 * passes) * law.var())


def test_few_passes_do_not_tell_the_error_of_their_spread():
    assert np.isnan(of_passes(draw(9), np.zeros(5, dtype=int))["spread_error"]).all()
    assert np.isfinite(of_passes(draw(10), np.zeros(5, dtype=int))["spread_error"]).all()


def test_the_error_of_a_quantile_is_the_asymptotic_one():
    """√(α(1 − α)/T) over the density (Kendall & Stuart), for a smooth law and many passes."""
    law, passes = stats.norm(0.5, 0.05), 100_000
    p = law.ppf((np.arange(passes) + 0.5) / passes)
    found = of_passes(np.stack([p, 1 - p], axis=-1)[:, None], np.array([0]))
    levels = np.array(LEVELS)
    exact = np.sqrt(levels * (1 - levels) / passes) / law.pdf(law.ppf(levels))
    np.testing.assert_allclose(found["quantiles"][0], law.ppf(levels), atol=1e-6)
    np.testing.assert_allclose(found["quantiles_error"][0], np.maximum(exact, ERROR_FLOOR), rtol=0.1)


def one(quantiles, **more):
    p = np.array([[0.51, 0.46, 0.03]])
    settings = {
        "probabilities": p,
        "mc_error": np.full(p.shape, 0.005),
        "expected_entropy": np.array([0.5]),
        "passes": np.array([1]),
        "class_names": ("8", "6", "3"),
        "row": np.arange(1),
    }
    return howsure.Certainty(**settings | more, quantiles=quantiles)


def with_ends(low, high):
    return one(np.array([[low] * 3 + [(low + high) / 2] * 5 + [high] * 3]))


def test_quantiles_that_fall_are_refused():
    falling = np.linspace(0.7, 0.3, 11)[None]
    with pytest.raises(InputError, match="`quantiles` cannot be of a result"):
        one(falling)
    falling[:, 1:-1] = np.nan
    with pytest.raises(InputError, match="`quantiles` cannot be of a result"):
        one(falling)
    assert one(np.where(np.arange(11) % 2, np.nan, falling[:, ::-1])).quantiles is not None


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.401, 0.618, "Most networks say 40 to 62 %."),
        (0.508, 0.512, "Most networks say 51 %."),
        (0.004, 0.9996, "Most networks say 0.4 to > 99.9 %."),
        (0.0001, 0.9951, "Most networks say < 0.1 to 99.5 %."),
        (0.0, 1.0, "Most networks say < 0.1 to > 99.9 %."),
        (np.nan, 0.62, ""),
        (0.5096, 0.62, "Most networks say 51 to 62 %."),
        (0.5104, 0.62, "Most networks say 51 to 62 %."),
        (0.514, 0.62, "Most networks say 51 to 62 %."),
        (0.516, 0.62, ""),
        (0.4, 0.504, ""),
        (0.4, 0.506, "Most networks say 40 to 51 %."),
    ],
)
def test_a_row_says_between_what_networks_lie(low, high, words):
    row = with_ends(low, high)[0]
    assert (str(row), row.explain()) == ("51 ± 1 % '8', or '6' (46 %): coin flip.", words)


@pytest.mark.parametrize(
    ("below", "mean", "words"),
    [
        # shares of networks at 0.1, the others at 0.9997: 90, 95 or 99 % of them hold the mean, or none does
        (0.06, "94.6 %", "Most members say 10 to > 99.9 %."),
        (0.03, "97.3 %", "Most members say 10 to > 99.9 % (95 % of them)."),
        (0.01, "99.1 %", "Most members say 10 to > 99.9 % (99 % of them)."),
        (0.004, "99.6 %", ""),
        (0.0, "> 99.9 %", "Most members say > 99.9 %."),
    ],
)
def test_no_mean_is_said_outside_of_where_its_networks_lie(below, mean, words):
    quantiles = np.where(np.array(LEVELS) < below, 0.1, 0.9997)[None]
    top = 0.1 * below + 0.9997 * (1 - below)
    p = np.array([[top, (1 - top) * 0.6, (1 - top) * 0.4]])
    method = {"name": "ensemble", "words": {"between": "members"}}
    row = one(quantiles, probabilities=p, mc_error=np.zeros_like(p), method=method)[0]
    said = str(row)
    assert (
        re.sub(r", then '6' and '3' \(.*? each\)", "", said).replace("leaning", "sure")
        == f"{mean} '8': sure."
    )
    assert row.explain().replace("% '8'.", "%.") == words


def test_no_rounding_takes_the_mean_out_of_where_its_networks_lie():
    p = np.array([[0.976, 0.014, 0.01]])
    found = one(np.full((1, 11), 0.9758), probabilities=p, mc_error=np.full(p.shape, 0.001))
    assert found[0].explain() == "Most networks say 97.6 %."


def test_a_method_says_what_lies_apart():
    quantiles = np.linspace(0.3, 0.7, 11)[None]
    row = one(quantiles, method={"name": "ensemble", "words": {"between": "members"}})[0]
    assert row.explain() == "Most members say 38 to 62 %."


def test_nothing_is_said_where_nothing_is_told():
    certainty = one(None)
    assert (certainty.spread, certainty.quantiles) == (None, None)
    assert np.isnan(certainty.interval(0.9)).all()
    assert certainty.interval(0.9).shape == certainty.interval_error().shape == (1, 2)
    assert np.isnan(certainty[0].interval()).all()
    assert str(certainty[0]) == "51 ± 1 % '8', or '6' (46 %): coin flip."


def test_a_row_has_the_interval_of_its_result():
    certainty = with_ends(0.4, 0.62)
    np.testing.assert_allclose(certainty.interval(0.9), [[0.4, 0.62]])
    np.testing.assert_allclose(certainty[0].interval(), (0.4, 0.62))
    np.testing.assert_allclose(certainty[0].interval(0.8), certainty.interval(0.8)[0])
