"""Shared formulas, against scipy, simulation and tables of Student's t."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from howsure.statistics import (
    FLIPS,
    at_least,
    at_most,
    entropy_correction,
    entropy_of,
    normal_density,
    proportion_interval,
    simultaneous_critical_value,
    skewed_interval,
    symmetric_interval,
    widening,
)


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_entropy_against_scipy(classes):
    p = np.random.default_rng(0).dirichlet(np.full(classes, 0.5), size=(4, 5))
    np.testing.assert_allclose(entropy_of(p), stats.entropy(p, axis=-1), rtol=1e-10)


def test_entropy_of_certainty_and_of_ignorance():
    np.testing.assert_array_equal(entropy_of(np.array([[1.0, 0.0, 0.0]])), [0.0])
    np.testing.assert_allclose(entropy_of(np.full((1, 7), 1 / 7)), np.log(7))
    assert not np.signbit(entropy_of(np.array([1.0, 0.0])))


def test_the_correction_is_what_the_entropy_of_a_mean_over_few_passes_lacks():
    random = np.random.default_rng(1)
    truth, passes, rows = np.array([0.5, 0.3, 0.2]), 20, 20_000
    draws = random.dirichlet(10 * truth, size=(passes, rows))
    mean, squared = draws.mean(axis=0), draws.var(axis=0, ddof=1) / passes
    corrected = entropy_of(mean) + entropy_correction(mean, squared)
    assert abs(corrected.mean() - stats.entropy(truth)) < 4 * corrected.std(ddof=1) / np.sqrt(rows)


@pytest.mark.parametrize(
    ("groups", "quantile"),
    [(2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (6, 2.571), (11, 2.228), (31, 2.042), (121, 1.980)],
)  # printed tables of Student's t, two-sided 95 %
def test_widening_against_printed_tables(groups, quantile):
    assert float(widening(groups)) == pytest.approx(quantile / 1.95996, abs=3e-4 * quantile)


def test_widening_of_many_at_once_and_of_too_few():
    many = widening(np.array([5, 2, 5, 1, 0]))
    assert many[0] == many[2] == float(widening(5))
    assert many[1] == float(widening(2))
    assert np.isnan(many[3:]).all()
    assert np.all(np.diff(widening(np.arange(2, 200))) < 0)
    assert float(widening(10**6)) == pytest.approx(1, abs=1e-5)


def test_binomial_and_normal_distributions_against_scipy():
    random = np.random.default_rng(0)
    total = np.append(random.integers(1, 3000, 500), [0, 7, 7, 7, 7])
    hits = np.append((total[:500] * random.random(500)).astype(int), [0, 0, 7, 7, 0])
    share = np.append(random.random(500), [0.3, 0.3, 0.3, 1.0, 0.0])
    few, many = stats.binom.cdf(hits, total, share), stats.binom.sf(hits - 1, total, share)
    np.testing.assert_allclose(at_most(hits, total, share), few, atol=1e-12)
    np.testing.assert_allclose(at_least(hits, total, share), many, atol=1e-12)
    x = np.array([-np.inf, -3.0, 0.0, 0.5, np.inf])
    np.testing.assert_array_equal(normal_density(x), stats.norm.pdf(x))


# --- intervals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "total"), [(0, 20), (20, 20), (3, 50), (700, 1000)])
def test_a_share_has_the_exact_interval_of_scipy(hits, total):
    theirs = stats.binomtest(hits, total).proportion_ci(0.9)
    assert proportion_interval(hits, total, 0.9) == pytest.approx((theirs.low, theirs.high))
    assert proportion_interval(0, 0) == (0, 1)


@pytest.mark.parametrize("jumps", [1, 2, 5, 20, 100])
def test_a_sum_of_jumps_has_nearly_the_exact_interval_of_a_poisson_number(jumps):
    parts = (np.arange(10**5) < jumps) - jumps / 10**5
    low, high = skewed_interval(jumps, parts)
    exact = stats.chi2.ppf(0.025, 2 * jumps) / 2, stats.chi2.ppf(0.975, 2 * jumps + 2) / 2  # Garwood 1936
    # Within half a jump below, as counts are whole and the interval is not; never short above, and from five
    # jumps on hardly too long.
    assert abs(max(low, 0) - exact[0]) < 0.5
    assert exact[1] - 0.5 < high
    assert high < exact[1] + 2 or jumps < 5


def test_without_skewness_it_is_the_normal_interval():
    parts = np.tile([-0.1, 0.1], 200)
    assert skewed_interval(3.0, parts) == pytest.approx((3 - 1.96 * 2, 3 + 1.96 * 2), abs=1e-3)
    assert skewed_interval(3.0, np.zeros(5)) == symmetric_interval(3.0, np.zeros(5)) == (3.0, 3.0)


def test_the_symmetric_interval_is_that_of_a_t_test_and_wider_where_few_rows_count():
    x = np.random.default_rng(0).normal(size=2000)
    parts = (x - x.mean()) / np.sqrt(2000 * 1999)
    theirs = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert symmetric_interval(x.mean(), parts) == pytest.approx((theirs.low, theirs.high), abs=1e-5)
    for jumps in (3, 6, 20):
        few = (np.arange(10_000) < jumps) - jumps / 10_000
        low, high = symmetric_interval(0.0, few)
        assert high == -low == pytest.approx(np.sqrt(jumps) * stats.t.ppf(0.975, 2 * jumps), rel=0.01)


def test_few_jumps_are_taken_for_more_than_chance_about_as_rarely_as_a_sign_test_takes_them():
    for jumps, sign in ((3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.031), (9, 0.004)):
        few = (np.arange(1000) < jumps) - jumps / 1000
        assert (symmetric_interval(jumps, few)[0] > 0) == (sign < 0.07)


@pytest.mark.parametrize("members", [2, 3, 8])
def test_pairs_that_are_to_hold_together_need_the_studentized_range(members):
    """Of independent scores of the same error: Tukey's range, as scipy has it."""
    values = np.random.default_rng(1).normal(size=(members, 2000))
    found = simultaneous_critical_value(values, [*combinations(range(members), 2)])
    reach = stats.studentized_range.ppf(0.95, members, np.inf) / np.sqrt(2)
    step = 0.01
    ends = (stats.studentized_range.cdf(np.sqrt(2) * (reach + by), members, np.inf) for by in (step, -step))
    density = np.subtract(*ends) / (2 * step)
    # Four errors of a quantile of so many draws, and what scores of 2,000 rows are correlated by chance.
    assert abs(found - reach) < 4 * np.sqrt(0.95 * 0.05 / FLIPS) / density + 0.05
    same = np.tile(values[0], (3, 1))
    assert simultaneous_critical_value(same, [(0, 1), (0, 2)]) == pytest.approx(stats.norm.ppf(0.975))


def test_signs_of_few_differences_tell_as_little_as_a_sign_test():
    """The p-value of k equal differences is 2 / 2^k; at the reach, as many of the drawn ones lie beyond."""
    for jumps in (3, 4, 5, 6, 8):
        values = np.zeros((2, 500))
        values[0, :jumps] = 1
        told = np.sqrt(jumps) > simultaneous_critical_value(values, [(0, 1)])
        assert told == (2 / 2**jumps < 0.05)
