"""The grid on which passes are counted, against all of them."""

import numpy as np
from scipy import stats

from howsure.sampling.between import LEVELS
from howsure.sampling.outcome import Estimates
from howsure.sampling.sketch import BINS, TRACKED, NumberSketch, Sketch, with_networks
from howsure.tasks.raw import Raw

ROWS = 40


def draw(passes, classes=4, scale=1.0, seed=0):
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(ROWS, classes)) + scale * random.normal(size=(passes, ROWS, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def sketched(p, sizes, rows=None):
    """Of passes (T, N, K) in units of these sizes."""
    sketch, rows = Sketch(p.shape[1], min(TRACKED, p.shape[2])), np.arange(p.shape[1])
    end = 0
    for size in sizes:
        end += size
        sketch.add(p[end - size : end], p[:end].mean(axis=0), rows)
    return sketch


def read(sketch, p, effect=1.0):
    label = p.mean(axis=0).argmax(axis=-1)
    spread = np.take_along_axis(p.std(axis=0), label[:, None], axis=-1)
    actual, error = sketch.quantiles(label, spread, np.full((len(label), len(LEVELS)), effect))
    return label, actual, error


def width(p):
    """Of a bin at a probability, and a little more at the ends of the scale."""
    return np.pi / BINS * np.sqrt(p * (1 - p)) + 1e-4


def test_quantiles_are_those_of_all_passes_within_a_bin():
    p = draw(2_000)
    label, actual, error = read(sketched(p, [2_000]), p)
    top = np.take_along_axis(p, label[None, :, None], axis=-1)[..., 0]
    # Where passes are rare, one more or less counts for more than a bin.
    low, high = (np.quantile(top, np.array(LEVELS) + by / 2_000, axis=0, method="hazen").T for by in (-1, 1))
    assert np.all(actual >= low - width(low))
    assert np.all(actual <= high + width(high))
    assert np.all(error >= 0.9 * width(actual) / np.sqrt(6) - 1e-4)


def test_units_may_be_of_any_size():
    """Counts add up, whatever the batches."""
    p = draw(60, classes=TRACKED)
    _, expected, _ = read(sketched(p, [60]), p)
    for sizes in ([1] * 60, [20, 20, 20], [1, 59]):
        _, actual, _ = read(sketched(p, sizes), p)
        np.testing.assert_array_equal(actual, expected)


def test_a_class_that_comes_to_the_top_late_is_counted_from_then_on():
    """It is fifth in the first unit, and the only one from then on."""
    first = np.tile([0.4, 0.3, 0.15, 0.1, 0.05], (10, 1, 1))
    then = np.tile([0.02, 0.02, 0.02, 0.02, 0.92], (50, 1, 1))
    p = np.concatenate([first, then])
    label, actual, _ = read(sketched(p, [10] * 6), p)
    assert label.tolist() == [4]
    assert np.all(np.abs(actual[:, 2:-2] - 0.92) <= width(0.92))


def test_a_class_that_was_never_counted_has_no_quantiles():
    sketch = Sketch(1, 2)
    sketch.add(np.array([[[0.6, 0.3, 0.1]]] * 30), np.array([[0.6, 0.3, 0.1]]), np.array([0]))
    actual, error = sketch.quantiles(np.array([2]), np.array([[0.1]]), np.ones((1, len(LEVELS))))
    assert np.isnan(actual).all()
    assert np.isnan(error).all()


def test_what_lies_beyond_all_passes_is_unknown():
    for passes, unknown in ((5, 6), (10, 4), (20, 2), (100, 0)):
        p = draw(passes)
        _, actual, error = read(sketched(p, [passes]), p)
        assert np.all(np.isnan(actual).sum(axis=1) == unknown), passes
        np.testing.assert_array_equal(np.isnan(error), np.isnan(actual))
        _, actual, _ = read(sketched(p, [passes]), p, effect=passes)
        assert np.isnan(actual[:, [0, 1, 2, 3, 4]]).all(), "passes that tell as much as one"


def test_passes_that_tell_less_have_larger_errors():
    p = draw(400)
    _, same, error = read(sketched(p, [400]), p)
    _, actual, larger = read(sketched(p, [400]), p, effect=4.0)
    np.testing.assert_array_equal(actual[:, 1:-1], same[:, 1:-1])
    assert 1.5 < np.median((larger / error)[:, 4:7]) < 2.5


def test_kurtosis_is_that_of_all_passes():
    p = draw(2_000, classes=3)
    actual = sketched(p, [2_000]).kurtosis(3)
    exact = stats.kurtosis(p, axis=0, fisher=False)
    wide = p.std(axis=0) > 4 * width(p.mean(axis=0))
    assert wide.sum() > ROWS
    np.testing.assert_allclose(actual[wide], exact[wide], rtol=0.05)


def test_ends_of_the_scale_have_bins():
    p = np.tile([[1.0, 0.0]], (30, 1, 1))
    _, actual, _ = read(sketched(p, [30]), p)
    assert np.nanmin(actual) > 0.9999


def test_numbers_that_are_no_probabilities_stay_as_they_are():
    zeros = np.zeros((2, 3))
    estimates = Estimates(zeros, zeros, zeros, zeros, np.array([20, 20]))
    assert with_networks(estimates, None, Raw((3,))) is estimates


def test_numbers_that_hardly_differ_at_first_have_the_quantiles_of_all_passes():
    """A scale that the first passes set may be that of one small weight among large ones."""
    random = np.random.default_rng(0)
    y = 1e-6 * random.normal(size=(2000, 6, 1))
    y[3:, ::2] += random.normal(size=(1997, 3, 1))
    sketch = NumberSketch(6, 1)
    for each in y:
        sketch.add(each[None], np.zeros((6, 1)), np.arange(6))
    spread = y.std(axis=0)
    reported = sketch.network_fields(spread, np.full(6, 2000.0), np.ones((6, len(LEVELS))))
    wanted = np.moveaxis(np.quantile(y, LEVELS, axis=0, method="hazen"), 0, -1)
    bins = 2.5 * np.pi / BINS * spread[..., None] * (1 + (wanted / spread[..., None]) ** 2)
    assert np.all(np.abs(reported["quantiles"] - wanted) <= bins)
    assert np.all(reported["spread_error"] < 0.03 * spread)


def test_a_histogram_of_numbers_depends_on_no_unit():
    y = np.random.default_rng(1).normal(size=(300, 4, 2)) ** 3
    spread, actual = y.std(axis=0), []
    for unit in (1.0, 1024.0):
        sketch = NumberSketch(4, 2)
        for each in y:
            sketch.add(unit * each[None], np.zeros((4, 2)), np.arange(4))
        reported = sketch.network_fields(unit * spread, np.full(4, 300.0), np.ones((4, len(LEVELS))))
        actual.append({name: value / unit for name, value in reported.items()})
    for name, value in actual[0].items():
        np.testing.assert_allclose(actual[1][name], value, rtol=1e-12, err_msg=name)
