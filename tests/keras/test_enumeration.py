"""A network with 9 dropout units behind the seam: every thinned network is enumerated.

What no framework can break, `tests/sampling/test_enumeration.py` shows of more networks in numpy.
"""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from tests.sampling.enumerated import assess_with_seeds, check, check_split, exact, relu, softmax


def affine(layer, x):
    kernel, bias = (keras.ops.convert_to_numpy(weight).astype(np.float64) for weight in layer.weights)
    return x @ kernel + bias


@pytest.fixture
def network(random):
    """A model, rows, and the exact mean, its entropy and the expected entropy."""
    one, two, last = layers.Dense(4, "relu"), layers.Dense(5, "relu"), layers.Dense(3, "softmax")
    model = keras.Sequential([keras.Input((3,)), one, layers.Dropout(0.25), two, layers.Dropout(0.4), last])
    for weight in model.weights:
        weight.assign(random.normal(0, 0.9, weight.shape))

    def forward(x, masks):
        h = relu(affine(one, x)) * masks[0]
        return softmax(affine(last, relu(affine(two, h)) * masks[1]))

    x = random.normal(size=(6, 3)).astype("float32")
    return model, x, exact(forward, [(4, 0.25), (5, 0.4)], x)


def test_flat_passes_agree_with_enumeration(network):
    model, x, truth = network
    check(assess_with_seeds(model, x, howsure.MCDropout(passes=400)), *truth)


def test_split_passes_agree_with_enumeration(network):
    """Many late masks for each early one, in one cell alone and in whole groups of cells."""
    model, x, truth = network
    check_split(model, x, (1, 16), truth)
