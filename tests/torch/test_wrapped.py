"""Networks in what has the manners of scikit-learn: skorch, pipelines, searches."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import howsure
from howsure.errors import HowsureWarning, InputError, ModelError
from tests.torch.modules import mlp

PASSES = howsure.MCDropout(passes=40)
PLAIN = howsure.Softmax()


class Net(ClassifierMixin, BaseEstimator):
    """As a `NeuralNetClassifier` of skorch: the module is `module_`, and predictions go by the criterion."""

    def __init__(self, module=mlp, criterion=nn.CrossEntropyLoss, lr=0.1):
        self.module, self.criterion, self.lr = module, criterion, lr

    def fit(self, x, y):
        torch.manual_seed(7)
        self.module_, self.criterion_ = self.module().eval(), self.criterion()
        self.classes_, self.n_features_in_ = np.unique(y), np.shape(x)[1]
        return self

    def predict_proba(self, x):
        torch.rand(1)  # as its loader draws a seed
        with torch.no_grad():
            outputs = self.module_(torch.from_numpy(np.asarray(x, "float32")))
        if isinstance(self.criterion_, nn.CrossEntropyLoss):
            return outputs.softmax(-1).numpy()
        if isinstance(self.criterion_, nn.BCEWithLogitsLoss):
            p = outputs.sigmoid().squeeze(1)
            return torch.stack([1 - p, p], 1).numpy()
        return outputs.numpy()

    def predict(self, x):
        return self.classes_[self.predict_proba(x).argmax(1)]


@pytest.fixture
def rows(random):
    return random.normal(size=(12, 8)).astype("float32")


LABELS = np.arange(12) % 3


def with_softmax():
    return mlp(nn.Softmax(dim=1))


def one_output():
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 1))


def assess(model, x, method=PASSES, **others):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return howsure.assess(model, x, method=method, **others)


# --- one network ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "criterion"),
    [(mlp, nn.CrossEntropyLoss), (with_softmax, nn.NLLLoss), (with_softmax, nn.CrossEntropyLoss)],
)
def test_its_module_is_assessed_as_it_predicts_itself(module, criterion, rows):
    net = Net(module, criterion).fit(rows, LABELS)
    assert np.allclose(assess(net, rows, PLAIN).probabilities, net.predict_proba(rows), atol=1e-6)
    certainty = assess(net, rows)
    assert certainty.mutual_information.mean() > 0
    assert howsure.assess(net, rows).passes.min() > 1
    if (module, criterion) == (with_softmax, nn.CrossEntropyLoss):  # which puts a second softmax on top
        with pytest.raises(ModelError, match="declared logits and are probabilities already"):
            assess(net.module_, rows, outputs="logits")
        return
    outputs = "probabilities" if criterion is nn.NLLLoss else "logits"
    assert np.array_equal(assess(net.module_, rows, outputs=outputs).probabilities, certainty.probabilities)


def test_two_classes_by_one_output(rows):
    net = Net(one_output, nn.BCEWithLogitsLoss).fit(rows, LABELS % 2)
    certainty = assess(net, rows, PLAIN)
    assert np.allclose(certainty.probabilities, net.predict_proba(rows), atol=1e-6)
    assert certainty.class_names == ("0", "1")


def test_several_labels(rows):
    net = Net(mlp, nn.BCEWithLogitsLoss).fit(rows, LABELS)
    net.predict_proba = None
    certainty = assess(net, rows, PLAIN)
    assert isinstance(certainty, howsure.MultilabelCertainty)
    with torch.no_grad():
        assert np.allclose(
            certainty.probabilities, expit(net.module_(torch.from_numpy(rows)).numpy()), atol=1e-6
        )


def test_its_classes_are_the_names(rows):
    net = Net().fit(rows, np.array(["cat", "dog", "owl"])[LABELS])
    assert assess(net, rows, PLAIN).class_names == ("cat", "dog", "owl")
    assert assess(net.module_, rows, PLAIN, outputs="logits").class_names == ("0", "1", "2")


def test_a_classifier_whose_network_was_trained_for_regression_is_refused(rows):
    with pytest.raises(ModelError, match=r"tells classes apart, and its network .* trained for regression"):
        assess(Net(mlp, nn.MSELoss).fit(rows, LABELS), rows)


def test_a_prediction_of_its_own_is_refused_unless_someone_says_what_the_module_puts_out(rows):
    net = Net().fit(rows, LABELS)
    net.predict_proba = lambda x: softmax(np.zeros((len(x), 3)), axis=1)
    with pytest.raises(
        ModelError, match=r"`predict_proba` of this Net says something else.*outputs='logits'"
    ):
        assess(net, rows)
    assess(net, rows, outputs="logits")


def test_an_audit_tells_the_module(rows):
    net = Net().fit(rows, LABELS)
    for x in (rows, None):
        assert [layer.random for layer in howsure.audit(net, x).random_layers] == ["drops 25 %"]


def test_seeds_stay_where_they_are(rows):
    net, before = Net().fit(rows, LABELS), torch.get_rng_state()
    assess(net, rows)
    assert torch.equal(torch.get_rng_state(), before)


def test_everything_else_takes_it_too(rows):
    net = Net().fit(rows, LABELS)
    laplace = howsure.LastLayerLaplace.fit(net, rows, LABELS)
    assert len(assess(net, rows, laplace)) == 12
    others = [copy.deepcopy(net) for _ in range(2)]
    with torch.no_grad():
        for number, other in enumerate(others, start=1):
            next(other.module_.parameters()).mul_(1 + 0.1 * number)
    assert len(assess(net, rows, howsure.Ensemble(others))) == 12
    assert len(assess(net, rows, howsure.MCDropout(plan=howsure.plan(net, rows)))) == 12


# --- around it --------------------------------------------------------------------------------------


def test_the_steps_before_it_are_done_to_the_rows(rows):
    pipeline = make_pipeline(StandardScaler(), Net()).fit(1000 * rows, LABELS)
    certainty = assess(pipeline, 1000 * rows, PLAIN)
    assert np.allclose(certainty.probabilities, pipeline.predict_proba(1000 * rows), atol=1e-5)
    assert assess(pipeline, 1000 * rows).mutual_information.mean() > 0
    assert howsure.audit(pipeline).passes_differ
    with pytest.raises(ModelError, match="A graph cannot hold what"):
        howsure.export(pipeline, "graph.onnx", x=rows)


def test_a_frame_goes_to_the_first_step_by_its_columns(rows):
    frame = pd.DataFrame(rows, columns=list("abcdefgh"))
    pipeline = make_pipeline(StandardScaler(), Net()).fit(frame, LABELS)
    expected = assess(pipeline, frame).probabilities
    turned = frame[list("hgfedcba")].assign(more=1)
    assert np.array_equal(assess(pipeline, turned).probabilities, expected)
    with pytest.raises(InputError, match="no columns 'a'"):
        assess(pipeline, frame.drop(columns="a"))


def test_the_best_of_a_search(rows):
    search = GridSearchCV(make_pipeline(StandardScaler(), Net()), {"net__lr": [0.1]}, cv=2).fit(rows, LABELS)
    certainty = assess(search, rows, PLAIN)
    assert np.allclose(certainty.probabilities, search.predict_proba(rows), atol=1e-6)
    assert assess(search, rows).mutual_information.mean() > 0


def test_a_calibrated_one_says_that_its_dropout_stays_off(rows):
    fitted = make_pipeline(StandardScaler(), Net()).fit(rows, LABELS)
    model = CalibratedClassifierCV(FrozenEstimator(fitted), cv=2).fit(rows, LABELS)
    with pytest.warns(HowsureWarning, match="holds a network and is asked for its own prediction"):
        certainty = howsure.assess(model, rows)
    assert np.allclose(certainty.probabilities, model.predict_proba(rows), atol=1e-6)
    assess(model, rows, howsure.PlainPrediction())
    assert "It holds a network, whose dropout stays off" in str(howsure.audit(model, rows))


def test_skorch_itself(rows):
    skorch = pytest.importorskip("skorch")
    quiet = {"verbose": 0, "max_epochs": 2, "train_split": None}
    net = skorch.NeuralNetClassifier(mlp, criterion=nn.CrossEntropyLoss, **quiet)
    with pytest.raises(ModelError, match="has not been fitted"):
        assess(net, rows)
    other = skorch.NeuralNetClassifier(with_softmax, **quiet)
    for each in (net, other):
        each.fit(rows, LABELS)
        assert np.allclose(assess(each, rows, PLAIN).probabilities, each.predict_proba(rows), atol=1e-6)
        assert assess(each, rows).mutual_information.mean() > 0
    binary = skorch.NeuralNetBinaryClassifier(one_output, **quiet).fit(rows, (LABELS % 2).astype("float32"))
    assert np.allclose(assess(binary, rows, PLAIN).probabilities, binary.predict_proba(rows), atol=1e-6)
    regressor = skorch.NeuralNetRegressor(mlp, **quiet).fit(rows, rows[:, :3])
    assert np.allclose(assess(regressor, rows, PLAIN).mean, regressor.predict(rows), atol=1e-6)
    assert assess(regressor, rows).spread.min() > 0
