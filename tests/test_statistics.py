"""Shared formulas, against scipy, simulation and tables of Student's t."""

import numpy as np
import pytest
from scipy import stats

from howsure.statistics import entropy_correction, entropy_of, widening


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
