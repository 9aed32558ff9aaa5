"""What must not change a row's numbers does not, and the model is left as found."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure

from .networks import HERE, build, rows_for, snapshot

METHOD = howsure.MCDropout(passes=12)


def assess(model, x, **arguments):
    return howsure.assess(model, x, **{"method": METHOD, **arguments})


@pytest.mark.parametrize("name", HERE)
def test_model_is_left_as_found(name):
    model = build(name)
    x = rows_for(model)
    before = snapshot(model)
    assess(model, x)
    howsure.audit(model, x)
    assert snapshot(model) == before


class Fails(layers.Layer):
    armed = False

    def call(self, inputs):
        if self.armed:
            raise ZeroDivisionError("the user's own mistake")
        return inputs


@pytest.mark.parametrize("functional", [True, False])
def test_model_is_left_as_found_after_an_exception_which_passes_through(functional, monkeypatch):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activity_regularizer="l2"),
            layers.Dropout(0.3),
            Fails(),
            layers.Dense(3, "softmax"),
        ]
    )
    if not functional:
        inner = model

        class Wrapped(keras.Model):
            def call(self, inputs):
                return inner(inputs)

        model = Wrapped()
        model.inner = inner
        model(np.zeros((2, 4), "float32"))
    before = snapshot(model)
    monkeypatch.setattr(Fails, "armed", True)
    with pytest.raises(ZeroDivisionError, match="the user's own mistake"):
        assess(model, np.zeros((8, 4), "float32"), outputs="probabilities")
    assert snapshot(model) == before


@pytest.mark.parametrize("name", HERE)
def test_the_plain_prediction_is_what_keras_predicts(name):
    model = build(name)
    x = rows_for(model)
    probabilities = howsure.assess(model, x, method=howsure.Softmax()).probabilities
    if name != "always":
        np.testing.assert_allclose(probabilities, model.predict(x, verbose=0), atol=2e-6)
