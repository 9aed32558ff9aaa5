"""The Keras adapter keeps to the protocols of the model seam, on networks that differ in kind."""

import keras
import numpy as np
import pytest

import howsure
from howsure.models.keras import adapt
from tests.keras.networks import HERE, build, rows_for
from tests.support.conformance import check_adapter, check_method

EVERYTHING = ("Model", "PassModel", "FeatureModel")
NETWORKS = {
    "shared_model": EVERYTHING,  # nested, and called three times
    "two_inputs": EVERYTHING,
    "noise_shape": EVERYTHING,
    "attention": EVERYTHING,
    "subclassed": ("Model", "PassModel"),  # what its last layer gets, only its own code knows
}


@pytest.mark.parametrize("network", [name for name in NETWORKS if name in HERE], ids="keras, {}".format)
def test_the_adapter_keeps_to_its_protocols(network):
    rows = keras.tree.flatten(rows_for(build(network), rows=9))
    given = rows if len(rows) > 1 else rows[0]
    kept = check_adapter(lambda: adapt(build(network), given, gaussian_noise=False)[0], rows)
    assert kept == NETWORKS[network]


def regression(seed=0):
    """Two numbers per row, whose units are a million apart."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(6, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Rescaling([1.0, 1e6])])
    model.compile(loss="mse")
    return model


def test_a_regression_keeps_to_the_seams():
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    assert check_adapter(lambda: adapt(regression(), x, gaussian_noise=False)[0], [x]) == EVERYTHING
    check_method(howsure.MCDropout(), regression(), x)


def test_last_layer_laplace_of_a_regression():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    network = regression()
    model = keras.Sequential(network.layers[:-1])
    model.compile(loss="mse")
    y = model.predict(x, verbose=0) + np.random.default_rng(1).normal(size=(40, 2))
    method = howsure.LastLayerLaplace.fit(model, x, y)
    found = howsure.assess(model, x, method=method)
    hidden = np.maximum(x @ np.asarray(network.layers[0].kernel) + np.asarray(network.layers[0].bias), 0)
    design = np.hstack([hidden, np.ones((40, 1))]).astype(float)
    for k in range(2):
        prior = np.diag([*[method.posterior.prior_precision[k]] * 6, 0.0])
        covariance = np.linalg.inv(design.T @ design / method.posterior.noise[k] ** 2 + prior)
        variance = np.einsum("ni,ij,nj->n", design, covariance, design)
        np.testing.assert_allclose(found.spread[:, k], np.sqrt(variance), rtol=1e-4)
    np.testing.assert_allclose(found.mean, model.predict(x, verbose=0), atol=1e-5)
