"""Features are what the last layer gets, logits what it makes of them; everything as in `predict`."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from howsure.adapters.features import features_of
from howsure.adapters.keras import features as keras_features
from howsure.adapters.keras.model import adapt
from howsure.errors import InputError, ModelError
from tests.sampling.enumerated import softmax

from .networks import ARCHITECTURES, build, rows_for, snapshot

LEFT_OUT = (
    "subclassed",  # has no features, see below
    "always",  # is random when predicting, too
    *("spatial_1d", "spatial_3d", "shared_model", "alpha", "noise_shape"),  # much like others, and slow
)
NAMES = [name for name in ARCHITECTURES if name not in LEFT_OUT]


def structure_of(model):
    return model._inputs_struct if hasattr(model, "_inputs_struct") else model.inputs[0]


def predicted(model, x):
    return ops.convert_to_numpy(model(x, training=False))


def by_numpy(features, layer):
    kernel = ops.convert_to_numpy(layer.kernel)
    return features @ kernel + (0 if layer.bias is None else ops.convert_to_numpy(layer.bias))


# --- against Keras and numpy ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_they_are_what_the_last_layer_gets(name):
    model = build(name)
    x, last = rows_for(model), model.layers[-1]
    before = snapshot(model)
    features = features_of(model, x)
    assert snapshot(model) == before
    expected = predicted(keras.Model(structure_of(model), last.input), x)
    np.testing.assert_allclose(features.features, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(features.logits, by_numpy(features.features, last), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(softmax(features.logits), predicted(model, x), rtol=1e-4, atol=1e-6)
    assert features.features.dtype == features.logits.dtype == np.float32
    assert features.features.std() > 0


def ends_in(*end):
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, activation="tanh"), layers.Dropout(0.5), *end]
    )


def with_an_operation():
    x = keras.Input((4,))
    return keras.Model(x, ops.softmax(layers.Dense(3)(layers.Dense(6, "tanh")(x))))


def nested():
    x = keras.Input((4,))
    return keras.Model(x, layers.Softmax()(ends_in(layers.Dense(3))(layers.Dense(4)(x))))


def lora():
    model = ends_in(layers.Dense(3, "softmax"))
    model.layers[-1].enable_lora(2)
    model.layers[-1].set_weights(
        [np.random.default_rng(0).normal(size=w.shape) for w in model.layers[-1].weights]
    )
    return model


ENDS = {
    "softmax": lambda: ends_in(layers.Dense(3, "softmax")),
    "no bias": lambda: ends_in(layers.Dense(3, use_bias=False, activation="softmax")),
    "log softmax": lambda: ends_in(layers.Dense(3, "log_softmax")),
    "sigmoid": lambda: ends_in(layers.Dense(1, "sigmoid")),
    "activation layer": lambda: ends_in(layers.Dense(3), layers.Activation("softmax")),
    "operation": with_an_operation,
    "nested": nested,
    "lora": lora,
}


@pytest.mark.parametrize("end", ENDS)
def test_ways_to_end(end):
    keras.utils.set_random_seed(1)
    model = ENDS[end]()
    x = rows_for(model, rows=5)
    features = features_of(model, x)
    flat = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Dense)]
    last = next(layer for layer in flat if layer.kernel.shape[0] == 6)
    np.testing.assert_allclose(features.logits, by_numpy(features.features, last), rtol=1e-4, atol=1e-5)
    output = predicted(model, x)
    if end == "sigmoid":
        np.testing.assert_allclose(1 / (1 + np.exp(-features.logits)), output, rtol=1e-4)
    elif end in ("linear", "log softmax"):
        np.testing.assert_allclose(softmax(features.logits), softmax(output), rtol=1e-4)
    else:
        np.testing.assert_allclose(softmax(features.logits), output, rtol=1e-4)


def test_a_cast_before_the_last_activation():
    x = keras.Input((4,))
    dense = layers.Dense(3, dtype="mixed_bfloat16")
    model = keras.Model(x, layers.Softmax()(keras.ops.cast(dense(x), "float32")))
    x = rows_for(model)
    np.testing.assert_allclose(softmax(features_of(model, x).logits), predicted(model, x), atol=0.01)


# --- what must not matter ---------------------------------------------------------------------


def test_a_fixed_number_of_rows():
    fixed = keras.Sequential(
        [keras.Input(batch_shape=(4, 3)), layers.Dense(6, "tanh"), layers.Dense(3, "softmax")]
    )
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    expected = np.concatenate([predicted(fixed, x[:4]), predicted(fixed, x[2:])[2:]])
    np.testing.assert_allclose(softmax(features_of(fixed, x).logits), expected, rtol=1e-4)


def test_it_is_compiled_once_and_new_weights_count(monkeypatch):
    model = build("sequential")
    x = rows_for(model)
    looked, original = [], keras_features._last_weighted
    monkeypatch.setattr(keras_features, "_last_weighted", lambda *a: looked.append(1) or original(*a))
    before = features_of(model, x)
    model.set_weights([0.3 * weight for weight in model.get_weights()])
    after = features_of(model, x)
    assert len(looked) == 1
    np.testing.assert_allclose(softmax(after.logits), predicted(model, x), rtol=1e-4)
    assert np.abs(after.logits - before.logits).max() > 0.01
    model.pop()
    model.add(layers.Dense(2, activation="softmax"))
    np.testing.assert_allclose(softmax(features_of(model, x).logits), predicted(model, x), rtol=1e-4)


# --- models that end otherwise ----------------------------------------------------------------


class WithMore(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


def temperature_of_rows():
    x = keras.Input((4,))
    divided = layers.Dense(3)(x) / layers.Dense(1, "softplus")(x)
    return keras.Model(x, layers.Softmax()(divided))


def fully_convolutional():
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Conv2D(3, 1),
            layers.GlobalAveragePooling2D(),
            layers.Softmax(),
        ]
    )


class OfEachRow(layers.Layer):
    """What makes no linear layer of one: softcapped logits, or a row divided by what it says itself."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def call(self, inputs):
        return self.make(inputs)


OTHERWISE = {
    "subclassed": (lambda: build("subclassed"), "Whole 'whole"),
    "convolutional": (fully_convolutional, "GlobalAveragePooling2D"),
    "softcapped": (
        lambda: ends_in(layers.Dense(3), OfEachRow(lambda z: 30 * ops.tanh(z / 30)), layers.Softmax()),
        "OfEachRow",
    ),
    "a temperature": (lambda: ends_in(layers.Dense(3), layers.Rescaling(0.5), layers.Softmax()), "Rescaling"),
    "a temperature for each row": (temperature_of_rows, "Divide"),
    "a layer that is more": (
        lambda: ends_in(WithMore(3, activation="softmax")),
        "WithMore",
    ),
    "one output for each step": (
        lambda: keras.Sequential([keras.Input((5, 4)), layers.Dense(3, "softmax")]),
        r"output of shape \(rows, 5, 3\)",
    ),
    "no layer": (lambda: keras.Sequential([keras.Input((4,)), layers.Softmax()]), "its input"),
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_other_ends_are_said(how):
    make, received = OTHERWISE[how]
    model = make()
    x = np.zeros((2, *(model.inputs[0].shape[1:] if getattr(model, "inputs", None) else (4,))))
    before = snapshot(model)
    with pytest.raises(ModelError, match=rf"features .* cannot be read.*ends in a Dense layer.*{received}"):
        features_of(model, x)
    assert snapshot(model) == before


def test_a_quantized_layer_is_said():
    model = ends_in(layers.Dense(3, activation="softmax"))
    model.layers[-1].quantize("int8")
    with pytest.raises(ModelError, match="quantized to int8"):
        features_of(model, np.zeros((2, 4)))


def test_what_cannot_be_used():
    model = build("sequential")
    with pytest.raises(InputError, match="in row 1"):
        features_of(model, np.array([[0.0] * 4, [np.nan] * 4]))
    with pytest.raises(InputError, match="shape"):
        features_of(model, np.zeros((2, 7)))
    adapter, _ = adapt(model, np.zeros((2, 4)), gaussian_noise=False)
    of_adapter = features_of(adapter, np.ones((2, 4)))
    np.testing.assert_array_equal(of_adapter.logits, features_of(model, np.ones((2, 4))).logits)
    model.layers[-1].set_weights([np.full(w.shape, np.nan) for w in model.layers[-1].get_weights()])
    with pytest.raises(ModelError, match=r"The logits of model .* NaN or infinite in 2 rows: 0, 1"):
        features_of(model, np.zeros((2, 4)))
