"""What was compiled serves the next call, never after a change, and no longer than its model lives."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.adapters.keras import model as adapter_of

from .networks import build, rows_for

METHOD = howsure.MCDropout(passes=12)


@pytest.fixture
def examinations(monkeypatch):
    """A list that grows with every examination."""
    seen = []
    original = adapter_of.examine
    monkeypatch.setattr(
        adapter_of, "examine", lambda *args, **kwargs: seen.append(1) or original(*args, **kwargs)
    )
    return seen


def numbers(model, x, method=METHOD):
    return howsure.assess(model, x, method=method).probabilities


def like_a_new_one(model, x, method=METHOD):
    """Whether a model gives what one that was never assessed gives."""
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    np.testing.assert_allclose(numbers(model, x, method), numbers(other, x, method), atol=3e-6)


def network():
    """Something to change, and noise that is drawn where it is asked for."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.GaussianNoise(0.5),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.3, noise_shape=(None, 8)),
            layers.Dense(3),
            layers.Softmax(),
            layers.Softmax(),
        ]
    )


def test_a_model_is_examined_once_for_each_wish(examinations):
    model = network()
    x = rows_for(model)
    first, second = numbers(model, x), numbers(model, x[:1])
    howsure.plan(model, x)
    assert len(examinations) == 1
    np.testing.assert_allclose(first[:1], second, atol=3e-6)
    noisy = howsure.MCDropout(passes=12, gaussian_noise=True)
    assert np.abs(numbers(model, x, noisy) - first).max() > 1e-3
    assert len(examinations) == 2
    like_a_new_one(model, x, noisy)


CHANGES = {
    "rate": lambda model: setattr(model.layers[2], "rate", 0.6),
    "shape": lambda model: setattr(model.layers[2], "noise_shape", (None, 1)),
    "activation": lambda model: setattr(model.layers[1], "activation", keras.activations.tanh),
    "policy": lambda model: setattr(model.layers[1], "dtype_policy", keras.DTypePolicy("mixed_bfloat16")),
    "removed": lambda model: model.pop(),
    "added": lambda model: model.add(layers.Softmax()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_it_is_examined_anew(change, examinations):
    """Also of one row, for which masks are kept."""
    model = network()
    x = rows_for(model)
    before = [numbers(model, rows) for rows in (x, x[:1])]
    CHANGES[change](model)
    for rows, numbers_before in zip((x, x[:1]), before, strict=True):
        assert np.abs(numbers(model, rows) - numbers_before).max() > 1e-6
    assert len(examinations) == 2
    like_a_new_one(model, x)
    like_a_new_one(model, x[:1])


@pytest.mark.parametrize("name", ["attention", "masked_embedding", "two_inputs"])
def test_what_is_kept_for_one_row_serves_it_again(name):
    model = build(name)
    x = rows_for(model, rows=1)
    for _ in range(2):
        like_a_new_one(model, x)


def test_code_of_a_user_is_examined_every_time(examinations):
    x = keras.Input((4,))
    hidden = layers.Dropout(0.3)(layers.Dense(8, activation="relu")(x))
    model = keras.Model(x, layers.Dense(3, activation="softmax")(layers.Lambda(lambda h: 2 * h)(hidden)))
    for _ in range(2):
        numbers(model, rows_for(model))
    assert len(examinations) == 2


def test_it_goes_with_its_model():
    model = build("sequential")
    numbers(model, rows_for(model))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
