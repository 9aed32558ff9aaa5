"""Every method keeps to the method seam, on every adapter and outcome that has what it needs."""

from copy import deepcopy

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.methods.choices import CHOICES, OPTIONS
from howsure.methods.choices import METHODS as METHODS_OF_HOWSURE
from tests.support.arrays import ArrayModel, Dense, Dropout
from tests.support.cases import rows_of, skip, two_layers
from tests.support.conformance import check_method

ONE_INPUT = [InputSpec("x", (4,), "float32")]
ROWS = 30
UNITS = np.array([1.0, 1e6])
"""Of two numbers per row."""


def in_units(steps, units=UNITS):
    """The same network with its outputs in other units."""
    last, *reads = steps["output"]
    return {**steps, "output": (Dense(last.weights * units, last.bias * units), *reads)}


def network(steps, trained_for="classes", **settings):
    return ArrayModel("network", ONE_INPUT, steps, trained_for=trained_for, **settings)


def another(model, factor):
    """A network like this one, with larger weights."""
    other = deepcopy(model)
    for weights in other.weights():
        weights *= factor
    return other


MODELS = {  # by outcome, and what is special about the model
    "classes": lambda: network(two_layers(Dropout(0.4))),
    "classes of one sigmoid": lambda: network(two_layers(Dropout(0.4), "sigmoid", 1)),
    "classes of logits": lambda: network(two_layers(Dropout(0.4), "linear")),
    "labels": lambda: network(two_layers(Dropout(0.4), "sigmoid", 5), "several labels"),
    "labels of logits": lambda: network(two_layers(Dropout(0.4), "linear", 4), "several labels"),
    "classes past a skip": lambda: network(skip()),
    "classes, one pass at a time": lambda: network(two_layers(Dropout(0.4)), fold=None),
    "numbers": lambda: network(in_units(two_layers(Dropout(0.4), "linear", 2)), "regression"),
    "means and variances": lambda: network(two_layers(Dropout(0.4), "linear", 4), None),
}
METHODS = {
    "softmax": lambda model, x: howsure.Softmax(),
    "plain prediction": lambda model, x: howsure.PlainPrediction(),
    "dropout": lambda model, x: howsure.MCDropout(),
    "fixed passes": lambda model, x: howsure.MCDropout(passes=20),
    "independent passes": lambda model, x: howsure.MCDropout(balanced=False, max_passes=60),
    "plan": lambda model, x: howsure.MCDropout(plan=howsure.plan(model, x, outputs=outputs_of(model))),
    "ensemble": lambda model, x: howsure.Ensemble([another(model, 1.1), another(model, 1.2)]),
    "ensemble of dropout": lambda model, x: howsure.Ensemble(
        [another(model, 1.1)], each=howsure.MCDropout(passes=10)
    ),
    "augmentation": lambda model, x: howsure.Augmentation([lambda rows: 1.1 * rows]),
    "laplace": lambda model, x: howsure.LastLayerLaplace.fit(
        model, x, answers_for(model, x), outputs=outputs_of(model)
    ),
}
WITHOUT = {
    ("laplace", name): "one class"
    for name in ("labels", "labels of logits", "numbers", "means and variances")
}
"""What last-layer Laplace is not for, and what it says then."""


def outputs_of(model):
    return "mean-log-variance" if model.info.trained_for is None else None


def answers_for(model, x):
    """True answers: classes in turn, or numbers in the units of the outputs."""
    if model.info.trained_for == "regression":
        return model.predict([x]) + np.random.default_rng(0).normal(size=(len(x), len(UNITS))) * UNITS
    return np.arange(len(x)) % max(2, model.info.output_shape[0])


# One pass at a time is slow, and each way of drawing passes meets it in the same place.
SLOW = [(method, "classes, one pass at a time") for method in ("dropout", "independent passes")]
CASES = [
    pytest.param(
        method,
        model,
        marks=[pytest.mark.slow] if (method, model) in SLOW else [],
        id=f"{method}-arrays, {model}",
    )
    for method in METHODS
    for model in MODELS
]


@pytest.mark.parametrize(("method", "model"), CASES)
def test_a_method_keeps_to_the_seam(method, model):
    made = MODELS[model]()
    (x,) = rows_of((4,), rows=ROWS)
    if (method, model) in WITHOUT:
        with pytest.raises(howsure.InputError, match=WITHOUT[method, model]):
            howsure.assess(made, x, method=METHODS[method](made, x))
        return
    check_method(METHODS[method](made, x), made, x, outputs_of(made))


def test_every_method_is_listed_once_with_names_of_its_own():
    public = [getattr(howsure, name) for name in howsure.__all__]
    methods = {item for item in public if hasattr(item, "needs") and hasattr(item, "begin")}
    assert methods == set(METHODS_OF_HOWSURE), "a method that `METHODS` of howsure/methods/choices.py lacks"
    options = [choice.option for choice in CHOICES if choice.option]
    assert len(set(options)) == len(options), "two methods with one name on the command line"
    kinds = {(option.name, option.kind, option.sentence) for choice in CHOICES for option in choice.options}
    assert len(kinds) == len(OPTIONS), "an `Option` of howsure/methods/ has two types or sentences"


def test_a_setting_of_any_method_is_told_where_it_belongs():
    model, (x,) = MODELS["classes"](), rows_of((4,), rows=2)
    with pytest.raises(TypeError, match=r"'changes'.*howsure.Augmentation\(changes=changes\)"):
        howsure.assess(model, x, changes=[])
