"""A Keras model in what has the manners of scikit-learn, as scikeras makes it."""

import keras
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import howsure
from howsure.errors import ModelError

PLAIN = howsure.Softmax()
LABELS = np.array(["cat", "dog", "owl"])[np.arange(12) % 3]


def network(end="softmax", loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.3), keras.layers.Dense(3, end)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", loss)
    return model


class Wrapper(ClassifierMixin, BaseEstimator):
    """As a `KerasClassifier`: the model is `model_`."""

    def fit(self, x, y):
        self.model_, self.classes_ = network(), np.unique(y)
        return self

    def predict_proba(self, x):
        return self.model_.predict(x, verbose=0)

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(1)]


@pytest.fixture
def rows():
    return np.random.default_rng(7).normal(size=(12, 4)).astype("float32")


def test_its_model_is_assessed_with_its_dropout(rows):
    wrapper = Wrapper().fit(rows, LABELS)
    plain = howsure.assess(wrapper, rows, method=PLAIN)
    assert plain.class_names == ("cat", "dog", "owl")
    assert np.allclose(plain.probabilities, wrapper.predict_proba(rows), atol=1e-5)
    assert howsure.assess(wrapper, rows, method=howsure.MCDropout(passes=20)).mutual_information.mean() > 0
    assert howsure.audit(wrapper).passes_differ


def test_the_model_itself_knows_nothing_of_it(rows):
    wrapper = Wrapper().fit(rows, LABELS)
    for _ in range(2):
        assert howsure.assess(wrapper, rows, method=PLAIN).class_names == ("cat", "dog", "owl")
        assert howsure.assess(wrapper.model_, rows, method=PLAIN).class_names == ("0", "1", "2")


def test_a_pipeline(rows):
    pipeline = make_pipeline(StandardScaler(), Wrapper()).fit(100 * rows, LABELS)
    plain = howsure.assess(pipeline, 100 * rows, method=PLAIN)
    assert np.allclose(plain.probabilities, pipeline.predict_proba(100 * rows), atol=1e-5)


def test_a_classifier_whose_network_was_trained_for_regression_is_refused(rows):
    wrapper = Wrapper().fit(rows, LABELS)
    wrapper.model_ = network("linear", "mse")
    with pytest.raises(ModelError, match=r"tells classes apart, and its network .* trained for regression"):
        howsure.assess(wrapper, rows)
    del wrapper.classes_
    assert howsure.assess(wrapper, rows).target_names == ("0", "1", "2")
