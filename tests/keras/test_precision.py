"""Numbers keep the precision of the model, as with times in seconds."""

import contextlib

import keras
import pytest
from keras import layers

from tests import precision


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
    made.layers[-1].set_weights([weights[0], weights[1] + precision.FAR])
    return made


def test_dropout_far_from_0_is_that_near_0():
    precision.check_dropout(network())
