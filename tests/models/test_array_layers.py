"""What cannot be part of a network is refused, with what would be."""

import numpy as np
import pytest

from howsure.data.rows import InputSpec
from howsure.errors import ModelError
from howsure.sites import ALPHA_DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE
from tests.support.arrays import Add, ArrayModel, Dense, Dropout, Network

TWO_BY_THREE = Dense(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Dense(np.ones(3)),
            r"Expected: weights \(F, K\) and bias \(K,\)\. Received: \[\(3,\), \(\)\]",
        ),
        (lambda: Dense(np.ones((2, 3)), np.ones(2)), r"Received: \[\(2, 3\), \(2,\)\]"),
        (lambda: Dense(np.ones((2, 3)), activation="gelu"), "Expected: linear, relu, .*Received: 'gelu'"),
        (lambda: Dropout(0.5, "droput"), "Expected: dropout, alpha dropout, .*Received: 'droput'"),
        (lambda: Dropout(-0.1), "The rate of dropout cannot be used. Expected: a number from 0 to 1"),
        (lambda: Dropout(1.1), "Received: 1.1"),
        (lambda: Dropout(float("nan")), "Received: nan"),
        (lambda: Dropout(1.0, ALPHA_DROPOUT), "from 0 to 0.999"),
        (lambda: Dropout(1.0, GAUSSIAN_DROPOUT), "from 0 to 0.999"),
        (lambda: Dropout(-1.0, GAUSSIAN_NOISE), "from 0 to inf"),
    ],
)
def test_layers(make, message):
    with pytest.raises(ModelError, match=message):
        make()


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({}, "A network cannot be used. Expected: 1 inputs and at least one step"),
        ({"output": (TWO_BY_THREE, "y")}, "Step 'output' cannot be used.*read some of x. Received: y"),
        ({"output": (TWO_BY_THREE,)}, "Received: nothing"),
        ({"x": (TWO_BY_THREE, "x")}, "Step 'x' cannot be used. Expected: a name of its own"),
        ({"output": (TWO_BY_THREE, "late"), "late": (TWO_BY_THREE, "x")}, "Received: late"),
        ({"output": (Dense(np.ones((3, 2))), "x")}, r"values that Dense can take. Received: \(\(2,\),\)"),
        ({"output": (TWO_BY_THREE, "x", "x")}, r"values that Dense can take. Received: \(\(2,\), \(2,\)\)"),
        ({"wide": (TWO_BY_THREE, "x"), "sum": (Add(), "wide", "x")}, "values that Add can take"),
        ({"drop": (Dropout(0.5, mask_shape=(3,)), "x")}, "values that Dropout can take"),
        (
            {"wide": (TWO_BY_THREE, "x"), "drop": (Dropout(0.5, mask_shape=(2,)), "wide")},
            "values that Dropout can take",
        ),
        ({"drop": (Dropout(0.5, mask_shape=(1, 2)), "x")}, "values that Dropout can take"),
        ({"inner": (Network(("a", "b"), {"sum": (Add(), "a", "b")}), "x")}, "'inner/'.*Expected: 2 inputs"),
        ({"inner": (Network(("a",), {"sum": (Add(), "x")}), "x")}, "Step 'inner/sum'.*read some of a"),
    ],
)
def test_steps(steps, message):
    with pytest.raises(ModelError, match=message):
        ArrayModel("n", (InputSpec("x", (2,), "float32"),), steps)


def test_a_nested_network_may_end_in_a_nested_network():
    inmost = Network(("a", "b"), {"sum": (Add(), "a", "b")})
    inner = Network(("h",), {"double": (inmost, "h", "h")})
    steps = {"inner": (inner, "x"), "output": (inmost, "inner", "x")}
    model = ArrayModel("n", (InputSpec("x", (2,), "float32"),), steps)
    assert [layer.name for layer in model.info.layers] == ["inner/double/sum", "output/sum"]
    np.testing.assert_array_equal(model.predict([np.float32([[1, 2]])]), [[3, 6]])
