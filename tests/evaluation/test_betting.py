"""Bets: against a plain sum over all beginnings, portions, false alarms, and what the course keeps."""

import json

import numpy as np
import pytest

from howsure.evaluation.betting import PATIENCE, POINTS, SIZES, Course, Portion

RANDOM = np.random.default_rng(0)


def draws(losses, weights=None, classes=None, first=1):
    losses = np.asarray(losses, float)
    rows, shape = len(losses), (*losses.shape, 0 if classes is None else classes.shape[-1])
    of_class = np.zeros(shape) if classes is None else np.repeat(classes[:, None], losses.shape[1], axis=1)
    weights = np.ones_like(losses) if weights is None else weights
    ids = np.array([f"r{row}" for row in range(rows)], dtype=object)
    return Portion(
        losses, weights, np.arange(rows) + first, ids, of_class, of_class * (weights * losses)[..., None]
    )


def by_hand(losses, limit):
    """The wealth after the last loss, by the sum over all beginnings and sizes of bets."""
    kept = (1 + np.arange(len(losses) + 1) / PATIENCE) ** -0.5
    wealth = kept[-1]
    for size in np.geomspace(limit / 8, 0.5, SIZES) / limit:
        factors = 1 + size * (losses - limit)
        for begin in range(len(losses)):
            wealth += (kept[begin] - kept[begin + 1]) / SIZES * np.prod(factors[begin:])
    return wealth


def test_wealth_is_the_sum_over_all_beginnings_and_sizes():
    losses = RANDOM.random(60) ** 2
    course = Course.of(np.array([0.2, 0.9]), 0.025)
    course.add(draws(np.column_stack([losses, losses])))
    expected = [by_hand(losses, limit) for limit in (0.2, 0.9)]
    np.testing.assert_allclose(np.exp(course.now.wealth), expected, rtol=1e-10)


def test_a_draw_of_no_weight_is_no_bet():
    losses = RANDOM.random((50, 1))
    course, weights = Course.of(np.array([0.3]), 0.025), np.zeros((50, 1))
    course.add(draws(losses, weights))
    assert course.now.wealth[0] == pytest.approx(0, abs=1e-12)
    assert course.now.draws[0] == 0


def test_portions_make_no_difference_and_a_saved_course_goes_on():
    rows = 3000
    truth = RANDOM.integers(0, 3, rows)
    chance = np.where((np.arange(rows) > 1500) & (truth == 1), 0.6, 0.08)
    losses = (RANDOM.random((rows, 2)) < chance[:, None]).astype(float)
    all_draws = draws(losses, (RANDOM.random((rows, 2)) < 0.8) * 1.0, np.eye(3)[truth])
    limits = np.array([0.1, 0.12])
    whole, parts = (Course.of(limits, 0.025, 3) for _ in range(2))
    whole.add(all_draws)
    begin = 0
    while begin < rows:
        size = int(RANDOM.integers(1, 400))
        parts.add(all_draws.part(begin, begin + size))
        parts = Course.read(json.loads(json.dumps(parts.as_json)), limits, 0.025, 3)
        begin += size
    assert parts.as_json == whole.as_json
    assert whole.alarm is not None
    assert abs(whole.since.row - 1501) < 200
    assert len(whole.points) <= POINTS
    lost, of_class = whole.now.missed - whole.since.missed, whole.now.counted - whole.since.counted
    assert np.argmax((lost / of_class)[whole.test]) == 1


def test_alarms_are_false_as_rarely_as_promised():
    """Losses exactly at the limit, looked at after each: 1 / wealth is at most the level (Ville 1939)."""
    runs, alarms = 400, 0
    for _ in range(runs):
        course = Course.of(np.array([0.1, 0.05]), 0.05)
        course.add(draws(RANDOM.random((1000, 2)) < [0.1, 0.05]))
        alarms += course.alarm is not None
    assert alarms <= 0.05 * runs + 3 * np.sqrt(0.05 * 0.95 * runs)


def test_losses_below_the_limit_raise_none_and_a_drop_does():
    course = Course.of(np.array([0.1]), 0.025)
    course.add(draws(RANDOM.random((5000, 1)) < 0.07))
    assert course.alarm is None
    course.add(draws(RANDOM.random((500, 1)) < 0.4, first=5001))
    assert 5001 <= course.alarm <= 5100
    assert abs(course.since.row - 5001) <= 64
