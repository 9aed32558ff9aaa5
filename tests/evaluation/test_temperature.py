"""Losses of tempered probabilities against difference quotients, and their least against scipy."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from howsure.evaluation.temperature import LIMIT, changed, least, losses

RANDOM = np.random.default_rng(0)
LOGS = np.log(RANDOM.dirichlet([0.5, 0.5, 0.5], size=200))
TARGET = np.eye(3)[[RANDOM.choice(3, p=p) for p in np.exp(LOGS)]] * 0.9 + 0.1 / 3
OF_TARGET = np.sum(TARGET * LOGS, axis=1)


WITH_OFFSETS = np.array([0.8, 0.3, -1.0, 0.2])


def at(theta):
    return losses(theta, LOGS, OF_TARGET, TARGET if len(theta) > 1 else None)


def value(theta):
    return -np.sum(TARGET * log_softmax(theta[0] * LOGS + np.append(theta, np.zeros(3))[1:4], axis=1), axis=1)


@pytest.mark.parametrize("theta", [np.array([0.6]), np.array([1.4]), WITH_OFFSETS])
def test_slopes_and_curvatures_are_those_of_difference_quotients(theta):
    actual, step = at(theta), 1e-5
    np.testing.assert_allclose(actual.value, value(theta), rtol=1e-12)
    for k, move in enumerate(step * np.eye(len(theta))):
        slope = (value(theta + move) - value(theta - move)) / (2 * step)
        np.testing.assert_allclose(actual.slope[:, k], slope, atol=1e-8)
        curvature = (at(theta + move).slope.sum(0) - at(theta - move).slope.sum(0)) / (2 * step)
        np.testing.assert_allclose(actual.curvature.sum(axis=0)[k], curvature, atol=1e-6)
    if len(theta) == 1:
        np.testing.assert_allclose(np.log(changed(LOGS, theta)).max(axis=1) < 0, True)


@pytest.mark.parametrize("start", [np.ones(1), np.array([3.0])])
def test_the_least_is_that_of_scipy(start):
    theta, actual = least(at, start)
    expected = minimize(lambda theta: value(theta).sum(), np.ones(1), tol=1e-12)
    assert actual.value.sum() == pytest.approx(expected.fun, rel=1e-9)
    assert theta[0] == pytest.approx(expected.x[0], rel=1e-4)


def test_a_weight_counts_a_row_so_many_times():
    weight = RANDOM.integers(1, 4, len(LOGS))
    many = [np.repeat(array, weight, axis=0) for array in (LOGS, OF_TARGET, TARGET)]
    for theta, target in ((np.array([0.6]), ()), (WITH_OFFSETS, (TARGET,))):
        actual = losses(theta, LOGS, OF_TARGET, *target, weight=weight)
        expected = losses(theta, *many[: 2 + len(target)])
        for name in ("value", "slope", "curvature"):
            np.testing.assert_allclose(getattr(actual, name).sum(axis=0), getattr(expected, name).sum(axis=0))


def test_it_stops_at_the_limit_where_nothing_else_stops_it():
    logs = np.log([[0.6, 0.4], [0.51, 0.49]])
    assert least(lambda theta: losses(theta, logs, logs[:, 0]), np.ones(1))[0] == pytest.approx(LIMIT)
    assert least(lambda theta: losses(theta, logs, logs[:, 1]), np.ones(1), 20)[0] == pytest.approx(1 / 20)
