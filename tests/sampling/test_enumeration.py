"""Networks with at most 12 dropout units: every thinned network is enumerated, the exact answer is known.

The forward passes by hand know nothing of the engine, and nothing of how a model runs with masks.
"""

import functools

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from tests.sampling.enumerated import (
    assess_with_seeds,
    check,
    check_split,
    covers,
    entropy_of_labels,
    exact,
    relu,
    sigmoid,
    softmax,
)
from tests.sampling.networks import Average, Priced
from tests.support.arrays import Add, ArrayModel, Dense, Dropout, Network

COSTS = (0.1, 0.8, 0.1)


def layers(random, *sizes):
    """Weights and biases of layers with these numbers of inputs, outputs, inputs, outputs …"""
    return [
        (random.normal(0, 0.9, shape), random.normal(0, 0.9, shape[1]))
        for shape in zip(sizes[::2], sizes[1::2], strict=True)
    ]


def affine(layer, x):
    return x @ layer[0] + layer[1]


def two_layers(random, first=4, second=5):
    one, two, last = layers(random, 3, first, first, second, second, 3)
    steps = {
        "one": (Dense(*one, "relu"), "x"),
        "drop": (Dropout(0.25), "one"),
        "two": (Dense(*two, "relu"), "drop"),
        "late": (Dropout(0.4), "two"),
        "last": (Dense(*last, "softmax"), "late"),
    }

    def forward(x, masks):
        h = relu(affine(one, x)) * masks[0]
        return softmax(affine(last, relu(affine(two, h)) * masks[1]))

    return (3,), steps, forward, [(first, 0.25), (second, 0.4)]


def spatial(random):
    """One mask for all positions of a row, as of `SpatialDropout1D`."""
    one, last = layers(random, 1, 5, 5, 3)
    steps = {
        "one": (Dense(*one, "relu"), "x"),
        "drop": (Dropout(0.3, mask_shape=(1, 5)), "one"),
        "average": (Average(), "drop"),
        "last": (Dense(*last, "softmax"), "average"),
    }

    def forward(x, masks):
        return softmax(affine(last, (relu(affine(one, x)) * masks[0]).mean(axis=1)))

    return (3, 1), steps, forward, [(5, 0.3)]


def nested(random):
    """Logits, and a network in the network."""
    one, two, last = layers(random, 3, 4, 4, 4, 4, 3)
    inner = Network(("h",), {"two": (Dense(*two, "tanh"), "h"), "drop": (Dropout(0.5), "two")})
    steps = {
        "one": (Dense(*one, "relu"), "x"),
        "drop": (Dropout(0.2), "one"),
        "inner": (inner, "drop"),
        "last": (Dense(*last), "inner"),
    }

    def forward(x, masks):
        return softmax(affine(last, np.tanh(affine(two, relu(affine(one, x)) * masks[0])) * masks[1]))

    return (3,), steps, forward, [(4, 0.2), (4, 0.5)]


def skip(random):
    """One sigmoid, and a sum of what has passed dropout and what has not."""
    one, two, last = layers(random, 3, 4, 4, 4, 4, 1)
    steps = {
        "one": (Dense(*one, "relu"), "x"),
        "drop": (Dropout(0.3), "one"),
        "two": (Dense(*two, "relu"), "drop"),
        "sum": (Add(), "one", "two"),
        "late": (Dropout(0.1), "sum"),
        "last": (Dense(*last, "sigmoid"), "late"),
    }

    def forward(x, masks):
        a = relu(affine(one, x))
        p = sigmoid(affine(last, (a + relu(affine(two, a * masks[0]))) * masks[1]))
        return np.concatenate([1 - p, p], axis=-1)

    return (3,), steps, forward, [(4, 0.3), (4, 0.1)]


def several_labels(random):
    """Four labels from rare to common, each a yes or no of its own."""
    one, two, (weights, bias) = layers(random, 3, 6, 6, 6, 6, 4)
    last = weights, bias + np.linspace(-2, 2, 4)
    steps = {
        "one": (Dense(*one, "relu"), "x"),
        "drop": (Dropout(0.25), "one"),
        "two": (Dense(*two, "relu"), "drop"),
        "late": (Dropout(0.4), "two"),
        "last": (Dense(*last, "sigmoid"), "late"),
    }

    def forward(x, masks):
        h = relu(affine(one, x)) * masks[0]
        return sigmoid(affine(last, relu(affine(two, h)) * masks[1]))

    return (3,), steps, forward, [(6, 0.25), (6, 0.4)]


def branches(random, units=3, rate=0.3):
    """Branches that are left out as a whole, each by one unit, around which the network goes on."""
    start, *inner, last = layers(random, 3, 8, *(8,) * (2 * units), 8, 3)
    steps = {"h0": (Dense(*start, "relu"), "x")}
    for at, layer in enumerate(inner):
        steps[f"branch{at}"] = (Dense(0.4 * layer[0], 0.4 * layer[1], "relu"), f"h{at}")
        steps[f"drop{at}"] = (Dropout(rate, mask_shape=(1,)), f"branch{at}")
        steps[f"h{at + 1}"] = (Add(), f"h{at}", f"drop{at}")
    steps["last"] = (Dense(*last, "softmax"), f"h{units}")

    def forward(x, masks):
        h = relu(affine(start, x))
        for layer, mask in zip(inner, masks, strict=True):
            h = h + relu(0.4 * affine(layer, h)) * mask
        return softmax(affine(last, h))

    return (3,), steps, forward, [(1, rate)] * units


NETWORKS = {function.__name__: function for function in (two_layers, spatial, nested, skip)}
NETWORKS["wider"] = functools.partial(two_layers, first=6, second=6)
SLOW_NESTED = pytest.param("nested", marks=pytest.mark.slow)


def build(network, rows=6, costs=None, trained_for="classes"):
    """A network with random weights, rows for it, its forward pass by hand, and its dropout units."""
    random = np.random.default_rng(7)
    shape, steps, forward, units = network(random)
    inputs = [InputSpec("x", shape, "float32")]
    model = ArrayModel("network", inputs, steps, trained_for=trained_for)
    if costs is not None:
        model = Priced("network", inputs, steps, costs, trained_for="classes")
    return model, random.normal(size=(rows, *shape)).astype("float32"), forward, units


# How independent masks are drawn hangs on no network; two random ops and a sum show that each has its own.
@pytest.mark.parametrize(
    ("name", "balanced"),
    [
        *((name, True) for name in NETWORKS),
        ("skip", False),
        pytest.param("spatial", False, marks=pytest.mark.slow),
    ],
)
def test_flat_passes_agree_with_enumeration(name, balanced):
    model, x, forward, units = build(NETWORKS[name])
    runs = assess_with_seeds(model, x, howsure.MCDropout(passes=400, balanced=balanced))
    check(runs, *exact(forward, units, x))


@pytest.mark.parametrize("name", ["two_layers", SLOW_NESTED])
def test_adaptive_passes_agree_with_enumeration(name):
    model, x, forward, units = build(NETWORKS[name])
    mean, _, _ = exact(forward, units, x)
    runs = assess_with_seeds(model, x, howsure.MCDropout(target_error=0.005, max_passes=2000))
    assert covers(runs, "probabilities", mean)


@pytest.mark.parametrize("ratios", [(1, 16), (10, 16)])
@pytest.mark.parametrize("name", ["two_layers", "nested", "skip", "wider"])
def test_split_passes_agree_with_enumeration(name, ratios):
    """Many late masks for each early one, in one cell alone and in whole groups of cells."""
    model, x, forward, units = build(NETWORKS[name], costs=COSTS)
    check_split(model, x, ratios, exact(forward, units, x))


@pytest.mark.parametrize("name", ["wider", SLOW_NESTED])
def test_a_plan_from_a_pilot_agrees_with_enumeration(name):
    """One cell or whole groups, as each row needs, with the errors that the pilot pools."""
    # As if what follows the last dropout cost nothing.
    model, x, forward, units = build(NETWORKS[name], rows=40, costs=(0.4, 0.599, 0.001))
    runs = assess_with_seeds(model, x, howsure.MCDropout(target_error=0.02, max_passes=2000))
    first, second = runs[0].plan["design"]["widths"]
    assert first == 1 < second
    assert len(set(runs[0].passes)) > 1
    check(runs, *exact(forward, units, x), share_of_error=0.25)


@pytest.mark.parametrize(("units", "rate"), [(2, 0.4), (3, 0.3), (4, 0.2)])
def test_rows_of_a_network_of_few_units_are_covered(units, rate):
    """Balance leaves another share of the variance in every row, which the pilot cannot tell of each."""
    model, x, forward, random_ops = build(functools.partial(branches, units=units, rate=rate), rows=120)
    mean, _, _ = exact(forward, random_ops, x)
    runs = assess_with_seeds(model, x, howsure.MCDropout())
    assert min(runs[0].plan["design"]["one"]["alike"]) < 10
    covered = [np.abs(run.probabilities - mean) <= 1.96 * run.mc_error for run in runs]
    assert np.mean(covered) > 0.93


ENDINGS = {"softmax": "probabilities", "sigmoid": "label-probabilities", "linear": "values"}


def few_units(random, units=11, rate=0.2, ending="softmax"):
    """One dropout of few units, and behind it a layer that is not linear: else balance leaves no error."""
    one, two, last = layers(random, 3, units, units, 6, 6, 3)
    steps = {
        "one": (Dense(*one, "relu"), "x"),
        "drop": (Dropout(rate), "one"),
        "two": (Dense(*two, "relu"), "drop"),
        "last": (Dense(*last, ending), "two"),
    }
    end = {"softmax": softmax, "sigmoid": sigmoid, "linear": np.asarray}[ending]

    def forward(x, masks):
        return end(affine(last, relu(affine(two, relu(affine(one, x)) * masks[0]))))

    return (3,), steps, forward, [(units, rate)]


@pytest.mark.parametrize("passes", [20, 60, None])
@pytest.mark.parametrize(("units", "rate"), [(4, 0.2), (8, 0.1), (11, 0.2), (8, 0.5)])
@pytest.mark.parametrize("ending", ENDINGS)
def test_errors_of_few_units_cover_what_all_networks_say(ending, units, rate, passes):
    """95 % of rows, or 92 % with 20 passes, within 4 standard errors over seeds; and not all of them."""
    network = functools.partial(few_units, units=units, rate=rate, ending=ending)
    model, x, forward, random_ops = build(network, rows=40, trained_for=None)
    mean, _, _ = exact(forward, random_ops, x)
    runs = assess_with_seeds(model, x, howsure.MCDropout(passes=passes), outputs=ENDINGS[ending])
    actual = np.array([run.mean if ending == "linear" else run.probabilities for run in runs])
    error = np.array([run.mc_error for run in runs]) + 1e-9  # rows that no unit changes have none
    held = np.mean(np.abs(actual - mean) <= 1.96 * error, axis=(1, 2))
    assert held.mean() + 4 * held.std(ddof=1) / np.sqrt(len(held)) >= (0.92 if passes == 20 else 0.95)
    assert held.mean() <= 0.995


@pytest.mark.parametrize("balanced", [True, False])
def test_flat_passes_of_several_labels_agree_with_enumeration(balanced):
    model, x, forward, units = build(several_labels)
    runs = assess_with_seeds(model, x, howsure.MCDropout(passes=400, balanced=balanced))
    assert isinstance(runs[0], howsure.MultilabelCertainty)
    check(runs, *exact(forward, units, x, entropy_of_labels))


@pytest.mark.parametrize("ratios", [(1, 16), (10, 16)])
def test_split_passes_of_several_labels_agree_with_enumeration(ratios):
    model, x, forward, units = build(several_labels, costs=COSTS)
    check_split(model, x, ratios, exact(forward, units, x, entropy_of_labels))


def test_balance_pays():
    """On a network of ordinary width the error of balanced passes is less than half the textbook's."""
    random = np.random.default_rng(7)
    one, last = (
        Dense(random.uniform(-limit, limit, shape), 0.0, end)
        for shape, end in (((3, 64), "relu"), ((64, 3), "softmax"))
        for limit in [np.sqrt(6 / sum(shape))]  # Glorot's, as Keras begins
    )
    steps = {"one": (one, "x"), "drop": (Dropout(0.25), "one"), "last": (last, "drop")}
    model = ArrayModel("network", [InputSpec("x", (3,), "float32")], steps)
    x = random.normal(size=(6, 3)).astype("float32")
    reference = howsure.assess(model, x, method=howsure.MCDropout(passes=20_000), seed=99).probabilities
    rmse = {}
    for balanced in (True, False):
        runs = assess_with_seeds(model, x, howsure.MCDropout(passes=64, balanced=balanced))
        rmse[balanced] = np.sqrt(np.mean([(run.probabilities - reference) ** 2 for run in runs]))
    assert rmse[True] < 0.5 * rmse[False]
