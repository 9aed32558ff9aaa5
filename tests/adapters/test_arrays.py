"""Networks in numpy give what a forward pass by hand gives, mask by mask and over all thinned networks."""

import itertools

import numpy as np
import pytest

from howsure.inputs.rows import InputSpec
from howsure.random_ops import ALPHA_DROPOUT, GAUSSIAN_NOISE, RandomOp
from howsure.sampling.masks import draw
from tests.support.arrays import Add, ArrayModel, Dense, Dropout, Network

ROWS = 5
LAST_BIT = 2.0**-23
"""Of a float32: in float64 both ways are exact beside it."""

random = np.random.default_rng(1)
W1, W2, W3 = (random.normal(0, 0.7, shape) for shape in ((3, 4), (4, 4), (4, 3)))
B1, B2, B3 = (random.normal(0, 0.3, size) for size in (4, 4, 3))
V = random.normal(0, 0.7, (2, 4))
X = random.normal(0, 1.5, (ROWS, 3)).astype(np.float32)
OTHER = random.normal(0, 1.5, (ROWS, 2)).astype(np.float32)
ONE_INPUT = (InputSpec("x", (3,), "float32"),)
TWO_INPUTS = (InputSpec("a", (3,), "float32"), InputSpec("b", (2,), "float32"))


def relu(z):
    return z * (z > 0)


def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def skip():
    steps = {
        "hidden": (Dense(W1, B1, "relu"), "x"),
        "drop": (Dropout(0.3), "hidden"),
        "late": (Dense(W2, B2, "tanh"), "drop"),
        "sum": (Add(), "hidden", "late"),
        "sum_drop": (Dropout(0.2), "sum"),
        "output": (Dense(W3, B3, "softmax"), "sum_drop"),
    }

    def by_hand(rows, first, second):
        hidden = relu(rows[0] @ W1 + B1)
        late = np.tanh(hidden * first @ W2 + B2)
        return softmax((hidden + late) * second @ W3 + B3)

    return ArrayModel("skip", ONE_INPUT, steps), [X], by_hand


def nested_twice():
    """One random layer in a nested network that is called twice: two random ops, two masks."""
    drop = Dropout(0.4)
    inner = Network(("h",), {"dense": (Dense(W2, B2, "relu"), "h"), "drop": (drop, "dense")})
    steps = {
        "first": (Dense(W1, B1, "relu"), "x"),
        "inner": (inner, "first"),
        "again": (inner, "inner"),
        "output": (Dense(W3, B3), "again"),
    }

    def by_hand(rows, first, second):
        hidden = relu(relu(rows[0] @ W1 + B1) @ W2 + B2) * first
        return relu(hidden @ W2 + B2) * second @ W3 + B3

    return ArrayModel("nested", ONE_INPUT, steps), [X], by_hand


def two_inputs():
    """Random ops side by side: the second does not depend on the first."""
    steps = {
        "left": (Dense(W1, B1, "tanh"), "a"),
        "left_drop": (Dropout(0.5), "left"),
        "right": (Dense(V), "b"),
        "right_drop": (Dropout(0.25), "right"),
        "sum": (Add(), "right_drop", "left_drop"),
        "output": (Dense(W3, B3, "sigmoid"), "sum"),
    }

    def by_hand(rows, first, second):
        left, right = np.tanh(rows[0] @ W1 + B1), rows[1] @ V
        return sigmoid((left * first + right * second) @ W3 + B3)

    return ArrayModel("two", TWO_INPUTS, steps), [X, OTHER], by_hand


NETWORKS = {function.__name__: function for function in (skip, nested_twice, two_inputs)}


def random_ops_of(model):
    return [op for level in model.levels for op in level.random_ops]


def near(one, other):
    scale = np.max(np.abs(other))
    return one.shape == other.shape and np.all(np.abs(one - other) <= LAST_BIT * scale)


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_predictions_are_those_by_hand_without_dropout(name):
    model, rows, by_hand = NETWORKS[name]()
    assert near(model.predict(rows), by_hand(rows, 1, 1))


@pytest.mark.parametrize("widths", [(1, 1), (2, 2), (1, 5), (3, 12)])
@pytest.mark.parametrize("name", NETWORKS)
def test_passes_are_those_by_hand_with_the_same_masks(name, widths):
    model, rows, by_hand = NETWORKS[name]()
    random_ops = random_ops_of(model)
    masks = [draw(op, seed=4, group=0, size=width) for op, width in zip(random_ops, widths, strict=True)]
    passes = model.thin(masks)(model.trunk(rows))
    assert passes.shape == (widths[1], ROWS, 3)
    for number, outputs in enumerate(passes):
        first, second = (
            mask[number * len(mask) // widths[1]] / (1 - op.rate)
            for op, mask in zip(random_ops, masks, strict=True)
        )
        assert near(outputs, by_hand(rows, first, second))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_mean_over_all_thinned_networks_is_that_by_enumeration(name):
    model, rows, by_hand = NETWORKS[name]()
    first, second = random_ops_of(model)
    every = np.array(list(itertools.product([False, True], repeat=4)))  # 16 masks of 4 units
    exact = sum(
        np.prod(np.where(a, 1 - first.rate, first.rate))
        * np.prod(np.where(b, 1 - second.rate, second.rate))
        * by_hand(rows, a / (1 - first.rate), b / (1 - second.rate))
        for a in every
        for b in every
    )

    passes = model.thin([every, np.tile(every, (16, 1))])(model.trunk(rows))
    probability = [np.prod(np.where(every, 1 - one.rate, one.rate), axis=1) for one in (first, second)]
    weights = np.outer(*probability).ravel()
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert near(np.einsum("w,wnk->nk", weights, passes), exact)


def through(kind, rate, mask, value, **settings):
    """What a random op makes of one row of values, (W, F)."""
    inputs = (InputSpec("x", (len(value),), "float32"),)
    model = ArrayModel("site", inputs, {"drop": (Dropout(rate, kind), "x")}, **settings)
    trunk = model.trunk([np.array([value], np.float32)])
    return model.thin([np.array(mask)])(trunk)[:, 0]


def test_alpha_dropout_keeps_mean_0_and_variance_1():
    """Klambauer et al. (2017): of values with mean 0 and variance 1, over units and masks."""
    for rate in (0.05, 0.3, 0.8):
        kept, dropped = through(ALPHA_DROPOUT, rate, [[True, True], [False, False]], [-1.0, 1.0])
        assert dropped[0] == dropped[1] < 0
        weights = [(1 - rate) / 2, rate / 2]
        mean = weights[0] * kept.sum() + weights[1] * dropped.sum()
        variance = weights[0] * np.sum(kept**2) + weights[1] * np.sum(dropped**2) - mean**2
        assert abs(mean) < 4 * LAST_BIT
        assert abs(variance - 1) < 8 * LAST_BIT


def test_noise_is_random_only_when_asked_for():
    steps = {"noise": (Dropout(0.5, GAUSSIAN_NOISE), "x"), "output": (Dense(W1), "noise")}
    silent = ArrayModel("silent", ONE_INPUT, steps)
    assert len(silent.levels) == 1
    assert silent.info.layers[0].random is None
    assert silent.info.layers[0].note == "stays fixed: ask for it with gaussian_noise=True"
    noisy = ArrayModel("noisy", ONE_INPUT, steps, gaussian_noise=True)
    assert random_ops_of(noisy) == [RandomOp(0, "noise", GAUSSIAN_NOISE, 0.5, (3,))]


def test_a_mask_may_be_shared_along_an_axis():
    steps = {"drop": (Dropout(0.5, mask_shape=(1, 3)), "x"), "output": (Dense(W1, B1), "drop")}
    model = ArrayModel("positions", (InputSpec("x", (2, 3), "float32"),), steps)
    rows = random.normal(size=(ROWS, 2, 3)).astype(np.float32)
    mask = np.array([[[True, False, True]]])
    passes = model.thin([mask])(model.trunk([rows]))
    assert near(passes[0], rows * [2, 0, 2] @ W1 + B1)


def test_levels_limits_and_layers_by_hand():
    model, rows, _ = skip()
    assert [(step.name, step.level) for step in model._steps] == [
        ("hidden", 0), ("drop", 1), ("late", 1), ("sum", 1), ("sum_drop", 2), ("output", 2)
    ]  # fmt: skip
    # Multiply-adds, and 8 for each number that a step puts out.
    costs = np.array([12 + 8 * 4, 8 * 4 + (16 + 8 * 4) + 8 * 4, 8 * 4 + (12 + 8 * 3)])
    assert [level.cost for level in model.levels] == pytest.approx(list(costs / costs.sum()))
    assert [level.size for level in model.levels] == [4, 4, 4]
    assert model.limits.trunk_size == 4
    assert set(model.trunk(rows).values) == {"hidden"}
    assert [layer.multiply_adds for layer in model.info.layers] == [12, 0, 16, 0, 0, 12]
    assert [layer.random for layer in model.info.layers] == [
        None, "drops 30 %", None, None, "drops 20 %", None
    ]  # fmt: skip
    assert model.info.ending == "softmax"


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_where_nothing_random_feeds_the_output_it_is_in_the_trunk(rate):
    steps = {"unused": (Dropout(rate), "x"), "output": (Dense(W1, B1), "x")}
    model = ArrayModel("n", ONE_INPUT, steps)
    masks = [np.ones((4, 3), bool)] if rate else []
    passes = model.thin(masks)(model.trunk([X]))
    assert passes.shape == (4 if rate else 1, ROWS, 4)
    assert all(np.array_equal(one, model.predict([X])) for one in passes)


def test_no_rows_give_no_outputs():
    model, rows, _ = skip()
    none = [array[:0] for array in rows]
    assert model.predict(none).shape == (0, 3)
    masks = [np.ones((2, 4), bool)] * 2
    assert model.thin(masks)(model.trunk(none)).shape == (2, 0, 3)


def test_features_are_those_by_hand():
    model, rows, _ = skip()
    features, logits = model.features(rows)
    hidden = relu(X @ W1 + B1)
    reached = hidden + np.tanh(hidden @ W2 + B2)
    assert near(features, reached)
    assert near(logits, reached @ W3 + B3)
