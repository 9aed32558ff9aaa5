"""Every method keeps to the method seam, on every adapter and outcome that has what it needs."""

import numpy as np
import pytest

import howsure
from howsure.conformance import check_method
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dropout
from tests.conformance.cases import rows_of, skip, two_layers

ONE_INPUT = [InputSpec("x", (4,), "float32")]
ROWS = 30


def network(steps, trained_for="classes", **settings):
    return ArrayModel("network", ONE_INPUT, steps, trained_for=trained_for, **settings)


MODELS = {  # by outcome, and what is special about the model
    "classes": lambda: network(two_layers(Dropout(0.4))),
    "classes of one sigmoid": lambda: network(two_layers(Dropout(0.4), "sigmoid", 1)),
    "classes of logits": lambda: network(two_layers(Dropout(0.4), "linear")),
    "labels": lambda: network(two_layers(Dropout(0.4), "sigmoid", 5), "several labels"),
    "labels of logits": lambda: network(two_layers(Dropout(0.4), "linear", 4), "several labels"),
    "classes past a skip": lambda: network(skip()),
    "classes, one pass at a time": lambda: network(two_layers(Dropout(0.4)), fold=None),
}
METHODS = {
    "softmax": lambda model, x: howsure.Softmax(),
    "dropout": lambda model, x: howsure.MCDropout(),
    "fixed passes": lambda model, x: howsure.MCDropout(passes=20),
    "independent passes": lambda model, x: howsure.MCDropout(balanced=False, max_passes=60),
    "plan": lambda model, x: howsure.MCDropout(plan=howsure.plan(model, x)),
    "ensemble": lambda model, x: howsure.Ensemble([model, model]),
    "ensemble of dropout": lambda model, x: howsure.Ensemble([model], each=howsure.MCDropout(passes=10)),
    "augmentation": lambda model, x: howsure.Augmentation([lambda rows: 1.1 * rows]),
    "laplace": lambda model, x: howsure.LastLayerLaplace.fit(
        model, x, np.arange(len(x)) % max(2, model.info.output_shape[0]), passes=8
    ),
}
WITHOUT = {(method, model) for method in ("laplace",) for model in ("labels", "labels of logits")}
"""Last-layer Laplace is for one class per row."""


@pytest.mark.parametrize("model", MODELS, ids="arrays, {}".format)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_keeps_to_the_seam(method, model):
    made = MODELS[model]()
    (x,) = rows_of((4,), rows=ROWS)
    if (method, model) in WITHOUT:
        with pytest.raises(howsure.InputError, match="one class"):
            howsure.assess(made, x, method=METHODS[method](made, x))
        return
    check_method(METHODS[method](made, x), made, x)
