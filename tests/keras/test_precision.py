"""Numbers keep the precision of the model, as with times in seconds."""

import contextlib

import keras
import numpy as np
import pytest
from keras import layers

import howsure

FAR = 1.7e9
x = np.random.default_rng(0).normal(size=(30, 4))


@pytest.fixture(autouse=True)
def double():
    context = contextlib.nullcontext()
    if keras.backend.backend() == "jax":
        import jax

        context = jax.enable_x64(True)
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    with context:
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        yield
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def network():
    made = keras.Sequential(
        [keras.Input((4,)), layers.Dense(32, "tanh"), layers.Dropout(0.38), layers.Dense(1)]
    )
    weights = made.layers[-1].get_weights()
    made.layers[-1].set_weights([weights[0], weights[1] + FAR])
    return made


def test_dropout_far_from_0_is_that_near_0():
    model = network()
    passes = howsure.passes(model, x, 40, balanced=True, outputs="values")
    assert passes.dtype == np.float64
    result = howsure.assess(model, x, method=howsure.MCDropout(passes=40), outputs="values")
    np.testing.assert_allclose(result.mean - FAR, (passes - FAR).mean(axis=0), atol=2e-6)
    spread = (passes - FAR).std(axis=0)
    assert (spread > 0.03).all()
    assert np.abs(result.spread / spread - 1).max() < 0.1
