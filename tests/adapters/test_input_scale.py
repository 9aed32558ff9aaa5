"""Whether rows are on the scale of the training, by what a normalisation kept of it."""

import numpy as np
import pytest

from howsure.adapters.input_scale import some_of, times_larger

MEAN, DEVIATION = np.array([0.5, 2.0, -1.0, 0.0]), np.array([0.3, 1.0, 0.5, 0.1])


def seen(factor=1.0, shape=(16, 7, 7)):
    random = np.random.default_rng(0)
    return factor * (MEAN + DEVIATION * random.normal(size=(*shape, 4)))


@pytest.mark.parametrize("factor", [0.01, 1, 4, 30])
def test_rows_of_the_training_are_on_its_scale(factor):
    assert times_larger(seen(factor), MEAN, DEVIATION**2) == 1


@pytest.mark.parametrize("factor", [60, 255, 1e6])
def test_the_factor_is_found(factor):
    assert times_larger(seen(factor), MEAN, DEVIATION**2) == pytest.approx(factor, rel=0.05)
    assert times_larger(seen(factor, ()), MEAN, DEVIATION**2) == pytest.approx(factor, rel=1)


def test_a_few_units_far_off_are_none_of_a_scale():
    values = seen()
    values[..., 0] *= 1e4
    assert times_larger(values, MEAN, DEVIATION**2) == 1


def test_units_of_which_a_relu_makes_nothing_tell_nothing():
    values = np.maximum(seen(255), 0)
    values[..., :2] = 0
    assert times_larger(values, MEAN, DEVIATION**2) > 50


def test_what_cannot_be_told_is_not_told():
    assert times_larger(np.full((3, 4), np.nan), MEAN, DEVIATION**2) == 1
    assert times_larger(np.empty((0, 4)), MEAN, DEVIATION**2) == 1
    assert times_larger(np.zeros((3, 4)), np.zeros(4), np.zeros(4)) == 1


def test_rows_are_spread_over_all():
    (some,) = some_of([np.arange(100)], 4)
    assert some.tolist() == [0, 33, 66, 99]
    assert len(some_of([np.arange(3)])[0]) == 3
