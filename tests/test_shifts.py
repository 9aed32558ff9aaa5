"""Images that are turned, moved, noisy or blurred stay images of the same kind."""

import numpy as np
import pytest

from howsure import shifts
from howsure.errors import InputError


def images(shape=(3, 12, 10, 1), dtype="float32"):
    random = np.random.default_rng(0)
    values = random.uniform(size=shape)
    return (255 * values).astype(dtype) if dtype == "uint8" else values.astype(dtype)


@pytest.mark.parametrize("name", shifts.STANDARD)
@pytest.mark.parametrize("shape", [(3, 12, 10), (3, 12, 10, 1), (2, 12, 10, 3)])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_shape_type_and_range_stay(name, shape, dtype):
    before = images(shape, dtype)
    kept = before.copy()
    after = shifts.STANDARD[name](before)
    assert after.shape == before.shape
    assert after.dtype == before.dtype
    assert after.min() >= before.min()
    assert after.max() <= before.max()
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(before, kept)
    assert len(shifts.STANDARD[name](before[:0])) == 0


@pytest.mark.parametrize("name", ["rotated by 30°", "moved by a tenth", "blurred"])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_may_come_first(name, channels):
    before = images((2, 12, 10, channels))
    turned = shifts.STANDARD[name](np.moveaxis(before, -1, 1))
    np.testing.assert_array_equal(np.moveaxis(turned, 1, -1), shifts.STANDARD[name](before))


def test_a_quarter_turn_is_numpys():
    square = images((2, 9, 9, 1))
    np.testing.assert_allclose(shifts.rotated(90)(square), np.rot90(square, 1, axes=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(shifts.rotated(0)(square), square, atol=1e-6)


def test_moved_by_whole_pixels():
    before = images((2, 10, 20))
    after = shifts.moved(0.1)(before)
    np.testing.assert_allclose(after[:, 1:, 2:], before[:, :-1, :-2], atol=1e-6)
    np.testing.assert_allclose(after[:, 0, 5], before[:, 0, 3], atol=1e-6)  # the edge is drawn out


def test_noise_has_the_size_that_was_asked_for_and_is_the_same_again():
    grey = np.full((50, 20, 20), 0.5)
    grey[0, 0, :2] = 0, 1  # the range
    noise = shifts.noisy(0.1)(grey)[1:] - 0.5
    assert noise.std() == pytest.approx(0.1, rel=4 / np.sqrt(2 * noise.size))
    np.testing.assert_array_equal(shifts.noisy(0.1)(grey), shifts.noisy(0.1)(grey))
    assert not np.array_equal(shifts.noisy(0.1, seed=1)(grey), shifts.noisy(0.1)(grey))


def test_a_blur_keeps_the_mean_and_lowers_the_spread():
    before = images((1, 60, 60))
    after = shifts.blurred(2)(before)
    assert after.mean() == pytest.approx(before.mean(), abs=0.01)
    assert after.std() < 0.2 * before.std()


def test_what_is_no_image_is_refused():
    with pytest.raises(InputError, match="no images"):
        shifts.rotated(30)(np.zeros((5, 4)))
