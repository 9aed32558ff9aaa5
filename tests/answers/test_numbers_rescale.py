"""Numbers in the unit of the target: true numbers go along where they were standardised, else they stay."""

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure import InputError, RegressionCertainty

SHIFT, SCALE = 300_000.0, 100_000.0


def predicted(rows=40, skill=0.9, seed=0, shift=SHIFT, scale=SCALE):
    """A result of a network that speaks standardised, and true numbers in the unit of the target."""
    random = np.random.default_rng(seed)
    z, noise = random.normal(size=(2, rows))
    mean = skill * (skill * z + np.sqrt(1 - skill**2) * noise)  # the best prediction of z
    return RegressionCertainty.from_mean_std(mean, np.full(rows, np.sqrt(1 - skill**2))), z * scale + shift


def test_truths_in_the_unit_of_the_target_stay():
    result, y = predicted()
    for order in (result.with_truth(y).rescaled(SHIFT, SCALE), result.rescaled(SHIFT, SCALE).with_truth(y)):
        np.testing.assert_array_equal(order.truth[:, 0], y)
        assert howsure.evaluate(order).rmse.value < SCALE


def test_standardised_truths_go_along():
    result, y = predicted()
    found = result.with_truth((y - SHIFT) / SCALE).rescaled(SHIFT, SCALE)
    np.testing.assert_allclose(found.truth[:, 0], y)


@pytest.mark.parametrize("shift", [0.0, 1.0, -300.0])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 3.0, 1e6])
@pytest.mark.parametrize("skill", [0.5, 0.9, 0.999])
def test_the_unit_is_read_whatever_it_is(shift, scale, skill):
    result, y = predicted(2000, skill, shift=shift, scale=scale)
    for truth in (y, (y - shift) / scale):
        found = result.with_truth(truth).rescaled(shift, scale)
        np.testing.assert_allclose(found.truth[:, 0], y, rtol=1e-9, atol=1e-9 * scale)


def test_targets_with_units_of_their_own_are_read_together():
    (one, y), (other, size) = predicted(), predicted(seed=1, shift=5, scale=1e-3)
    both = RegressionCertainty.from_mean_std(np.column_stack([one.mean, other.mean]), np.ones((40, 2)))
    truth = np.column_stack([y, size])
    found = both.with_truth(truth).rescaled([SHIFT, 5], [SCALE, 1e-3])
    np.testing.assert_array_equal(found.truth, truth)
    found = both.with_truth((truth - [SHIFT, 5]) / [SCALE, 1e-3]).rescaled([SHIFT, 5], [SCALE, 1e-3])
    np.testing.assert_allclose(found.truth, truth)


@pytest.mark.parametrize("seed", range(40))
def test_a_unit_that_predictions_do_not_show_has_to_be_said(seed):
    """As those of a network that learnt nothing, which are closest where they hardly vary."""
    for scale in (0.01, 0.7, 1.3, 100.0):
        result, y = predicted(2000, 0.0, seed, shift=0.0, scale=scale)
        random = np.random.default_rng(seed + 100)
        mean = 0.1 * random.normal(size=2000)
        result = RegressionCertainty.from_mean_std(mean, np.ones(2000))
        for truth in (y, y / scale):
            with pytest.raises(InputError, match="in which unit the true numbers are"):
                result.with_truth(truth).rescaled(0.0, scale)


def test_what_is_said_holds():
    result, y = predicted(3)
    given = result.with_truth(y)
    np.testing.assert_array_equal(given.rescaled(SHIFT, SCALE, truth="real").truth[:, 0], y)
    along = given.rescaled(SHIFT, SCALE, truth="standardised").truth[:, 0]
    np.testing.assert_allclose(along, y * SCALE + SHIFT)
    with pytest.raises(InputError, match=r"`truth` cannot be used.*'standardised', 'real', None"):
        given.rescaled(SHIFT, SCALE, truth="dollars")


def test_without_rows_or_truths_nothing_has_to_be_said():
    result, y = predicted()
    assert len(result.with_truth(y)[:0].rescaled(SHIFT, SCALE)) == 0
    assert result[:1].rescaled(SHIFT, SCALE).truth is None


def test_means_of_a_data_frame_are_those_of_the_targets_by_name():
    """`train.mean()` has a number for every column, in the order of the columns."""
    made = RegressionCertainty.from_samples(np.random.default_rng(0).normal(size=(5, 3, 2)), ["kg", "m"])
    shift, scale = pd.Series({"m": 2.0, "age": 9.0, "kg": 70.0}), pd.Series({"m": 0.1, "age": 3.0, "kg": 8.0})
    np.testing.assert_allclose(made.rescaled(shift, scale).mean, made.mean * [8.0, 0.1] + [70.0, 2.0])
    assert made.with_noise(scale).noise[0].tolist() == [8.0, 0.1]
    right = RegressionCertainty.from_mean_std(np.zeros((99, 2)), 1.0, ["kg", "m"])
    rule = howsure.abstain(right, np.zeros((99, 2)), risk=0.1, tolerance=scale)
    assert rule.tolerance == {"kg": 8.0, "m": 0.1}
    np.testing.assert_allclose(made.rescaled(shift[:1].to_numpy(), 2.0).mean, made.mean * 2 + 2)
    with pytest.raises(InputError, match=r"The numbers of `std` have no columns 'kg'"):
        made.rescaled(0.0, scale[["m"]])
