"""Dense layers with prepared kernels give what they give mask by mask."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.models.keras.fast.thinned_dense import Dropped, Folded
from howsure.models.keras.model import adapt
from howsure.sampling.masks import draw
from howsure.sampling.randomness import sites_of

ROWS = 5

not_on_jax = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="units are not picked on JAX, where it is slower"
)


@pytest.fixture(params=[pytest.param(Dropped, marks=not_on_jax), Folded])
def kind(request, monkeypatch):
    """How kernels are prepared, whatever their size and however few the rows."""
    monkeypatch.setattr("howsure.tuning.WORTHWHILE", 1 if request.param is Dropped else 1_000_000)
    monkeypatch.setattr("howsure.tuning.MANY_ROWS", 1)
    monkeypatch.setattr("howsure.models.keras.fast.thinned_dense.FEW_OUTPUTS", 100)
    return request.param


def network(*middle, shape=(4, 4, 3), activation="relu", last=0.25):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    hidden = inputs
    for layer in middle:
        hidden = layer(hidden)
    hidden = layers.Dense(7, activation=activation, bias_initializer="normal", name="thinned")(hidden)
    hidden = layers.Dropout(last)(hidden)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", dtype="float32")(hidden))


def adapted(model):
    x = np.random.default_rng(1).normal(size=(ROWS, *model.input_shape[1:])).astype("float32")
    adapter, rows = adapt(model, x, gaussian_noise=False)
    return adapter, rows


def masks_of(adapter, widths, size):
    """Masks in balanced groups of `size` for each width; one mask where the width is 1."""
    return [
        np.concatenate([draw(site, seed=0, group=group, size=size) for group in range(-(-width // size))])[
            :width
        ]
        for site, width in zip(sites_of(adapter), widths, strict=True)
    ]


def both_ways(adapter, rows, masks, kind):
    trunk = adapter.trunk(rows)
    prepared = adapter.thin(masks, rows=ROWS)
    one_by_one = adapter.thin(masks, rows=0)
    assert all(kernel is None for kernel in one_by_one.kernels)
    assert all(isinstance(kernel, (kind, type(None))) for kernel in prepared.kernels)
    thinned = [number for number, kernel in enumerate(prepared.kernels) if kernel is not None]
    return prepared(trunk), one_by_one(trunk), thinned


IN_FRONT = {
    "dropout, flatten": lambda: [layers.Dropout(0.2), layers.Flatten()],
    "flatten, dropout": lambda: [layers.Flatten(), layers.Dropout(0.2)],
    "reshaped": lambda: [layers.Dropout(0.2), layers.Reshape((8, 6)), layers.Flatten()],
    "spatial": lambda: [layers.SpatialDropout2D(0.2), layers.Flatten()],
    "noise shape": lambda: [layers.Dropout(0.2, noise_shape=(None, 4, 1, 3)), layers.Flatten()],
    "two of five": lambda: [layers.Dropout(0.4), layers.Flatten()],
}


@pytest.mark.parametrize("in_front", IN_FRONT)
@pytest.mark.parametrize("activation", ["relu", None])
def test_the_same_as_mask_by_mask(in_front, activation, kind):
    adapter, rows = adapted(network(*IN_FRONT[in_front](), activation=activation))
    new, old, thinned = both_ways(adapter, rows, masks_of(adapter, (5, 20), 5), kind)
    assert thinned == ([0] if kind is Dropped else [0, 1])
    assert old.std(axis=0).max() > 0.01
    np.testing.assert_allclose(new, old, atol=2e-6)


def test_where_passes_come_in_that_differ_already(kind):
    model = network(layers.Dropout(0.2), layers.Conv2D(4, 2), layers.Dropout(0.5), layers.Flatten())
    adapter, rows = adapted(model)
    for widths, size in [((5, 10, 40), 2), ((1, 4, 4), 4), ((10, 20, 20), 2)]:
        masks = masks_of(adapter, widths, size)
        new, old, thinned = both_ways(adapter, rows, masks, kind)
        assert 1 in thinned
        assert new.shape == (widths[-1], ROWS, 3)
        np.testing.assert_allclose(new, old, atol=2e-6)


def test_several_layers_and_the_last_one(kind):
    model = network(layers.Flatten(), layers.Dropout(0.5), last=0.5)
    adapter, rows = adapted(model)
    for widths, expected in [((2, 4), [0, 1]), ((2, 2), [0]), ((1, 6), [1])]:
        new, old, thinned = both_ways(adapter, rows, masks_of(adapter, widths, 2), kind)
        assert thinned == expected
        np.testing.assert_allclose(new, old, atol=2e-6)


def test_a_linear_layer_in_plain_numpy(kind):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.2), layers.Dense(4, activation="softmax")])
    adapter, rows = adapted(model)
    masks = masks_of(adapter, (5,), 5)
    new, _, thinned = both_ways(adapter, rows, masks, kind)
    kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in model.layers[-1].weights)
    logits = (rows[0] * masks[0][:, None] / 0.8) @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert thinned == [0]
    np.testing.assert_allclose(new, expected, atol=1e-6)


def half():
    return keras.Sequential([keras.Input((6,)), layers.Dropout(0.2), layers.Dense(4, dtype="mixed_bfloat16")])


def another_reader():
    inputs = keras.Input((6,))
    hidden = layers.Dropout(0.2)(inputs)
    hidden = layers.Concatenate()([layers.Dense(3)(hidden), hidden])
    return keras.Model(inputs, layers.Softmax()(layers.Dropout(0.2)(hidden)))


def an_output():
    inputs = keras.Input((6,))
    hidden = layers.Dropout(0.2)(inputs)
    outputs = [layers.Softmax()(hidden), layers.Dense(3)(hidden)]
    return keras.Model(inputs, outputs[0])


NOT_THINNED = {
    "one mask": (lambda: network(layers.Dropout(0.2), layers.Flatten()), (1, 4)),
    "something in between": (lambda: network(layers.Dropout(0.2), layers.ReLU(), layers.Flatten()), (5, 5)),
    "alpha dropout": (lambda: network(layers.AlphaDropout(0.2), layers.Flatten()), (5, 5)),
    "axes that stay": (lambda: network(layers.Dropout(0.2), layers.Dense(2), layers.Flatten()), (5, 5)),
    "turned around": (
        lambda: network(layers.Dropout(0.2), layers.Flatten(data_format="channels_first")),
        (5, 5),
    ),
    "time steps that do not count": (
        lambda: network(layers.Masking(), layers.Dropout(0.2), shape=(6,)),
        (5, 5),
    ),
    "in half precision": (lambda: network(half(), shape=(6,)), (5, 5)),
    "another reader": (another_reader, (5, 5)),
    "an output": (an_output, (5,)),
}


@pytest.mark.parametrize("what", NOT_THINNED)
def test_where_it_would_be_wrong_or_useless_it_is_left(what, kind):
    make, widths = NOT_THINNED[what]
    adapter, rows = adapted(make())
    new, old, thinned = both_ways(adapter, rows, masks_of(adapter, widths, 5), kind)
    assert 0 not in thinned
    np.testing.assert_allclose(new, old, atol=2e-6)


@pytest.mark.parametrize(
    ("what", "rate", "size", "deviations"),
    [
        ("masks that do not balance", 0.2, 1, 6),
        ("most units dropped", 0.8, 5, 6),
        ("many more units dropped than on average", 0.2, 5, -1),
    ],
)
def test_where_picking_units_would_be_wrong_or_useless(what, rate, size, deviations, kind, monkeypatch):
    monkeypatch.setattr("howsure.models.keras.fast.thinned_dense.DEVIATIONS", deviations)
    adapter, rows = adapted(network(layers.Dropout(rate), layers.Flatten()))
    new, old, thinned = both_ways(adapter, rows, masks_of(adapter, (5, 5), size), kind)
    assert thinned == ([] if kind is Dropped else [0]), what
    np.testing.assert_allclose(new, old, atol=2e-6)


def test_masks_go_into_a_kernel_of_few_outputs_where_the_rows_are_many_and_the_copies_small(monkeypatch):
    adapter, _ = adapted(network(layers.Dropout(0.2), layers.Flatten()))
    masks = masks_of(adapter, (5, 20), 5)

    def prepared(rows):
        return [kernel is not None for kernel in adapter.thin(masks, rows).kernels]

    assert prepared(27) == [False, False]
    assert prepared(32) == [True, False]  # 48 → 7 and 7 → 3
    monkeypatch.setattr("howsure.models.keras.fast.thinned_dense.FEW_OUTPUTS", 1 / 5)
    assert prepared(32) == [False, False]
    assert prepared(35) == [True, False]
    monkeypatch.setattr("howsure.models.keras.fast.thinned_dense.FEW_OUTPUTS", 1 / 2)
    assert prepared(35) == [True, True]
    monkeypatch.setattr("howsure.models.keras.fast.thinned_dense.LARGEST_COPY_OF_A_CELL", 20 * 7 * 3 - 1)
    assert prepared(35) == [True, False]
    monkeypatch.setattr("howsure.tuning.LARGEST_COPY", 5 * 48 * 7 - 1)
    assert prepared(35) == [False, False]


def test_a_layer_that_drops_everything_is_left(kind):
    model = network(layers.Dropout(0.2), layers.Flatten(), last=0.5)
    model.layers[-2].rate = 1.0
    adapter, rows = adapted(model)
    new, old, thinned = both_ways(adapter, rows, masks_of(adapter, (5, 10), 5), kind)
    assert thinned == [0]
    np.testing.assert_allclose(new, old, atol=2e-6)


def test_assessing_gives_the_same_numbers(kind, monkeypatch):
    model = network(layers.Dropout(0.2), layers.Flatten(), shape=(8, 8, 3))
    x = np.random.default_rng(1).normal(size=(70, 8, 8, 3)).astype("float32")
    thinned = howsure.assess(model, x)
    monkeypatch.setattr("howsure.tuning.MANY_ROWS", 1000)
    plain = howsure.assess(model, x)
    np.testing.assert_allclose(thinned.probabilities, plain.probabilities, atol=3e-6)
    np.testing.assert_array_equal(thinned.passes, plain.passes)
