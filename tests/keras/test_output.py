"""One of several outputs of a model, by name or place, is as a model that has no other."""

import keras
import numpy as np
import pytest
from keras import layers

from howsure.adapters.keras.model import adapt

x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


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
