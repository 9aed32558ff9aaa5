"""Which framework a model is of, told from its class alone."""

import sys

import numpy as np
import pytest

import howsure
from howsure.adapters import resolve as seam


def instance(module, name="Model", bases=()):
    return type(name, bases, {"__module__": module})()


class KerasModel:
    __module__ = "keras.src.models.model"


def test_keras_is_known_by_any_of_its_bases():
    assert "keras" in seam.roots_of(instance("keras.src.models.sequential"))
    assert "keras" in seam.roots_of(instance("my_project.networks", "Mine", (KerasModel,)))


@pytest.mark.parametrize(
    ("model", "received", "hint"),
    [
        (instance("tf_keras.src.engine"), "tf_keras.src.engine.Model", "load it with Keras 3"),
        (instance("tensorflow.python.keras"), "tensorflow.python.keras.Model", "load it with Keras 3"),
        (instance("kerastuner", "Tuner"), "kerastuner.Tuner", "Pass a keras.Model"),
        (lambda x: x, "builtins.function", "Pass a keras.Model"),
        (np.zeros(3), "numpy.ndarray", "Pass a keras.Model"),
        ("model.keras", "builtins.str", "Load it first"),
        (None, "builtins.NoneType", "Pass a keras.Model"),
    ],
)
def test_anything_else_is_refused(model, received, hint):
    for use in (howsure.audit, lambda model: howsure.assess(model, np.zeros((2, 3)))):
        with pytest.raises(howsure.ModelError) as raised:
            use(model)
        message = str(raised.value)
        assert "Expected: a Keras 3 model, a module of PyTorch, a classifier with predict_proba, a" in message
        assert f"Received: {received}." in message
        assert hint in message


class Classifier:
    """As in scikit-learn: it predicts, and knows nothing of passes."""

    classes_ = np.arange(3)

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.full((len(x), 3), 1 / 3)


def test_what_has_predict_proba_is_a_classifier():
    assert seam.resolve_model(Classifier()).is_estimator
    assert seam.resolve_model(instance("sklearn.ensemble", "Forest")).is_estimator
    assert set(howsure.assess(Classifier(), np.zeros((2, 3))).verdict) == {"coin flip"}


def test_what_is_of_scikit_learn_and_no_classifier_is_refused():
    with pytest.raises(howsure.ModelError, match="Forest gives no probabilities"):
        howsure.assess(instance("sklearn.ensemble", "Forest"), np.zeros((2, 3)))


def test_looking_at_a_model_imports_nothing():
    before = set(sys.modules)
    with pytest.raises(howsure.ModelError):
        howsure.assess(instance("sklearn.ensemble", "Forest"), np.zeros((2, 3)))
    assert set(sys.modules) == before
