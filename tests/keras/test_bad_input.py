"""What cannot be assessed gets one message that names the row, layer or argument; the model stays."""

import functools
from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers

import howsure

from .networks import Whole, snapshot

METHOD = howsure.MCDropout(passes=4)


def sequential(*middle, shape=(4,), outputs=3, end="softmax", name="net"):
    return keras.Sequential(
        [keras.Input(shape, name="features"), *middle, layers.Dense(outputs, end, name="out")], name=name
    )


@pytest.fixture(scope="module")
def model():
    return sequential(
        layers.Dense(5, "relu", name="hidden"), layers.BatchNormalization(), layers.Dropout(0.5)
    )


@pytest.fixture(scope="module")
def images():
    return sequential(layers.Flatten(), layers.Dropout(0.5), shape=(6, 6, 1))


def rows(count=6, *shape):
    return np.random.default_rng(0).normal(size=(count, *(shape or (4,)))).astype("float32")


def refuse(model, x, error, *messages, **arguments):
    """`assess` raises one line with all of these in it and leaves the model as it was."""
    before = snapshot(model)
    with pytest.raises(error) as raised:
        howsure.assess(model, x, **{"method": METHOD, **arguments})
    shown = str(raised.value)
    assert type(raised.value) is error
    assert len(shown.splitlines()) == 1
    for message in messages:
        assert message in shown
    assert snapshot(model) == before


# --- rows -------------------------------------------------------------------------------------


def test_rows_are_checked_as_for_any_model(model):
    """What `tests/inputs/test_rows.py` shows of all that may be wrong with them."""
    x = rows()
    x[3, 1] = np.nan
    refuse(model, x, howsure.InputError, "hold NaN or infinite values, in row 3", "Received: nan in row 3")
    refuse(model, rows()[0], howsure.InputError, "a single row without a batch axis", "(N, 4)", "`x[None]`")
    refuse(model, {"wrong": rows()}, howsure.InputError, "arrays named 'features'", "Received: 'wrong'")


def test_tokens():
    words = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )
    as_floats = howsure.assess(words, np.full((2, 3), 5.0), method=METHOD)
    as_numbers = howsure.assess(words, np.full((2, 3), 5), method=METHOD)
    np.testing.assert_array_equal(as_floats.probabilities, as_numbers.probabilities)


def test_rows_on_another_scale_are_said_aloud_where_a_normalisation_tells():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 1)).astype(np.uint8)
    for first in ((), (layers.Conv2D(8, 3, activation="relu"),)):
        norm = layers.BatchNormalization()
        more = (*first, norm, layers.Flatten(), layers.Dropout(0.5))
        model = sequential(*more, shape=(6, 6, 1))
        before = keras.Sequential([keras.Input((6, 6, 1)), *first, layers.Lambda(lambda x: x)])
        for scale, times in ((1 / 255, r"\b(2[0-9]0)"), (1.0, None)):
            seen = np.asarray(keras.ops.convert_to_numpy(before(scale * pixels.astype("float32"))))
            norm.moving_mean.assign(seen.mean(axis=(0, 1, 2)))
            norm.moving_variance.assign(seen.var(axis=(0, 1, 2)))
            howsure.assess(model, (scale * pixels).astype("float32"), method=METHOD)
            for raw in (pixels, pixels.astype("float32")) if times else ():
                message = f"look about {times} times larger than what the network.*divide them by 255"
                with pytest.warns(howsure.HowsureWarning, match=message):
                    howsure.assess(model, raw, method=METHOD)
        howsure.assess(model, pixels, method=METHOD)  # bytes are what it was trained on: no warning


def test_raw_pixels_are_said_aloud(images):
    pixels = np.full((2, 6, 6, 1), 200, np.uint8)
    pixels[0] = 3
    with pytest.warns(
        howsure.HowsureWarning, match="'features' are uint8, from 3 to 200, and nothing.*divide them by 255"
    ):
        howsure.assess(images, pixels, method=METHOD)
    howsure.assess(images, (pixels > 100).astype(np.uint8), method=METHOD)  # 0 and 1: no warning
    howsure.assess(images, pixels / 255, method=METHOD)
    rescaling = sequential(layers.Rescaling(1 / 255), layers.Flatten(), layers.Dropout(0.5), shape=(6, 6, 1))
    howsure.assess(rescaling, pixels, method=METHOD)
    for more in (layers.Normalization(mean=100.0, variance=1e4), layers.BatchNormalization()):
        howsure.assess(
            sequential(more, layers.Flatten(), layers.Dropout(0.5), shape=(6, 6, 1)), pixels, method=METHOD
        )
    x = keras.Input((6, 6, 1))
    divided = keras.Model(x, layers.Dense(3, "softmax")(layers.Dropout(0.5)(layers.Flatten()(x / 255.0))))
    howsure.assess(divided, pixels, method=METHOD)


# --- models -----------------------------------------------------------------------------------

REFUSED = {
    "no random layer": (
        lambda: sequential(layers.Dense(5, "relu", name="hidden"), name="plain"),
        [
            "Model 'plain' has no random layer that can be switched on, so all its passes would be the same.",
            "Expected: Dropout of a rate above 0",
            "Received: layers hidden, out.",
            "method=howsure.Softmax()",
            "howsure.Ensemble([…]) of networks trained from different seeds",
        ],
    ),
    "all rates 0": (
        lambda: sequential(*(kind(0.0, name=name) for name, kind in DROPPING.items())),
        ["no random layer that can be switched on", "layers plain, alpha, gaussian, out"],
    ),
    "rate 1": (
        lambda: sequential(layers.Dropout(1.0, name="all")),
        ["All passes of model 'net' are the same", "'all'"],
    ),
    "alpha of rate 1": (
        lambda: sequential(layers.AlphaDropout(1.0, name="all")),
        ["The AlphaDropout layer 'all' has rate 1", "Expected: a rate below 1", "Received: 1.0"],
    ),
    "gaussian of rate 1": (
        lambda: sequential(layers.GaussianDropout(1.0, name="all")),
        ["The GaussianDropout layer 'all' has rate 1", "Expected: a rate below 1", "Received: 1.0"],
    ),
    "noise shape that names rows": (
        lambda: sequential(layers.Dropout(0.5, noise_shape=(6, 4), name="odd")),
        ["'odd' has a noise_shape", "the first None or 1", "Received: (6, 4)"],
    ),
    "one relu": (
        lambda: sequential(layers.Dropout(0.5), outputs=1, end="relu"),
        ["does not end in a distribution", "Received: 'relu', 1 output.", "outputs='logits'"],
    ),
    "relus": (lambda: sequential(layers.Dropout(0.5), end="relu"), ["Received: 'relu', 3 outputs"]),
    "softmax of one": (
        lambda: sequential(layers.Dropout(0.5), outputs=1),
        ["A softmax over one output is always 1", "use a sigmoid, or two outputs"],
    ),
    "tanh": (lambda: sequential(layers.Dropout(0.5), outputs=2, end="tanh"), ["'tanh', 2 outputs"]),
    "softplus": (
        lambda: sequential(layers.Dropout(0.5), outputs=2, end="softplus"),
        ["'softplus', 2 outputs"],
    ),
    "dropout behind the softmax": (
        lambda: keras.Sequential([sequential(layers.Dropout(0.5)), layers.Dropout(0.5)]),
        ["distribution over classes"],
    ),
    "relu behind the softmax": (
        lambda: keras.Sequential([sequential(layers.Dropout(0.5)), layers.ReLU(0.5)]),
        ["distribution over classes"],
    ),
    "four axes of positions": (
        lambda: sequential(layers.Dropout(0.5), shape=(2, 2, 2, 2, 4)),
        ["not one distribution over classes per row", "Received: (rows, 2, 2, 2, 2, 3)"],
    ),
}
DROPPING = {"plain": layers.Dropout, "alpha": layers.AlphaDropout, "gaussian": layers.GaussianDropout}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # Keras itself warns
def test_what_cannot_be_assessed_is_refused_in_words(name):
    make, messages = REFUSED[name]
    model = make()
    refuse(model, rows(6, *model.input_shape[1:]), howsure.ModelError, *messages)
    if name == "all rates 0":
        assert howsure.audit(model).layers[0].note == "stays fixed: its rate is 0"


def test_several_outputs():
    x = keras.Input((4,))
    y = layers.Dropout(0.5)(x)
    two = keras.Model(x, [layers.Dense(3, "softmax")(y), layers.Dense(2, "softmax")(y)], name="two")
    message = ["Model 'two' has 2 outputs", "keras.Model(model.inputs, model.outputs[0])"]
    refuse(two, rows(), howsure.ModelError, *message)
    howsure.assess(keras.Model(two.inputs, two.outputs[0]), rows(), method=METHOD)  # the advice works
    with pytest.raises(howsure.ModelError, match="has 2 outputs"):
        howsure.audit(two)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Whole(name="whole"),
        lambda: keras.Sequential([layers.Dropout(0.5), layers.Dense(3, "softmax")], name="whole"),
    ],
)
def test_a_model_that_has_not_been_built(make):
    message = "Model 'whole' has not been built, so it has no weights. Expected: a trained model"
    model = make()
    for use in (lambda: howsure.assess(model, rows()), lambda: howsure.audit(model)):
        with pytest.raises(howsure.ModelError) as raised:
            use()
        assert message in str(raised.value)
    assert not model.built


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (lambda: layers.Dense(3), r"not a Keras model.*Received: keras\..*Dense"),
        (lambda: keras.Input((4,)), "not a Keras model"),
        (lambda: Whole, "not a model howsure knows"),
        (lambda: keras.optimizers.Adam(), "not a Keras model"),
    ],
)
def test_what_is_no_model(thing, message):
    for use in (lambda: howsure.assess(thing(), rows()), lambda: howsure.audit(thing())):
        with pytest.raises(howsure.ModelError, match=message):
            use()


def test_embeddings_are_refused():
    for loss in (keras.losses.Circle(), keras.losses.CosineSimilarity()):
        with pytest.raises(howsure.ModelError, match="trained for embeddings, not to tell classes apart"):
            howsure.assess(compiled(3, loss), np.ones((3, 4), "float32"))


def compiled(outputs, loss, activation=None):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.3), keras.layers.Dense(outputs, activation)]
    )
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize(
    "loss",
    [
        "binary_crossentropy",
        keras.losses.BinaryCrossentropy(from_logits=True),
        keras.losses.BinaryFocalCrossentropy(from_logits=True),
        functools.partial(keras.losses.binary_crossentropy, from_logits=True),
    ],
)
def test_several_labels_per_row_are_no_classes_that_exclude_each_other(loss):
    x = np.ones((3, 4), "float32")
    model = compiled(3, loss)
    expected = 1 / (1 + np.exp(-model.predict(x, verbose=0)))
    with (
        pytest.warns(match="took them for probabilities") if loss == "binary_crossentropy" else nullcontext()
    ):
        result = howsure.assess(model, x, method=howsure.Softmax())
    assert isinstance(result, howsure.MultilabelCertainty)
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
    assert howsure.assess(model, x, outputs="logits", method=howsure.Softmax()).probabilities.shape == (3, 3)


CONTRADICTIONS = {
    "margins": (3, "categorical_hinge", None, "its outputs are margins"),
    "linear, as probabilities": (3, "sparse_categorical_crossentropy", None, "took them for probabilities"),
    "one, as a probability": (1, "binary_crossentropy", None, "took them for probabilities"),
    "softmax, as logits": (
        3,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "softmax",
        "ends in a softmax, but its loss took its outputs for logits",
    ),
    "sigmoid, as a logit": (
        1,
        keras.losses.BinaryCrossentropy(from_logits=True),
        "sigmoid",
        "ends in a sigmoid, but its loss took its outputs for logits",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_loss_that_contradicts_what_outputs_are_read_as_is_said_aloud(name):
    outputs, loss, activation, message = CONTRADICTIONS[name]
    model, x = compiled(outputs, loss, activation), np.ones((3, 4), "float32")
    with pytest.warns(howsure.HowsureWarning, match=message):
        howsure.assess(model, x, method=howsure.Softmax())
    declared = "logits" if activation is None else "probabilities"
    howsure.assess(model, x, method=howsure.Softmax(), outputs=declared)  # warnings are errors


@pytest.mark.parametrize(
    ("outputs", "loss", "activation"),
    [
        (3, keras.losses.CategoricalCrossentropy(from_logits=True), None),
        (3, keras.losses.SparseCategoricalCrossentropy(from_logits=True), "log_softmax"),
        (3, lambda y, p: p[:, 0], "log_softmax"),
        (3, "sparse_categorical_crossentropy", "softmax"),
        (3, "mse", "softmax"),  # the Brier score
        (2, "binary_crossentropy", "softmax"),  # of two classes the same as categorical cross-entropy
        (1, "binary_crossentropy", "sigmoid"),
    ],
)
def test_a_loss_that_fits_what_outputs_are_read_as_needs_no_word(outputs, loss, activation):
    howsure.assess(compiled(outputs, loss, activation), np.ones((3, 4), "float32"), method=howsure.Softmax())


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="other backends leave the weights where they are"
)
def test_a_model_that_is_being_trained_in_another_thread():
    """On JAX Keras takes the weights out of a model until `fit` ends."""
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, errors = np.zeros((8, 4), "float32"), []

    class Asks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            with pytest.raises(howsure.ModelError) as raised:
                howsure.assess(model, x)
            errors.append(str(raised.value))

    model.fit(x, np.zeros(8), batch_size=8, verbose=0, callbacks=[Asks()])
    assert "is being trained" in errors[0]
