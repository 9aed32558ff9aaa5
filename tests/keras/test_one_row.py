"""One row with a ready plan: masks are drawn once, a round is one call, and nothing kept grows stale."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure

from .networks import build, rows_for


def mlp(**noise):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5, **noise),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(3, activation="softmax"),
        ]
    )


def some(count=40):
    return np.random.default_rng(0).normal(size=(count, 8)).astype("float32")


def like_a_new_one(model, row, method):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    again, expected = (howsure.assess(network, row, method=method) for network in (model, other))
    np.testing.assert_allclose(again.probabilities, expected.probabilities, atol=3e-6)
    assert again.passes == expected.passes
    return again.probabilities


@pytest.mark.parametrize("change", ["rate", "shape", "activation", "policy", "added"])
def test_new_settings_count(change):
    model, x = mlp(noise_shape=(None, 16)), some()
    method = howsure.MCDropout(passes=60)
    before = howsure.assess(model, x[:1], method=method).probabilities
    if change == "rate":
        model.layers[1].rate = 0.9
    elif change == "shape":
        model.layers[1].noise_shape = (None, 1)
    elif change == "activation":
        model.layers[2].activation = keras.activations.tanh
    elif change == "policy":
        model.layers[2].dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    else:
        model.add(layers.Softmax())
    assert np.abs(like_a_new_one(model, x[:1], method) - before).max() > 1e-6


@pytest.mark.parametrize("name", ["attention", "masked_embedding", "two_inputs", "gaussian_noise"])
def test_other_layers_are_kept_too(name):
    model = build(name)
    x = rows_for(model)
    x = [array[:1] for array in x] if isinstance(x, list) else x[:1]
    method = howsure.MCDropout(passes=20)
    for _ in range(2):
        like_a_new_one(model, x, method)
