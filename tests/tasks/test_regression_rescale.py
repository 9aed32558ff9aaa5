"""Numbers in the unit of the target: true numbers go along where they are said to be standardised."""

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure import InputError, RegressionCertainty

SHIFT, SCALE = 300_000.0, 100_000.0


def predicted(rows=40):
    """A result of a network that speaks standardised, and true numbers in the unit of the target."""
    z, off = np.random.default_rng(0).normal(size=(2, rows))
    return RegressionCertainty.from_mean_std(z + 0.5 * off, np.full(rows, 0.5)), z * SCALE + SHIFT


def test_what_is_said_holds():
    result, y = predicted(3)
    given = result.with_truth(y)
    with pytest.raises(InputError, match="The unit of the true numbers is not said"):
        given.rescaled(SHIFT, SCALE)
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


def test_each_row_may_have_a_scale_of_its_own():
    random = np.random.default_rng(0)
    samples, truth = random.normal(size=(5, 30, 2)), random.normal(size=(30, 2))
    shift, scale = random.normal(size=(30, 2)), np.exp(random.normal(size=(30, 2)))
    result = RegressionCertainty.from_samples(samples, ["kg", "m"]).with_noise(0.5).with_truth(truth)
    moved = result.rescaled(shift, scale, truth="standardised")
    known = RegressionCertainty.from_samples(samples * scale + shift, ["kg", "m"]).with_noise(0.5 * scale)
    for name in ("mean", "mc_error", "spread", "noise", "std", "quantiles", "networks"):
        np.testing.assert_allclose(getattr(moved, name), getattr(known, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(moved.truth, truth * scale + shift)
    one = result.rescaled(shift[:, :1], 2.0, truth="standardised")
    np.testing.assert_allclose(one.mean, result.mean * 2 + shift[:, :1])
    frame = pd.DataFrame(shift, columns=["kg", "m"])[["m", "kg"]]
    np.testing.assert_allclose(result.rescaled(frame, scale, truth="real").mean, moved.mean)


def test_intervals_of_rows_with_scales_of_their_own_fit_no_others():
    result, _ = predicted()
    own = result.rescaled(np.ones((40, 1)), 2.0)
    intervals = howsure.prediction_intervals(own, own.mean + 1)
    assert intervals(result.rescaled(np.zeros((40, 1)), 3.0)).shape == (40, 1, 2)
    with pytest.raises(InputError, match="rescaled"):
        intervals(result.rescaled(0.0, 3.0))
    with pytest.raises(InputError, match=r"`mean` does not fit.*\(40, 1\)"):
        result.rescaled(np.ones((39, 1)), 2.0)
    with pytest.raises(InputError, match="`std` is out of range"):
        result.rescaled(0.0, np.zeros((40, 1)))


def test_rescaled_rows_are_saved(tmp_path):
    result, _ = predicted()
    own = result.rescaled(np.ones((40, 1)), 2.0)
    own.save(tmp_path / "own.parquet")
    assert howsure.load(tmp_path / "own.parquet").method == own.method
