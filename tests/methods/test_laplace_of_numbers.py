"""Last-layer Laplace of numbers is Bayesian linear regression on the features, as others compute it."""

import json
import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct
from sklearn.linear_model import BayesianRidge

import howsure
from howsure.data.rows import InputSpec
from howsure.methods.laplace import LastLayerLaplace
from howsure.methods.laplace_of_numbers import fit_laplace_of_numbers
from howsure.models.features import Features
from howsure.sampling.between import LEVELS
from tests.methods.test_numbers import regression
from tests.support.arrays import ArrayModel
from tests.support.cases import dense, two_layers

WIDTH = 6


def simulated(rows=80, width=WIDTH, seed=0, units=(1.0, 1e4), shift=0.0):
    """Features, numbers that a layer makes of them, and answers that scatter around these."""
    random = np.random.default_rng([seed, rows])
    z = random.normal(size=(rows, width)).astype(np.float32) + np.float32(shift)
    weights = np.random.default_rng(7).normal(size=(width, 2)) * units
    said = z @ weights + 3 * np.asarray(units)
    answers = said + random.normal(0, [0.5, 2.0], size=(rows, 2)) * units
    return Features(z, said), answers


def by_hand(train, others, noise, precision, bias=True):
    """(N,) variances of one number: φᵀ (ΦᵀΦ/σ² + P)⁻¹ φ, where P is δ for weights and 0 for the bias."""
    phi, new = (np.hstack([each.features.astype(float), np.ones((len(each), 1))]) for each in (train, others))
    prior = np.full(phi.shape[1], precision)
    prior[-1] = 0.0
    if not bias:
        phi, new, prior = phi[:, :-1], new[:, :-1], prior[:-1]
    hessian = phi.T @ phi / noise**2 + np.diag(prior)
    return np.einsum("ni,ij,nj->n", new, np.linalg.inv(hessian), new)


# --- against other algebra ---------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_the_spread_is_that_of_the_textbook(bias):
    (train, answers), (others, _) = simulated(shift=1.0), simulated(rows=9, seed=1)
    if not bias:
        weights = np.random.default_rng(7).normal(size=(WIDTH, 2)) * [1.0, 1e4]
        train = Features(train.features, train.features @ weights)
    fitted = fit_laplace_of_numbers(train, answers, bias=bias)
    found = fitted.spread(others)
    for k in range(2):
        expected = by_hand(train, others, fitted.noise[k], fitted.prior_precision[k], bias)
        np.testing.assert_allclose(found[:, k] ** 2, expected, rtol=1e-8)


def test_a_gaussian_process_with_a_linear_kernel_says_the_same():
    (train, answers), (others, _) = simulated(), simulated(rows=9, seed=1)
    fitted = fit_laplace_of_numbers(train, answers)
    for k in range(2):
        variance = 1 / fitted.prior_precision[k]
        flat = 1e6 * variance  # nearly a flat prior of the bias
        kernel = ConstantKernel(variance) * DotProduct(0.0, "fixed") + ConstantKernel(flat)
        process = GaussianProcessRegressor(kernel, alpha=fitted.noise[k] ** 2, optimizer=None)
        _, std = process.fit(train.features, answers[:, k]).predict(others.features, return_std=True)
        np.testing.assert_allclose(fitted.spread(others)[:, k], std, rtol=1e-4)


def test_bayesian_ridge_finds_the_same_noise_and_prior():
    """Of a layer that is Bayesian ridge regression itself, as it then has the most probable weights."""
    (train, answers), (others, _) = simulated(), simulated(rows=9, seed=1)
    flat = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    ridges = [
        BayesianRidge(fit_intercept=False, tol=1e-14, max_iter=5000, **flat).fit(
            train.features.astype(float), answers[:, k]
        )
        for k in range(2)
    ]
    weights = np.array([ridge.coef_ for ridge in ridges]).T
    fitted = fit_laplace_of_numbers(Features(train.features, train.features @ weights), answers, bias=False)
    new = Features(others.features, others.features @ weights)
    # Outputs of a network are in single precision, which rounds the weights to 1e-7.
    np.testing.assert_allclose(fitted.noise, [ridge.alpha_**-0.5 for ridge in ridges], rtol=1e-6)
    np.testing.assert_allclose(fitted.prior_precision, [ridge.lambda_ for ridge in ridges], rtol=1e-6)
    found = LastLayerLaplace(fitted).assess(new)
    for k, ridge in enumerate(ridges):
        mean, std = ridge.predict(others.features.astype(float), return_std=True)
        np.testing.assert_allclose(found.std[:, k], std, rtol=1e-6)
        np.testing.assert_allclose(found.mean[:, k], mean, atol=1e-6 * np.abs(mean).max())


def test_noise_and_prior_make_the_answers_most_probable():
    train, answers = simulated(units=(1.0, 1.0), shift=0.5)
    fitted = fit_laplace_of_numbers(train, answers)
    centred = train.features - train.features.astype(float).mean(axis=0)
    residuals = ((answers - train.logits) ** 2).sum(axis=0)
    weights, *_ = np.linalg.lstsq(centred, train.logits - train.logits.mean(axis=0), rcond=None)
    rows, total = len(train), 0.0
    for k in range(2):

        def loss(logs, k=k):
            """−log p(y) by the log-determinant of the whole precision matrix, less what is constant."""
            variance, precision = np.exp(logs)
            hessian = centred.T @ centred / variance + precision * np.eye(WIDTH)
            return (
                (rows - 1) * np.log(2 * np.pi * variance)
                + np.log(rows)
                + residuals[k] / variance
                + precision * np.sum(weights[:, k] ** 2)
                - WIDTH * np.log(precision)
                + np.linalg.slogdet(hessian)[1]
            ) / 2

        best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
        wanted = np.exp(best.x)
        np.testing.assert_allclose([fitted.noise[k] ** 2, fitted.prior_precision[k]], wanted, rtol=1e-5)
        total -= best.fun
    assert fitted.log_marginal_likelihood == pytest.approx(total, rel=1e-6)


def test_the_marginal_likelihood_is_exact_for_the_most_probable_weights():
    """log p(y) by the covariance of all answers, σ² I + Φ Φᵀ/δ, is the same number."""
    train, answers = simulated(rows=30, units=(1.0, 1.0))
    z, y = train.features.astype(float), answers[:, 0]
    ridge = BayesianRidge(
        fit_intercept=False, tol=1e-14, max_iter=5000, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0
    ).fit(z, y)
    fitted = fit_laplace_of_numbers(Features(z, (z @ ridge.coef_)[:, None]), y, bias=False)
    covariance = fitted.noise**2 * np.eye(30) + z @ z.T / fitted.prior_precision
    expected = multivariate_normal(np.zeros(30), covariance).logpdf(y)
    assert fitted.log_marginal_likelihood == pytest.approx(expected, rel=1e-5)


# --- what a result says ------------------------------------------------------------------------


def test_everything_is_exact():
    (train, answers), (others, _) = simulated(), simulated(rows=9, seed=1)
    method = LastLayerLaplace(fit_laplace_of_numbers(train, answers))
    found, fitted = method.assess(others), method.posterior
    np.testing.assert_array_equal(found.mean, others.logits.astype(float))
    np.testing.assert_array_equal(found.spread, fitted.spread(others))
    assert found.passes.tolist() == [1] * 9
    for errors in (found.mc_error, found.spread_error, found.quantiles_error):
        assert not errors.any()
    for share in (0.5, 0.8, 0.9, 0.95, 0.99):
        ends = norm.interval(share, found.mean, found.spread)
        np.testing.assert_allclose(found.credible_interval(share), np.stack(ends, axis=-1), rtol=1e-9)
    np.testing.assert_allclose(found.noise, np.broadcast_to(fitted.noise, (9, 2)))
    np.testing.assert_allclose(found.std, np.hypot(found.spread, fitted.noise))
    assert found.noise_from == "the training rows"
    assert found.quantiles.shape == (9, 2, len(LEVELS))
    said = str(found[0])
    assert "% of answers between" in said
    assert "(networks: " in said
    assert "±" not in said
    assert json.loads(json.dumps(found.method))["noise"] == fitted.noise.tolist()
    assert "passes" not in found.method


def test_a_unit_and_a_shift_of_the_answers_change_nothing_else():
    (train, answers), (others, _) = simulated(), simulated(rows=9, seed=1)
    fitted = fit_laplace_of_numbers(train, answers)
    larger = fit_laplace_of_numbers(Features(train.features, 1024 * train.logits), 1024 * answers)
    np.testing.assert_allclose(larger.noise, 1024 * fitted.noise, rtol=1e-10)
    np.testing.assert_allclose(larger.spread(others), 1024 * fitted.spread(others), rtol=1e-10)
    moved = fit_laplace_of_numbers(Features(train.features, train.logits + 273.0), answers + 273.0)
    np.testing.assert_allclose(moved.noise, fitted.noise, rtol=1e-4)  # moved outputs round otherwise
    np.testing.assert_allclose(moved.spread(others), fitted.spread(others), rtol=1e-4)


def test_targets_do_not_depend_on_each_other():
    (train, answers), (others, _) = simulated(), simulated(rows=9, seed=1)
    both = fit_laplace_of_numbers(train, answers)
    one = fit_laplace_of_numbers(Features(train.features, train.logits[:, 1:]), answers[:, 1])
    alone = Features(others.features, others.logits[:, 1:])
    np.testing.assert_allclose(one.spread(alone)[:, 0], both.spread(others)[:, 1], rtol=1e-12)


def test_more_rows_leave_less_open_and_tell_the_noise():
    others, _ = simulated(rows=20, seed=2)
    fits = [fit_laplace_of_numbers(*simulated(rows=rows)) for rows in (50, 500, 5000)]
    assert np.all(np.diff([fitted.spread(others) for fitted in fits], axis=0) < 0)
    np.testing.assert_allclose(fits[-1].noise, [0.5, 2e4], rtol=0.05)


def test_it_covers_what_the_layer_could_have_been():
    """Where the true weights are drawn from the prior, 95 % of them lie in 95 % intervals."""
    random, inside = np.random.default_rng(3), []
    for _ in range(200):
        z, new = random.normal(size=(25, 4)), random.normal(size=(5, 4))
        weights, bias = random.normal(size=(4, 1)), random.normal(0, 5)
        y = z @ weights + bias + random.normal(size=(25, 1))
        design = np.hstack([z, np.ones((25, 1))])
        prior = np.diag([1.0] * 4 + [0.0])
        trained = np.linalg.solve(design.T @ design + prior, design.T @ y)  # as with weight decay
        fitted = fit_laplace_of_numbers(Features(z, design @ trained), y)
        said = np.hstack([new, np.ones((5, 1))]) @ trained
        off = np.abs(said - (new @ weights + bias))
        inside.append(np.mean(off < 1.96 * fitted.spread(Features(new, said))))
    assert abs(np.mean(inside) - 0.95) < 3 * np.std(inside) / np.sqrt(200) + 0.015  # noise is estimated too


def test_chunks_of_rows_say_the_same(monkeypatch):
    (train, answers), (others, _) = simulated(), simulated(rows=9, seed=1)
    whole = fit_laplace_of_numbers(train, answers)
    monkeypatch.setattr("howsure.methods.last_layer.AT_ONCE", 7 * WIDTH)  # seven rows at a time
    chunked = fit_laplace_of_numbers(train, answers)
    np.testing.assert_allclose(chunked.spread(others), whole.spread(others), rtol=1e-10)


def test_more_features_than_rows_are_fine():
    train, _ = simulated(rows=20, width=60, units=(1.0, 1.0))
    answers = train.logits + np.random.default_rng(0).normal(size=(20, 2))
    fitted = fit_laplace_of_numbers(train, answers)
    assert np.isfinite(fitted.log_marginal_likelihood)
    expected = by_hand(train, train, fitted.noise[0], fitted.prior_precision[0])
    np.testing.assert_allclose(fitted.spread(train)[:, 0] ** 2, expected, rtol=1e-6)


def test_it_is_frozen_and_can_be_kept():
    train, answers = simulated()
    method = LastLayerLaplace(fit_laplace_of_numbers(train, answers))
    with pytest.raises(ValueError, match="read-only"):
        method.posterior.variances[0] = 1
    copy = pickle.loads(pickle.dumps(method))
    np.testing.assert_array_equal(copy.assess(train).spread, method.assess(train).spread)
    none = Features(np.zeros((0, WIDTH)), np.zeros((0, 2)))
    assert len(method.assess(none)) == 0


# --- through a model ---------------------------------------------------------------------------


def test_a_network_in_numpy_is_fitted_for_its_features():
    model, random = regression(2, [1.0, 1e6]), np.random.default_rng(0)
    x = random.normal(size=(60, 4)).astype(np.float32)
    y = model.predict([x]) + random.normal(size=(60, 2)) * [0.3, 5e5]
    method = LastLayerLaplace.fit(model, x, y)
    found = howsure.assess(model, x[:9], method=method)
    expected = fit_laplace_of_numbers(howsure.features_of(model, x), y)
    np.testing.assert_array_equal(method.posterior.noise, expected.noise)
    np.testing.assert_allclose(found.spread, expected.spread(howsure.features_of(model, x[:9])), rtol=1e-12)
    np.testing.assert_allclose(found.mean, model.predict([x[:9]]), rtol=1e-6)
    np.testing.assert_allclose(found.noise[0], expected.noise)
    assert found.prediction_interval(0.9).shape == (9, 2, 2)
    with pytest.raises(howsure.InputError, match="`curvature` would have no effect"):
        LastLayerLaplace.fit(model, x, y, curvature="exact")
    with pytest.raises(howsure.InputError, match="fitted to a model whose answers are numbers"):
        howsure.assess(classes(3), x, method=method)


def classes(count):
    return ArrayModel("letters", [InputSpec("x", (4,), "float32")], two_layers(dense(6, 6), "softmax", count))


def test_what_cannot_be_fitted_is_refused():
    train, answers = simulated()
    with pytest.raises(howsure.InputError, match=r"true numbers do not fit.*\(80, 2\)"):
        fit_laplace_of_numbers(train, answers[:-1])
    with pytest.raises(howsure.InputError, match="not finite"):
        fit_laplace_of_numbers(train, np.where(answers > 0, np.nan, answers))
    with pytest.raises(howsure.InputError, match=r"too few training rows.*at least 2"):
        fit_laplace_of_numbers(Features(train.features[:1], train.logits[:1]), answers[:1])
    with pytest.raises(howsure.InputError, match="check `bias`"):
        fit_laplace_of_numbers(train, answers, bias=False)
    with pytest.raises(howsure.InputError, match="Output 0 of the network is the same number for every row"):
        fit_laplace_of_numbers(Features(train.features, np.full((80, 2), 7.3)), answers)
    with pytest.raises(howsure.InputError, match="Output 0 of the network is the answer itself"):
        fit_laplace_of_numbers(train, train.logits)
    with pytest.raises(howsure.InputError, match="are no features"):
        fit_laplace_of_numbers(train.features, answers)
    fitted = fit_laplace_of_numbers(train, answers)
    with pytest.raises(howsure.InputError, match="`passes` would have no effect"):
        LastLayerLaplace(fitted, passes=100)
    with pytest.raises(howsure.InputError, match="`link_approx` would have no effect"):
        LastLayerLaplace(fitted, link_approx="probit")
    with pytest.raises(howsure.InputError, match="6 features and 2 numbers"):
        fitted.spread(Features(np.zeros((2, 4)), np.zeros((2, 2))))


def test_an_activation_after_the_last_layer_is_refused():
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    steps = two_layers(dense(6, 6), "relu", 1)
    model = ArrayModel("rates", [InputSpec("x", (4,), "float32")], steps, trained_for="regression")
    with pytest.raises(howsure.ModelError, match=r"exact only for numbers that a linear layer.*'relu'"):
        LastLayerLaplace.fit(model, x, np.arange(30.0))
    with pytest.raises(howsure.InputError, match="true answers are not known"):
        LastLayerLaplace.fit(regression(), x)
