"""Every method answers a regression with numbers, in whatever unit its targets are."""

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure.inputs.rows import InputSpec
from tests.conformance.test_methods import in_units
from tests.support.arrays import ArrayModel, Dropout
from tests.support.cases import rows_of, two_layers

INPUT = [InputSpec("x", (4,), "float32")]
(X,) = rows_of((4,), rows=40)


def regression(numbers=1, units=1.0, steps=None, trained_for="regression"):
    steps = two_layers(Dropout(0.4), "linear", numbers) if steps is None else steps
    return ArrayModel("prices", INPUT, in_units(steps, units), trained_for=trained_for)


def with_variances(seed):
    """A member whose outputs are two means and two log variances, and these by its own `predict`."""
    moved = np.random.default_rng(seed).normal(1, 0.2, size=4)
    model = regression(4, moved, trained_for=None)
    mean, log_variance = np.split(model.predict([X]).astype(np.float64), 2, axis=-1)
    return model, mean, np.exp(log_variance)


# --- units -------------------------------------------------------------------------------------

DROPOUT = {
    "planned": lambda model: howsure.MCDropout(),
    "by a plan": lambda model: howsure.MCDropout(plan=howsure.plan(model, X)),
    "flat": lambda model: howsure.MCDropout(balanced=False),
    "flat and balanced": lambda model: howsure.MCDropout(passes=24),
    "to a share of the spread": lambda model: howsure.MCDropout(target_error=0.02, max_passes=2000),
}


@pytest.mark.parametrize("name", DROPOUT)
@pytest.mark.parametrize("units", [1000.0, [1.0, 1e6], [1e-6, 1.0]], ids=str)
def test_a_unit_changes_nothing_but_the_unit(name, units):
    small, large = regression(2), regression(2, units)
    one = howsure.assess(small, X, method=DROPOUT[name](small))
    other = howsure.assess(large, X, method=DROPOUT[name](large))
    np.testing.assert_array_equal(other.passes, one.passes)
    size = np.broadcast_to(np.asarray(units), (2,))
    off = 1e-6 * np.abs(one.mean).max()  # single precision rounds to 1e-7 of the largest
    for column in ("mean", "mc_error", "spread", "spread_error"):
        actual, wanted = getattr(other, column) / size, getattr(one, column)
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=off, err_msg=column)
    for column in ("quantiles", "quantiles_error"):
        actual, wanted = getattr(other, column) / size[:, None], getattr(one, column)
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=off, err_msg=column)


def test_a_bound_is_in_the_unit_of_the_target():
    method = howsure.MCDropout(max_error=0.05, max_passes=4000)
    result = howsure.assess(regression(), X, method=method)
    assert np.all(result.mc_error <= 0.05)
    larger = howsure.assess(regression(1, 1000), X, method=howsure.MCDropout(max_error=50.0, max_passes=4000))
    np.testing.assert_array_equal(larger.passes, result.passes)


# --- one pass ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [howsure.Softmax(), howsure.PlainPrediction()])
def test_the_plain_prediction_is_the_mean_alone(method):
    model = regression(2)
    result = howsure.assess(model, X, method=method)
    np.testing.assert_allclose(result.mean, model.predict([X]), rtol=1e-7)
    assert not result.mc_error.any()
    assert result.passes.tolist() == [1] * len(X)
    assert result.spread is None
    assert result.quantiles is None
    assert np.isnan(result.noise).all()
    text = f"{result[0]} {result.method} {method.in_words}"
    assert "softmax" not in text.lower()
    assert "plain prediction" in text


def test_the_plain_prediction_has_the_noise_that_the_model_puts_out():
    model, mean, variance = with_variances(0)
    result = howsure.assess(model, X, method=howsure.PlainPrediction(), outputs="mean-log-variance")
    np.testing.assert_allclose(result.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(result.noise, np.sqrt(variance), rtol=1e-6)
    np.testing.assert_allclose(result.std, result.noise)


def test_a_network_runs_in_the_batches_that_were_asked_for(monkeypatch):
    model, seen = regression(), []
    predict = model.predict

    def watched(rows):
        seen.append(len(rows[0]))
        return predict(rows)

    monkeypatch.setattr(model, "predict", watched)
    howsure.assess(model, X, method=howsure.PlainPrediction(), batch_size=16)
    assert max(seen) == 16


# --- members -----------------------------------------------------------------------------------


def test_an_ensemble_with_variances_is_the_mixture_of_its_members():
    """Lakshminarayanan and others (2017), section 2.4."""
    models, means, variances = zip(*map(with_variances, range(5)), strict=True)
    method = howsure.Ensemble(models[1:])
    result = howsure.assess(models[0], X, method=method, outputs="mean-log-variance")
    mean = sum(means) / 5
    variance = sum(v + m**2 for m, v in zip(means, variances, strict=True)) / 5 - mean**2
    np.testing.assert_allclose(result.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(result.std, np.sqrt(variance), rtol=1e-6)
    np.testing.assert_allclose(result.noise, np.sqrt(sum(variances) / 5), rtol=1e-6)
    np.testing.assert_allclose(result.spread, np.std(means, axis=0), rtol=1e-5)
    widened = stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)
    np.testing.assert_allclose(result.mc_error, stats.sem(means, axis=0) * widened, rtol=1e-5)
    assert not result.spread_error.any()
    low, high = np.moveaxis(result.credible_interval(0.9), -1, 0)
    np.testing.assert_allclose(low, np.min(means, axis=0), rtol=1e-6)
    np.testing.assert_allclose(high, np.max(means, axis=0), rtol=1e-6)
    assert result.passes.tolist() == [5] * len(X)
    assert "members" in result[0].explain()


def test_an_ensemble_of_dropout_has_the_variance_of_all_its_passes():
    models = [regression(1, 1.0 + 0.1 * number) for number in range(3)]
    dropout = howsure.MCDropout(passes=200, balanced=False)
    result = howsure.assess(models[0], X, method=howsure.Ensemble(models[1:], each=dropout))
    passes = np.array([howsure.passes(model, X, 200) for model in models], np.float64)
    exact = passes.var(axis=1, ddof=1).mean(axis=0) + passes.mean(axis=1).var(axis=0)
    np.testing.assert_allclose(result.spread, np.sqrt(exact), rtol=1e-5)
    assert np.all(result.spread_error > 0)
    assert result.passes.tolist() == [600] * len(X)
    with pytest.raises(howsure.InputError, match=r"Quantiles between networks.*`spread` is"):
        result.credible_interval()


# --- functions beside assess -------------------------------------------------------------------


def test_passes_are_the_numbers_of_single_networks():
    p = howsure.passes(regression(2), X, 30)
    result = howsure.assess(regression(2), X, method=howsure.MCDropout(passes=30, balanced=False))
    assert p.shape == (30, len(X), 2)
    np.testing.assert_allclose(p.mean(axis=0), result.mean, atol=1e-5)
    np.testing.assert_allclose(p.std(axis=0, ddof=1), result.spread, atol=1e-5)


def test_passes_of_means_and_variances_hold_both():
    model, _, _ = with_variances(0)
    p = howsure.passes(model, X, 30, outputs="mean-log-variance")
    result = howsure.assess(
        model, X, method=howsure.MCDropout(passes=30, balanced=False), outputs="mean-log-variance"
    )
    np.testing.assert_allclose(p[..., :2].mean(axis=0), result.mean, atol=1e-5)
    np.testing.assert_allclose(p[..., 2:].mean(axis=0), result.noise**2, rtol=1e-5)
