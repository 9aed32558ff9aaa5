"""Features are what the last layer gets, logits what it makes of them; everything as in `predict`."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import howsure
from howsure.errors import InputError, ModelError
from howsure.judge.familiarity import familiarity
from howsure.models.features import features_of
from howsure.models.fingerprint import fingerprint_of
from howsure.models.keras import features as keras_features
from howsure.models.keras.model import adapt
from tests.sampling.enumerated import softmax

from .networks import ARCHITECTURES, build, rows_for
from .test_invariances import same, snapshot

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
    found = features_of(model, x)
    same(before, snapshot(model))
    expected = predicted(keras.Model(structure_of(model), last.input), x)
    np.testing.assert_allclose(found.features, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.logits, by_numpy(found.features, last), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(softmax(found.logits), predicted(model, x), rtol=1e-4, atol=1e-6)
    assert found.features.dtype == found.logits.dtype == np.float32
    assert found.features.std() > 0


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
    "linear": lambda: ends_in(layers.Dense(3)),
    "no bias": lambda: ends_in(layers.Dense(3, use_bias=False, activation="softmax")),
    "log softmax": lambda: ends_in(layers.Dense(3, "log_softmax")),
    "sigmoid": lambda: ends_in(layers.Dense(1, "sigmoid")),
    "activation layer": lambda: ends_in(layers.Dense(3), layers.Activation("softmax")),
    "softmax layer": lambda: ends_in(layers.Dense(3), layers.Softmax()),
    "operation": with_an_operation,
    "nested": nested,
    "lora": lora,
}


@pytest.mark.parametrize("end", ENDS)
def test_ways_to_end(end):
    keras.utils.set_random_seed(1)
    model = ENDS[end]()
    x = rows_for(model, rows=5)
    found = features_of(model, x)
    flat = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Dense)]
    last = next(layer for layer in flat if layer.kernel.shape[0] == 6)
    np.testing.assert_allclose(found.logits, by_numpy(found.features, last), rtol=1e-4, atol=1e-5)
    output = predicted(model, x)
    if end == "sigmoid":
        np.testing.assert_allclose(1 / (1 + np.exp(-found.logits)), output, rtol=1e-4)
    elif end in ("linear", "log softmax"):
        np.testing.assert_allclose(softmax(found.logits), softmax(output), rtol=1e-4)
    else:
        np.testing.assert_allclose(softmax(found.logits), output, rtol=1e-4)


@keras.saving.register_keras_serializable("tests")
class Temperature(layers.Layer):
    """Divides by what it learns."""

    def build(self, shape):
        self.t = self.add_weight(shape=(), initializer=keras.initializers.Constant(2.5))

    def call(self, inputs):
        return inputs / self.t


def with_operations(rescale):
    x = keras.Input((4,))
    logits = layers.Dense(3)(layers.Dense(6, "tanh")(x))
    return keras.Model(x, layers.Softmax()(rescale(logits)))


RESCALED = {
    "divided": lambda: with_operations(lambda z: z / 1.5),
    "multiplied and shifted": lambda: with_operations(lambda z: 0.4 * z + np.float32([0.1, 0.2, -0.3])),
    "rescaling": lambda: ends_in(layers.Dense(3), layers.Rescaling(0.5), layers.Softmax()),
    "learnt": lambda: ends_in(layers.Dense(3), Temperature(), layers.Softmax()),
    "learnt, without an activation": lambda: ends_in(layers.Dense(3), Temperature()),
    "one sigmoid": lambda: ends_in(layers.Dense(1), Temperature(), layers.Activation("sigmoid")),
    "twice, beside a norm": lambda: ends_in(
        layers.Dense(3), layers.Rescaling(0.5), layers.BatchNormalization(), Temperature(), layers.Softmax()
    ),
    "dropped logits": lambda: ends_in(layers.Dense(3), layers.Dropout(0.2), layers.Softmax()),
    "in sixteen bits": lambda: ends_in(
        layers.Dense(3, dtype="mixed_bfloat16"), layers.Rescaling(0.5), layers.Softmax(dtype="float32")
    ),
}


@pytest.mark.parametrize("how", RESCALED)
def test_logits_are_those_that_the_model_uses(how):
    """Temperature and shift belong to the last layer: logits are (W h + b) / T."""
    model = RESCALED[how]()
    x = rows_for(model, rows=40)
    before = snapshot(model)
    found = features_of(model, x)
    same(before, snapshot(model))
    activation = {1: lambda z: 1 / (1 + np.exp(-z))}.get(found.logits.shape[1], softmax)
    if isinstance(model.layers[-1], Temperature):
        activation = np.asarray
    tolerance = 0.02 if "bits" in how else 1e-5
    np.testing.assert_allclose(activation(found.logits), predicted(model, x), atol=tolerance)
    ones = np.hstack([found.features, np.ones((40, 1))])
    weights, *_ = np.linalg.lstsq(ones, found.logits)
    np.testing.assert_allclose(ones @ weights, found.logits, atol=tolerance)
    if "bits" not in how:
        labels = np.arange(40) % max(2, found.logits.shape[1])
        method = howsure.LastLayerLaplace.fit(model, x, labels)
        outputs = "logits" if activation is np.asarray else None
        howsure.assess(model, x, method=method, outputs=outputs)


class WithConfig(layers.Layer):
    def __init__(self, make, factor):
        super().__init__()
        self.make, self.factor = make, factor

    def call(self, inputs):
        return self.make(inputs) * self.factor

    def get_config(self):
        return {**super().get_config(), "make": self.make, "factor": self.factor}


def test_the_settings_of_a_users_layer_count_as_far_as_they_are_numbers():
    found = set()
    for make, factor in ((ops.negative, 2.0), (ops.abs, 2.0), (ops.negative, 3.0)):
        keras.utils.set_random_seed(3)
        model = ends_in(layers.Dense(3), WithConfig(make, factor), layers.Softmax())
        x = rows_for(model, rows=9)
        found.add(fingerprint_of(adapt(model, x, gaussian_noise=False)[0]))
        model.trainable = False
        found.add(fingerprint_of(adapt(model, x, gaussian_noise=False)[0]))
    assert len(found) == 2


def test_another_temperature_is_another_model():
    x, labels = np.random.default_rng(0).normal(size=(40, 4)).astype("float32"), np.arange(40) % 3
    for make in (lambda t: layers.Rescaling(1 / t), lambda t: lambda z: z / t):
        one, other = (with_operations(make(t)) for t in (1.5, 2.0))
        other.set_weights(one.get_weights())
        method = howsure.LastLayerLaplace.fit(one, x, labels)
        howsure.assess(one, x, method=method)
        with pytest.raises(InputError, match="another model, or this one before"):
            howsure.assess(other, x, method=method)


def test_half_precision():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, "tanh", dtype="mixed_bfloat16"),
            layers.Dense(3, dtype="mixed_bfloat16"),
            layers.Activation("softmax", dtype="float32"),
        ]
    )
    x = rows_for(model)
    found = features_of(model, x)
    np.testing.assert_allclose(found.logits, by_numpy(found.features, model.layers[-2]), atol=0.05)
    np.testing.assert_allclose(softmax(found.logits), predicted(model, x), atol=0.01)


def test_a_cast_before_the_last_activation():
    x = keras.Input((4,))
    dense = layers.Dense(3, dtype="mixed_bfloat16")
    model = keras.Model(x, layers.Softmax()(keras.ops.cast(dense(x), "float32")))
    x = rows_for(model)
    np.testing.assert_allclose(softmax(features_of(model, x).logits), predicted(model, x), atol=0.01)


# --- what must not matter ---------------------------------------------------------------------


def test_batch_size_order_and_company_do_not_matter():
    model = build("sequential")
    x = rows_for(model, rows=40)
    whole = features_of(model, x)
    for size in (1, 7, 64):
        other = features_of(model, x, batch_size=size)
        np.testing.assert_allclose(other.features, whole.features, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(other.logits, whole.logits, rtol=1e-5, atol=1e-6)
    turned = features_of(model, x[::-1].astype(float).tolist())
    np.testing.assert_allclose(turned.features[::-1], whole.features, rtol=1e-5, atol=1e-6)


def test_no_rows_and_a_fixed_number_of_rows():
    none = features_of(build("sequential"), np.zeros((0, 4)))
    assert (none.features.shape, none.logits.shape) == ((0, 5), (0, 3))
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


def test_assessing_goes_on_as_before():
    model, other = build("sequential"), build("sequential")
    x, method = rows_for(model), howsure.MCDropout(passes=12)
    features_of(model, x)
    a, b = (howsure.assess(each, x, method=method) for each in (model, other))
    np.testing.assert_allclose(a.probabilities, b.probabilities, atol=3e-6)


# In `fit` Keras asks JAX 0.12 for the whole numbers of the labels as they are, and JAX has int32 alone.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64 requested in ShapeDtypeStruct")
def test_noise_is_unfamiliar_to_a_trained_model():
    """Three clouds of points, learned; then points where no cloud is, which the softmax is sure of."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, size=1500)
    x = (4 * np.eye(3, 4)[labels] + random.normal(size=(1500, 4))).astype("float32")
    keras.utils.set_random_seed(2)
    model = ends_in(layers.Dense(3, "softmax"))
    model.compile(keras.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy")
    model.fit(x[:1000], labels[:1000], epochs=5, batch_size=50, verbose=0)
    train, held_out, new = (features_of(model, x[part]) for part in np.split(np.arange(1500), [1000, 1250]))
    strange = features_of(model, random.normal(size=(100, 4)) - [9, 9, 9, 0])
    for score in ("density", "mahalanobis", "neighbours"):
        known = familiarity(train, labels[:1000], held_out, score=score, share=0.02)
        assert known.unfamiliar(new).mean() < 0.08
        assert known.unfamiliar(strange).mean() > 0.9


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
    "rectified": (lambda: ends_in(layers.Dense(3), layers.ReLU(), layers.Softmax()), "ReLU"),
    "of length one": (lambda: ends_in(layers.Dense(3), layers.UnitNormalization()), "UnitNormalization"),
    "rescaled probabilities": (
        lambda: ends_in(layers.Dense(3, "softmax"), layers.Rescaling(0.5)),
        "Rescaling",
    ),
    "a temperature for each row": (temperature_of_rows, "Divide"),
    "a layer that is more": (
        lambda: ends_in(WithMore(3, activation="softmax")),
        "WithMore .*call of its own",
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
    same(before, snapshot(model))


def test_a_quantized_layer_is_said():
    model = ends_in(layers.Dense(3, activation="softmax"))
    model.layers[-1].quantize("int8")
    with pytest.raises(ModelError, match="quantized to int8"):
        features_of(model, np.zeros((2, 4)))


def test_what_cannot_be_used():
    model = build("sequential")
    for size in (0, 1.5, True, None):
        with pytest.raises(InputError, match="`batch_size` cannot be used"):
            features_of(model, np.zeros((2, 4)), batch_size=size)
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
