"""Every architecture against Keras's own dropout: 4,000 copies of each row, BatchNorm frozen."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import howsure
from tests.sampling.enumerated import entropy

from .networks import EVERYWHERE, HERE, ROWS, build, rows_for

PASSES, OURS = 4000, 1000
BOTH = np.sqrt(1 + PASSES / OURS)
"""How much larger the error of a difference is than that of Keras's passes."""


def brute_force(model, x):
    """(PASSES, ROWS, K): Keras draws a mask of its own for every copy of a row."""
    frozen = [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in frozen:
        layer.trainable = False
    try:
        repeated = keras.tree.map_structure(lambda array: np.repeat(array, PASSES, axis=0), x)
        outputs = ops.convert_to_numpy(
            model(keras.tree.map_structure(ops.convert_to_tensor, repeated), training=True)
        )
    finally:
        for layer in frozen:
            layer.trainable = True
    return outputs.reshape(ROWS, PASSES, -1).transpose(1, 0, 2).astype(np.float64)


@functools.cache
def known(name):
    """A network, rows, and Keras's own passes over them."""
    model = build(name)
    x = rows_for(model)
    return model, x, brute_force(model, x)


@pytest.mark.parametrize("name", HERE)
def test_agrees_with_keras_own_dropout(name):
    model, x, expected = known(name)
    error = expected.std(axis=0) / np.sqrt(PASSES)
    assert error.max() > 1e-4, "the network is too sure of itself to tell anything"
    # Whether masks are balanced is no matter of the backend, and JAX would compile for both.
    for balanced in (False, True) if EVERYWHERE else (True,):
        method = howsure.MCDropout(passes=OURS, balanced=balanced, gaussian_noise=name == "gaussian_noise")
        certainty = howsure.assess(model, x, method=method, seed=1)
        allowed = 4 * np.sqrt(error**2 + certainty.mc_error**2)
        assert np.all(np.abs(certainty.probabilities - expected.mean(axis=0)) <= allowed)
        spread = entropy(expected).std(axis=0) / np.sqrt(PASSES)
        difference = certainty.expected_entropy - entropy(expected).mean(axis=0)
        assert np.all(np.abs(difference) <= 4 * BOTH * spread + 1e-6)


@pytest.mark.parametrize("name", HERE)
def test_variance_over_passes_is_that_of_keras(name):
    if name == "gaussian_noise":
        pytest.skip("predict_with_uncertainty leaves noise off")
    model, x, expected = known(name)
    mean, variance = howsure.predict_with_uncertainty(model, x, n_iter=OURS, seed=2)
    assert mean.shape == variance.shape == (ROWS, 3)
    centred = (expected - expected.mean(axis=0)) ** 2
    allowed = 4 * BOTH * centred.std(axis=0) / np.sqrt(PASSES) + 1e-6
    assert np.all(np.abs(variance - centred.mean(axis=0)) <= allowed)
