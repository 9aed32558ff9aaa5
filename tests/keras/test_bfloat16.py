"""Heavy layers in bfloat16: near the numbers of float32, the model as found, and only where it pays."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.adapters.keras import model as adapters
from howsure.adapters.keras.model import KerasThinned, adapt
from howsure.sampling.randomness import random_ops_of
from tests.sampling.enumerated import softmax

from .networks import check_against_copies


@pytest.fixture
def network():
    """A convolution of 1.2 million multiply-adds between two dropouts."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(32, 3, activation="relu", name="light"),
            layers.Dropout(0.2),
            layers.Conv2D(64, 3, activation="relu", name="heavy"),
            layers.MaxPooling2D(8),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return model, np.random.default_rng(0).normal(size=(80, 12, 12, 1)).astype("float32")


@pytest.fixture
def faster(monkeypatch):
    monkeypatch.setattr(adapters, "bfloat16_is_faster", lambda: True)


def policies(model):
    return [(layer.name, layer.dtype_policy.name) for layer in model.layers]


def test_heavy_layers_run_in_bfloat16_and_the_numbers_are_near(network, faster):
    model, x = network
    before = policies(model)
    plan = howsure.plan(model, x)
    assert plan.precision == "bfloat16"
    near = howsure.assess(model, x, method=howsure.MCDropout(plan=plan))
    assert policies(model) == before
    exact = howsure.assess(
        model, x, method=howsure.MCDropout(plan=howsure.Plan(plan.design, plan.shares, "float32"))
    )
    both = near.passes == exact.passes
    off = np.abs(near.probabilities - exact.probabilities)[both]
    assert both.mean() > 0.9
    assert off.max() < 0.004
    # XLA leaves out roundings that it may leave out.
    assert off.max() > 0 or keras.backend.backend() == "jax"
    assert np.sqrt(np.mean(off**2)) < 0.001
    np.testing.assert_allclose(near.probabilities.sum(axis=-1), 1, atol=1e-5)


def test_what_is_reduced_are_the_heavy_layer_and_what_only_it_reads(network, faster):
    model, x = network
    adapter, _ = adapt(model, x, gaussian_noise=False)
    reduced = adapter.in_precision("bfloat16")
    names = {step.name for step in adapter._program.steps if id(step) in reduced._in_bfloat16}
    assert names == {model.layers[1].name, "heavy"}


def test_no_precision_is_lost_where_the_processor_gains_nothing(network, monkeypatch):
    model, x = network
    monkeypatch.setattr(adapters, "bfloat16_is_faster", lambda: False)
    assert howsure.plan(model, x).precision == "float32"


def test_the_pilot_keeps_float32_where_bfloat16_is_too_far_off(network, faster, monkeypatch):
    model, x = network
    passes = KerasThinned.__call__

    def far_off(self, trunk):
        values = passes(self, trunk)
        return values[..., ::-1] if self.model._in_bfloat16 else values

    monkeypatch.setattr(KerasThinned, "__call__", far_off)
    assert howsure.plan(model, x).precision == "float32"


def test_a_fixed_number_of_passes_is_always_float32(network, faster):
    model, x = network
    method = howsure.MCDropout(passes=20)
    many = howsure.assess(model, x, method=method)
    adapter, _ = adapt(model, x, gaussian_noise=False)
    np.testing.assert_array_equal(many.probabilities, howsure.assess(adapter, x, method=method).probabilities)
    assert many.plan is None


def test_policies_are_restored_after_an_exception(network, faster, monkeypatch):
    model, x = network
    before = policies(model)
    adapter, rows = adapt(model, x, gaussian_noise=False)
    reduced = adapter.in_precision("bfloat16")
    trunk = reduced.trunk([rows[0][:2]])

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(layers.Conv2D, "call", fail)
    thinned = reduced.thin([np.ones((1, *op.shape), dtype=bool) for op in random_ops_of(adapter)])
    with pytest.raises(ZeroDivisionError):
        thinned(trunk)
    assert policies(model) == before


# --- types of the user's own ----------------------------------------------------------------------


def in_a_row(parts):
    return keras.Sequential([keras.Input((5,)), *parts])


class Parts(keras.Model):
    """Layers one after the other, in a subclassed model."""

    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def call(self, inputs, training=None):
        hidden, drop, *ends = self.parts
        inputs = drop(hidden(inputs), training=training)
        for part in ends:
            inputs = part(inputs)
        return inputs


@pytest.mark.parametrize(
    ("dtype", "make", "is_layer"),
    [
        ("mixed_float16", in_a_row, False),
        ("mixed_bfloat16", Parts, False),
        ("mixed_bfloat16", in_a_row, True),
    ],
)
def test_what_makes_the_output_in_16_bits_computes_in_float32(dtype, make, is_layer):
    """Near 1, bfloat16 goes in steps of 1/256, which no number of passes would take out."""
    x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
    hidden, drop = layers.Dense(8, "relu", dtype=dtype), layers.Dropout(0.3, dtype=dtype)
    last = layers.Dense(3, None if is_layer else "softmax", dtype=dtype)
    model = make([hidden, drop, last, *([layers.Softmax(dtype=dtype)] if is_layer else [])])
    own = in_double(model(x))
    if is_layer:
        expected = softmax(in_double(last(hidden(x))))
    else:
        kernel, bias = (np.asarray(weight, np.float64) for weight in last.get_weights())
        expected = softmax(in_double(hidden(x)) @ kernel + bias)
    probabilities = howsure.assess(model, x, method=howsure.Softmax()).probabilities
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert np.abs(own - expected).max() > 1e-4
    assert np.abs(own - expected).max() < (0.02 if dtype == "mixed_bfloat16" else 0.002)
    assert last.dtype_policy.name == dtype
    certainty = howsure.assess(model, x, method=howsure.MCDropout(passes=20))
    assert np.abs(certainty.probabilities.sum(axis=-1) - 1).max() < 1e-12


def in_double(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")).astype(np.float64)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")  # InputLayer, Dropout
def test_a_model_in_int8():
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, "relu"), layers.Dropout(0.4), layers.Dense(3, "softmax")]
    )
    model.quantize("int8")
    x = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    probabilities = howsure.assess(model, x, method=howsure.Softmax()).probabilities
    np.testing.assert_allclose(probabilities, keras.ops.convert_to_numpy(model(x)), atol=1e-6)
    certainty = howsure.assess(model, x, method=howsure.MCDropout(passes=1000))
    check_against_copies(certainty, model, x, passes=1000)
