"""Networks in what has the manners of scikit-learn: each door refuses them and says where the network is."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import howsure
from howsure.errors import ModelError
from tests.torch.modules import mlp

LABELS = np.arange(12) % 3


class Net(ClassifierMixin, BaseEstimator):
    """As a `NeuralNetClassifier` of skorch: the module is `module_`."""

    def __init__(self, lr=0.1):
        self.lr = lr

    def fit(self, x, y):
        torch.manual_seed(7)
        self.module_, self.classes_, self.n_features_in_ = mlp().eval(), np.unique(y), np.shape(x)[1]
        return self

    def predict_proba(self, x):
        with torch.no_grad():
            return self.module_(torch.from_numpy(np.asarray(x, "float32"))).softmax(-1).numpy()

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(1)]


class OfKeras(Net):
    """As a `KerasClassifier` of scikeras: the model is `model_`."""

    def fit(self, x, y):
        super().fit(x, y)
        self.model_ = self.module_
        del self.module_
        return self

    def predict_proba(self, x):
        raise AssertionError("it is asked nothing")


@pytest.fixture
def rows(random):
    return random.normal(size=(12, 8)).astype("float32")


WRAPPED = {
    "skorch": (lambda x: Net().fit(x, LABELS), "model.module_"),
    "scikeras": (lambda x: OfKeras().fit(x, LABELS), "model.model_"),
    "a pipeline": (
        lambda x: make_pipeline(StandardScaler(), Net()).fit(x, LABELS),
        "model[-1].module_, with the rows that model[:-1].transform(x) makes",
    ),
    "a search": (
        lambda x: GridSearchCV(make_pipeline(StandardScaler(), Net()), {"net__lr": [0.1]}, cv=2).fit(
            x, LABELS
        ),
        "model.best_estimator_[-1].module_, with the rows that model.best_estimator_[:-1].transform(x) makes",
    ),
}
DOORS = {
    "assess": howsure.assess,
    "audit": howsure.audit,
    "compare": lambda model, x: howsure.compare(model, x, LABELS),
    "features": howsure.features_of,
    "Laplace": lambda model, x: howsure.LastLayerLaplace.fit(model, x, LABELS),
    "export": lambda model, x: howsure.export(model, "graph.onnx", x=x),
    "a member": lambda model, x: howsure.assess(
        mlp().eval(), x, method=howsure.Ensemble([model]), outputs="logits"
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_error_says_where_the_network_is(name, rows):
    build, where = WRAPPED[name]
    with pytest.raises(ModelError, match="holds a network, and howsure assesses the network itself") as error:
        howsure.assess(build(rows), rows)
    assert f"In Python, pass {where}. If nothing shows" in str(error.value)
    assert "in Python to howsure.Certainty.from_probabilities" in str(error.value)


def test_probabilities_are_not_for_a_regressor(rows):
    model = Net().fit(rows, LABELS)
    del model.classes_
    with pytest.raises(ModelError, match="holds a network") as error:
        howsure.assess(model, rows)
    assert "from_probabilities" not in str(error.value)


@pytest.mark.parametrize("door", DOORS)
def test_every_door_refuses_it(door, rows):
    with pytest.raises(ModelError, match=r"his Net holds a network.*pass model\.module_\. "):
        DOORS[door](Net().fit(rows, LABELS), rows)


def test_what_the_error_says_works(rows):
    model = WRAPPED["a search"][0](1000 * rows)
    network = model.best_estimator_[-1].module_
    x = model.best_estimator_[:-1].transform(1000 * rows)
    plain = howsure.assess(network, x, method=howsure.Softmax(), outputs="logits")
    np.testing.assert_allclose(plain.probabilities, model.predict_proba(1000 * rows), atol=1e-6)
    assert howsure.assess(network, x, outputs="logits").mutual_information.mean() > 0
    own = howsure.Certainty.from_probabilities(model.predict_proba(1000 * rows))
    np.testing.assert_allclose(own.probabilities, plain.probabilities, atol=1e-6)


def test_a_network_that_only_makes_features_is_not_the_model(rows):
    """A first step may be a network: the last one is a classifier, and is assessed as such."""

    class Features(Net):
        def transform(self, x):
            return self.predict_proba(x)

    model = make_pipeline(Features(), LogisticRegression()).fit(rows, LABELS)
    result = howsure.assess(model, rows)
    np.testing.assert_allclose(result.probabilities, model.predict_proba(rows), atol=1e-6)
