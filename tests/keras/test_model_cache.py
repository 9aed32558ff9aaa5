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


def test_a_model_is_examined_once(examinations):
    model = build("sequential")
    x = rows_for(model)
    first, second = numbers(model, x), numbers(model, x[:3])
    howsure.plan(model, x)
    assert len(examinations) == 1
    np.testing.assert_allclose(first[:3], second, atol=3e-6)


@pytest.mark.parametrize("change", ["rate", "activation", "pop", "noise"])
def test_after_a_change_it_is_examined_anew(change, examinations):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.GaussianNoise(0.5),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(3),
            layers.Softmax(),
            layers.Softmax(),
        ]
    )
    x = rows_for(model)
    before = numbers(model, x)
    method = METHOD
    if change == "rate":
        model.layers[2].rate = 0.6
    elif change == "activation":
        model.layers[1].activation = keras.activations.tanh
    elif change == "pop":
        model.pop()
    else:
        method = howsure.MCDropout(passes=12, gaussian_noise=True)
    assert np.abs(numbers(model, x, method) - before).max() > 1e-3
    assert len(examinations) == 2
    like_a_new_one(model, x, method)


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
