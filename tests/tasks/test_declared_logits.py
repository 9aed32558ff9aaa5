"""Probabilities that a caller declares logits are noticed, and logits are not taken for probabilities."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import howsure
from tests.commands import run
from tests.conformance.test_methods import ONE_INPUT
from tests.support import cases
from tests.support.arrays import ArrayModel, Dropout

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
ALREADY = r"declared logits and are probabilities already\. Expected: outputs='{}'"
BY_VALUES = r".*Received: numbers from 0 to 1 that add up to 1, in \d+ rows\."
MAY_BE = r"declared logits and may be probabilities: in 16 rows all are from 0 to 1.*outputs='{}'"


def network(end, outputs=3, seen=True, **facts):
    model = ArrayModel("network", ONE_INPUT, cases.two_layers(Dropout(0.4), end, outputs))
    model.info = replace(model.info, **facts, **({} if seen else {"ending": None}))
    return model


DOORS = {
    "assess": lambda model, **asked: howsure.assess(model, X, **asked),
    "ensemble": lambda model, **asked: howsure.assess(
        network("linear"), X, method=howsure.Ensemble([model]), **asked
    ),
    "stream": lambda model, **asked: next(howsure.stream(model, X, **asked)),
    "passes": lambda model, **asked: howsure.passes(model, X, 4, **asked),
    "plan": lambda model, **asked: howsure.plan(model, X, **asked),
    "compare": lambda model, **asked: howsure.compare(model, X, np.arange(40) % 3, **asked),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_softmax_that_is_declared_logits_is_refused(door):
    with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities")):
        DOORS[door](network("softmax"), outputs="logits")
    if door != "ensemble":
        DOORS[door](network("softmax"), outputs="probabilities")
        DOORS[door](network("linear"), outputs="logits")


def test_rows_that_add_up_to_one_show_it_where_the_last_layer_does_not():
    with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities") + BY_VALUES):
        howsure.assess(network("softmax", seen=False), X, outputs="logits")
    howsure.assess(network("linear", seen=False), X, outputs="logits")
    howsure.assess(network("sigmoid", seen=False), X, outputs="logits")  # which do not add up to 1
    for rows in (X[:0], X[:1]):  # that tell nothing
        howsure.assess(network("softmax", seen=False), rows, outputs="logits")
    with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities")):
        howsure.assess(network("softmax"), X[:1], outputs="logits")


@pytest.mark.parametrize(
    ("outputs", "declared", "right"),
    [(1, "logits", "probabilities"), (4, "label-logits", "label-probabilities")],
)
def test_sigmoids_that_are_declared_logits(outputs, declared, right):
    with pytest.raises(howsure.ModelError, match=ALREADY.format(right)):
        howsure.assess(network("sigmoid", outputs), X, outputs=declared)
    with pytest.warns(howsure.HowsureWarning, match=MAY_BE.format(right)):
        howsure.assess(network("sigmoid", outputs, seen=False), X, outputs=declared)
    howsure.assess(network("linear", outputs, seen=False), X, outputs=declared)


def test_what_training_put_a_softmax_on_is_read_as_logits():
    model = network("softmax", loss="cross_entropy", loss_takes="logits")
    with pytest.warns(howsure.HowsureWarning, match="outputs='logits' reads the outputs as the loss did"):
        howsure.assess(model, X)
    assert howsure.assess(model, X, outputs="logits").probabilities.max() < 0.6


def test_scikit_learn_puts_out_probabilities():
    linear_model = pytest.importorskip("sklearn.linear_model")
    neural_network = pytest.importorskip("sklearn.neural_network")
    one = linear_model.LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities")):
        howsure.assess(one, X, outputs="logits")
    several = neural_network.MLPClassifier((3,), solver="lbfgs", max_iter=5000).fit(X, X[:, :2] > 0)
    with pytest.raises(howsure.ModelError, match=ALREADY.format("label-probabilities")):
        howsure.assess(several, X, outputs="label-logits")


def test_keras():
    keras = pytest.importorskip("keras")
    made = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.3)]
    shown = keras.Sequential([*made, keras.layers.Softmax()])
    own = keras.Sequential([*made, keras.layers.Lambda(lambda x: keras.ops.abs(x) + 1e-3)])
    own.add(keras.layers.Lambda(lambda x: x / keras.ops.sum(x, axis=-1, keepdims=True)))
    for model, said in ((shown, ""), (own, BY_VALUES)):
        with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities") + said):
            howsure.assess(model, X, outputs="logits")


class Own:
    """Makes a module whose softmax howsure does not know, where torch is there."""

    def __new__(cls):
        from torch import nn

        class Normalised(nn.Module):
            def __init__(self):
                super().__init__()
                self.last, self.drop = nn.Linear(4, 3), nn.Dropout(0.3)

            def forward(self, x):
                odds = self.drop(self.last(x)).abs() + 1e-3
                return odds / odds.sum(-1, keepdim=True)

        return Normalised()


def seen():
    """Makes a module that ends in a softmax."""
    from torch import nn

    return nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.3), nn.Softmax(dim=-1))


def test_modules_of_pytorch_in_python_and_on_the_command_line(tmp_path):
    pytest.importorskip("torch")
    for module, said in ((seen(), ""), (Own(), BY_VALUES)):
        with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities") + said):
            howsure.assess(module, X, outputs="logits")
    np.save(tmp_path / "x.npy", X)
    maker = "tests.tasks.test_declared_logits:seen"
    told = run(
        "assess", maker, tmp_path / "x.npy", "--set", "outputs=logits", "--out", tmp_path / "o.parquet"
    )
    assert told.exit_code == 2
    assert "are probabilities already. Expected: outputs='probabilities'." in told.stderr


def test_a_class_at_each_position():
    torch = pytest.importorskip("torch")
    from torch import nn

    images = np.random.default_rng(0).normal(size=(3, 2, 5, 5)).astype(np.float32)
    asked = {"outputs": "logits", "class_names": ["a", "b", "c"]}
    linear = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Dropout2d(0.2))
    with pytest.raises(howsure.ModelError, match=ALREADY.format("probabilities")):
        howsure.assess(nn.Sequential(linear, nn.Softmax(dim=1)), images, **asked)
    with warnings.catch_warnings(action="error"):
        assert len(howsure.assess(linear, images, **asked)) == 3

    class Unseen(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = linear

        def forward(self, x):
            odds = self.linear(x).abs() + 1e-3
            return odds / torch.sum(odds, dim=1, keepdim=True)

    said = "numbers from 0 to 1 that add up to 1, in 2 rows"
    with pytest.raises(howsure.ModelError, match=said):
        howsure.assess(Unseen(), images, **asked)
