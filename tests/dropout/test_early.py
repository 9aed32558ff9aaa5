"""What a row cannot tell of its error: constants from a pilot, applied to rows it has not seen."""

import numpy as np
import pytest

from howsure.dropout.early import NONE, UNMEASURED, WIDENED, EarlyError, fit_early_error


@pytest.fixture
def random():
    return np.random.default_rng(0)


def rows(random, count):
    """Random rows of two classes, and a spread of their cells."""
    p = random.uniform(0.02, 0.98, size=count)
    mean = np.stack([p, 1 - p], axis=-1)
    spread = np.repeat((p * (1 - p))[:, None] * random.uniform(0.2, 1, size=(count, 1)), 5, axis=1)
    return mean, spread


def test_the_constants_are_found_again(random):
    mean, spread = rows(random, 400)
    undecided = 2 * np.sqrt(mean[:, :1] * mean[:, 1:])
    left = (0.05 * (1 - undecided) + 0.01 * undecided) * spread
    late = 0.3 * spread
    found = fit_early_error(mean, left + late, late, 3 * spread, spread)
    assert np.array(found.of_spread) == pytest.approx(np.array([[0.05, 0.01]] * 4), rel=1e-6)
    assert np.array(found.of_variance) == pytest.approx(np.array([[0.05, 0.01]] * 4) / 3, rel=1e-6)
    for freedom in (0, 4, 100):
        told = found.of_entropies(mean, 3 * spread[:, 2:], spread[:, 2:], freedom)
        assert told == pytest.approx(left[:, 2:], rel=1e-6)
        told = found.of_own_variance(mean, 3 * spread[:, :2], spread[:, :2], freedom)
        assert told == pytest.approx(left[:, :2], rel=1e-6)


def test_undecided_rows_go_by_what_they_tell_and_nearly_certain_ones_by_what_is_usual():
    error = EarlyError((0.0, 0.2), (0.0, 0.3), ((0.0, 0.1),) * 4, (NONE,) * 4)
    variance = np.array([[0.04, 0.04], [0.0, 0.0]])
    late = np.array([[0.01, 0.02], [0.0, 0.0]])
    half, certain = np.full((2, 2), 0.5), np.array([[1.0, 0.0], [1.0, 0.0]])
    own = error.of_own_variance(half, variance, np.zeros_like(half), 0)
    assert own == pytest.approx(0.1 * variance)
    assert error.of_probabilities(half, late, own) == pytest.approx(WIDENED * (late + own))
    assert error.of_probabilities(certain, late, own) == pytest.approx(np.full((2, 2), 0.5 * 0.0001))
    # Late masks are believed from p = 0.89 on, w + w^2 = 1.
    early = error.of_probabilities(np.full((2, 2), 0.8), 0 * late, own)
    assert error.of_probabilities(np.full((2, 2), 0.8), late, own) - early == pytest.approx(WIDENED * late)


def test_what_is_usual_for_nearly_certain_rows_is_found_through_the_noise_of_few_replicates(random):
    quadratic, linear = 0.5, 0.002
    p = 1 - np.geomspace(1e-4, 0.4, 20_000)
    mean = np.stack([p, 1 - p], axis=-1)
    q = (mean * (1 - mean)).max(axis=-1) + 0.0001
    true = quadratic * q**2 + linear * q
    squared = np.repeat((true * random.chisquare(9, size=len(p)) / 9)[:, None], 5, axis=1)
    nothing = np.zeros_like(squared)
    early = fit_early_error(mean, squared, nothing, nothing, nothing)
    late = fit_early_error(mean, squared, squared, nothing, nothing)
    assert early.usual_early == late.usual_late == pytest.approx((quadratic, linear), rel=0.02)
    assert early.usual_late == late.usual_early == NONE


def test_rows_that_never_differ_have_no_error():
    nothing = np.zeros((6, 5))
    found = fit_early_error(np.full((6, 2), 0.5), nothing, nothing, nothing, nothing)
    assert found.usual_early == found.usual_late == NONE


def test_what_was_not_measured_is_not_nothing():
    half = np.full((1, 2), 0.5)
    assert np.isnan(UNMEASURED.of_own_variance(half, half, half, 0)).all()
    assert np.isnan(UNMEASURED.of_probabilities(half, half, half)).all()
