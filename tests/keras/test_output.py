"""One of several outputs of a model, by name or place, is as a model that has no other."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.models.keras.model import adapt

x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def heads():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = layers.Dropout(0.3, name="shared")(layers.Dense(16, "relu")(inputs))
    price = layers.Dense(1, name="price")(layers.Dropout(0.5, name="other")(hidden))
    kind = layers.Dense(3, "softmax", name="kind")(hidden)
    return inputs, price, kind


@pytest.mark.parametrize("method", [None, howsure.Softmax(), howsure.MCDropout(passes=8)])
def test_it_is_as_if_there_were_no_other(heads, method):
    inputs, price, kind = heads
    wanted = howsure.assess(keras.Model(inputs, kind), x, method=method)
    listed, named = keras.Model(inputs, [price, kind]), keras.Model(inputs, {"z": price, "a": kind})
    listed.compile("adam", ["mse", "categorical_crossentropy"])
    for model, output in ((listed, "kind"), (listed, 1), (listed, np.int64(1)), (named, "a"), (named, 0)):
        found = howsure.assess(model, x, method=method, output=output)
        np.testing.assert_array_equal(found.probabilities, wanted.probabilities)
    with pytest.raises(howsure.ModelError, match=r"2 outputs.*output=0"):
        howsure.assess(listed, x, method=method)


def test_a_plan_is_that_of_the_one_output(heads):
    inputs, price, kind = heads
    both = keras.Model(inputs, [price, kind])
    plan = howsure.plan(both, x, output="kind")
    assert plan == howsure.plan(keras.Model(inputs, kind), x)
    method = howsure.MCDropout(plan=plan)
    assert len(howsure.assess(both, x, method=method, output="kind")) == 40


@pytest.mark.parametrize("output", ["x", 2, -1, True, 1.0, ["kind"]])
def test_outputs_that_are_not_there(heads, output):
    inputs, price, kind = heads
    said = "has no output .*'price', 'kind'" if output in ("x", 2) else "`output` cannot be used"
    with pytest.raises(howsure.InputError, match=said):
        howsure.assess(keras.Model(inputs, [price, kind]), x, output=output)


def ending(end, last="softmax"):
    x = keras.Input((4, 4, 2))
    y = layers.Conv2D(3, 1, activation=last)(layers.Dropout(0.3)(x))
    rows = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)
    return adapt(keras.Model(x, end(y)), rows, gaussian_noise=False)[0].info.ending


@pytest.mark.parametrize(
    ("end", "last", "expected"),
    [
        (layers.Softmax(3), "linear", "softmax"),
        (layers.Softmax(1), "linear", "softmax over another axis"),
        (lambda y: keras.ops.softmax(y, axis=2), "linear", "softmax over another axis"),
        (layers.UpSampling2D(interpolation="bilinear"), "softmax", "softmax"),
        (layers.Cropping2D(1), "linear", "linear"),
        (layers.Reshape((16, 3)), "softmax", "softmax"),
        (layers.Reshape((4, 12)), "softmax", "a Reshape layer"),
        (layers.ZeroPadding2D(1), "softmax", "a ZeroPadding2D layer"),
        (layers.TimeDistributed(layers.Dense(3, activation="softmax")), "relu", "softmax"),
    ],
)
def test_what_is_laid_out_otherwise_still_ends_in_its_activation(end, last, expected):
    assert ending(end, last) == expected
