"""Numbers per row against enumeration, a closed form, and themselves in another unit."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.request import Request
from howsure.sampling.between import LEVELS, exact, sampled
from howsure.tasks.regression.outcome import Numbers
from tests.support.arrays import ArrayModel, Dense, Dropout

FEATURES, UNITS, RATE = 3, 5, 0.3
METHODS = {
    "a plan": howsure.MCDropout(target_error=0.02),
    "balanced": howsure.MCDropout(passes=400),
    "independent": howsure.MCDropout(passes=400, balanced=False),
}


def network(outputs, scale=1.0, seed=0, head=False):
    """Two hidden layers of five units with dropout, and linear outputs; of a head half are log variances."""
    random = np.random.default_rng(seed)
    one, two = random.normal(size=(FEATURES, UNITS)), random.normal(size=(UNITS, UNITS))
    last = random.normal(size=(UNITS, outputs)) * scale
    if head:
        last[:, outputs // 2 :] *= 0.3 / np.max(scale)
    steps = {
        "one": (Dense(one, 0.5, "relu"), "x"),
        "early": (Dropout(RATE), "one"),
        "two": (Dense(two, 0.5, "relu"), "early"),
        "late": (Dropout(RATE), "two"),
        "output": (Dense(last, 0.2 * np.broadcast_to(scale, outputs)), "late"),
    }
    model = ArrayModel("net", [InputSpec("x", (FEATURES,), "float32")], steps, trained_for="regression")
    return model, (one, two, last, 0.2 * np.broadcast_to(scale, outputs))


def rows(count=60):
    return np.random.default_rng(1).normal(size=(count, FEATURES)).astype(np.float32)


def enumerated(weights, x):
    """(M, N, outputs) of every thinned network, and (M,) its probability."""
    one, two, last, bias = weights
    masks = np.array(list(itertools.product([0, 1], repeat=2 * UNITS)))
    probability = np.prod(np.where(masks, 1 - RATE, RATE), axis=1)
    early, late = (masks[:, None, part] / (1 - RATE) for part in (slice(UNITS), slice(UNITS, None)))
    hidden = np.maximum(x.astype(float) @ one + 0.5, 0) * early
    return np.maximum(hidden @ two + 0.5, 0) * late @ last + bias, probability


def moments(y, probability):
    mean = np.tensordot(probability, y, 1)
    return mean, np.sqrt(np.tensordot(probability, (y - mean) ** 2, 1))


@pytest.mark.parametrize("name", METHODS)
def test_mean_and_spread_are_those_of_all_thinned_networks(name):
    model, weights = network(2)
    x, held = rows(), {"mean": [], "spread": []}
    mean, spread = moments(*enumerated(weights, x))
    for seed in range(12):
        result = howsure.assess(model, x, method=METHODS[name], seed=seed)
        held["mean"].append(np.abs(result.mean - mean) <= 1.96 * result.mc_error)
        held["spread"].append(np.abs(result.spread - spread) <= 1.96 * result.spread_error)
        assert np.abs(result.mean - mean).max() < 5 * result.mc_error.max()
        assert np.isnan(result.std).all()
    # The rows of a seed share their masks, so that 12 seeds are few: less than 0.85 is no chance.
    assert np.mean(held["mean"]) > 0.85
    assert np.mean(held["spread"]) > 0.85


def test_errors_are_not_too_large_either():
    model, weights = network(1)
    x = rows()
    mean, spread = moments(*enumerated(weights, x))
    off = [
        ((result.mean - mean) / result.mc_error, (result.spread - spread) / result.spread_error)
        for result in (howsure.assess(model, x, method=METHODS["a plan"], seed=seed) for seed in range(12))
    ]
    of_mean, of_spread = (np.sqrt(np.mean(np.square(each))) for each in zip(*off, strict=True))
    assert 0.5 < of_mean < 1.5
    assert 0.5 < of_spread < 1.5


@pytest.mark.parametrize("outputs", ["mean-log-variance", "mean-variance"])
def test_noise_is_the_root_of_the_mean_variance(outputs):
    model, weights = network(4, head=True)
    x = rows()
    y, probability = enumerated(weights, x)
    variances = np.exp(y[..., 2:]) if outputs == "mean-log-variance" else y[..., 2:]
    if outputs == "mean-variance":
        with pytest.raises(howsure.ModelError, match=r"negative variances.*outputs='mean-log-variance'"):
            howsure.assess(model, x, outputs=outputs)
        return
    result = howsure.assess(model, x, outputs=outputs, method=howsure.MCDropout(passes=4000))
    mean, spread = moments(y[..., :2], probability)
    noise = np.sqrt(np.tensordot(probability, variances, 1))
    np.testing.assert_allclose(result.noise, noise, rtol=0.05)
    np.testing.assert_allclose(result.std, np.hypot(result.spread, result.noise), rtol=1e-12)
    np.testing.assert_allclose(result.mean, mean, atol=5 * result.mc_error.max())
    np.testing.assert_allclose(result.spread, spread, rtol=0.1)
    assert result.noise_from == "the model"


@pytest.mark.parametrize(
    ("shape", "made", "axis"),
    [
        ((24, 2), -1, 1),  # steps, then mean and variance
        ((24, 2), None, 1),
        ((2, 24), 0, 0),  # channels first
        ((2, 24), None, 0),
        ((2, 23), -1, 0),
        ((24, 6), -1, 1),  # three targets at each step
        ((6, 8, 8), 0, 0),
        ((1, 5, 2), None, 2),
        ((6, 5), None, 0),
        ((6,), None, 0),
    ],
)
def test_variances_lie_along_the_axis_that_the_shape_shows(shape, made, axis):
    info = replace(network(6)[0].info, output_shape=shape, class_axis=made)
    outcome = Numbers.of(info, Request(outputs="mean-variance"))
    raw = np.random.default_rng(0).uniform(size=(3, 4, *shape)).astype(np.float32)
    means, variances = np.split(raw, 2, axis=2 + axis)
    expected = [np.moveaxis(mean, 2 + axis, 2).reshape(3, 4, -1) for mean in (means, variances)]
    np.testing.assert_array_equal(outcome.values(raw, np.arange(4)), np.concatenate(expected, axis=-1))
    assert len(outcome.target_names) == outcome.answers == np.prod(shape) // 2


@pytest.mark.parametrize(
    ("shape", "made"), [((2, 2), None), ((6, 24), None), ((2, 24), -1), ((24, 3), -1), ((4, 24, 2, 2), None)]
)
def test_an_output_in_which_variances_may_lie_along_several_axes_is_refused(shape, made):
    info = replace(network(6)[0].info, output_shape=shape, class_axis=made)
    with pytest.raises(howsure.ModelError, match=r"Nothing shows which axis.*two arrays of one shape"):
        Numbers.of(info, Request(outputs="mean-variance"))


@pytest.mark.parametrize("name", METHODS)
def test_quantiles_are_those_of_all_thinned_networks(name):
    model, weights = network(1)
    x = rows(20)
    y, probability = enumerated(weights, x)
    result = howsure.assess(model, x, method=METHODS[name])
    for level, low, high in zip(
        LEVELS,
        *np.moveaxis(
            result.quantiles[..., 0, :] + np.array([[-4.0], [4.0]])[..., None] * result.quantiles_error[:, 0],
            2,
            1,
        ),
        strict=True,
    ):
        below = np.tensordot(probability, y[..., 0] < low, 1)
        at_most = np.tensordot(probability, y[..., 0] <= high, 1)
        assert np.all((below <= level) & (level <= at_most)), level


def test_the_closed_form_of_dropout_before_a_linear_layer():
    weights = np.array([[1.0], [-2.0], [0.5]])
    steps = {"drop": (Dropout(0.2), "x"), "output": (Dense(weights, [1.0]), "drop")}
    model = ArrayModel("net", [InputSpec("x", (3,), "float32")], steps, trained_for="regression")
    x = rows(30)
    result = howsure.assess(model, x, method=howsure.MCDropout(passes=2000, balanced=False))
    spread = np.sqrt(0.2 / 0.8 * (x.astype(float) ** 2 @ weights**2))
    assert np.all(np.abs(result.spread - spread) < 4 * result.spread_error)
    assert np.all(np.abs(result.mean - (x @ weights + 1)) < 4 * result.mc_error)
    # Balance cancels all that is of first order, and the network has nothing else.
    balanced = howsure.assess(model, x, method=howsure.MCDropout(passes=200))
    np.testing.assert_allclose(balanced.mean, x @ weights + 1, atol=1e-5)
    # That no pair of units does anything together, 200 passes do not show.
    assert np.all(balanced.mc_error < 2e-3 * balanced.spread)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("scale", [1e-9, 1000.0, np.array([1e6, 1.0])], ids=["small", "large", "mixed"])
def test_the_unit_of_the_target_changes_nothing_else(name, scale):
    x = rows()
    one = howsure.assess(network(2)[0], x, method=METHODS[name])
    other = howsure.assess(network(2, scale)[0], x, method=METHODS[name])
    assert np.array_equal(one.passes, other.passes)
    for column in ("mean", "spread", "spread_error"):
        np.testing.assert_allclose(getattr(other, column), scale * getattr(one, column), rtol=1e-4)
    wide = np.broadcast_to(scale, 2)[:, None]
    np.testing.assert_allclose(other.quantiles / wide, one.quantiles, rtol=1e-3, atol=1e-3)


def test_an_error_in_the_unit_of_the_target():
    x, scale = rows(), 1000.0
    small = howsure.assess(network(1)[0], x, method=howsure.MCDropout(max_error=0.05, max_passes=40000))
    large = howsure.assess(
        network(1, scale)[0], x, method=howsure.MCDropout(max_error=50.0, max_passes=40000)
    )
    assert small.mc_error.max() <= 0.05
    assert large.mc_error.max() <= 50.0
    assert np.array_equal(small.passes, large.passes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_error": 0.0}, "`max_error` is out of range"),
        ({"max_error": "a"}, "`max_error` is out of range"),
        ({"max_error": 0.1, "target_error": 0.1}, "cannot both say when a row has enough passes"),
        ({"max_error": 0.1, "passes": 5}, "`max_error` would have no effect"),
    ],
)
def test_an_error_that_cannot_be_used(given, said):
    with pytest.raises(howsure.InputError, match=said):
        howsure.MCDropout(**given)


def test_an_error_in_a_unit_is_for_numbers_alone():
    steps = {"drop": (Dropout(0.2), "x"), "output": (Dense(np.eye(3), 0.0, "softmax"), "drop")}
    model = ArrayModel("net", [InputSpec("x", (3,), "float32")], steps)
    with pytest.raises(howsure.InputError, match=r"`max_error` is for numbers.*`target_error`"):
        howsure.assess(model, rows(), method=howsure.MCDropout(max_error=0.1))


def test_members_are_all_there_are():
    values = np.random.default_rng(0).normal(size=(5, 4, 2))
    reported = exact(values, values)
    np.testing.assert_allclose(reported["spread"], values.std(axis=0))
    assert not reported["spread_error"].any()
    expected = np.quantile(values, LEVELS, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(reported["quantiles"], np.moveaxis(expected, 0, -1))


def test_samples_have_the_quantiles_of_hazen():
    values = np.random.default_rng(0).normal(size=(101, 3, 2))
    reported = sampled(values, values)
    expected = np.moveaxis(np.quantile(values, LEVELS, axis=0, method="hazen"), 0, -1)
    np.testing.assert_allclose(reported["quantiles"], expected)  # (k − ½)/101 covers all levels
    np.testing.assert_allclose(reported["spread"], values.std(axis=0, ddof=1))


def test_errors_of_samples_cover():
    random = np.random.default_rng(3)
    held = np.mean(
        [
            np.abs(reported["spread"] - 1) <= 1.96 * reported["spread_error"]
            for reported in (sampled(drawn, drawn) for drawn in random.normal(size=(4, 40, 500, 1)))
        ]
    )
    assert 0.93 < held < 0.99
