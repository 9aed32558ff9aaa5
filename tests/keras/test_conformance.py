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
    kept = check_adapter(lambda: adapt(regression(), x, gaussian_noise=False)[0], [x])
    assert kept == ("Model", "PassModel")  # a change of units comes after its last layer
    check_method(howsure.MCDropout(), regression(), x)


def test_last_layer_laplace_of_a_regression_is_refused():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    with pytest.raises(howsure.InputError, match=r"one class.*with an output of 2 numbers.*laplace-torch"):
        howsure.LastLayerLaplace.fit(regression(), x, np.zeros((40, 2)))
