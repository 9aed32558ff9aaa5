"""Everything in this folder runs once per backend: KERAS_BACKEND=jax|tensorflow|torch pytest tests/keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

# Files, messages and what a method makes of a model are the same on every backend, and PyTorch is the
# fastest. What layers draw is Keras's on every backend; Keras also trains members, in processes of their
# own, and writes graphs of maps. There TensorFlow is the fastest. JAX compiles slowly, and little of the
# adapter is its own.
# `make arithmetics` and `make oldest` run all of them on every backend.
ON_TORCH = [
    "bad_input",
    "compare",
    "features",
    "hostile_files",
    "keep_off",
    "keras_files",
    "methods",
    "old_files",
]
ON_TENSORFLOW = ["draws", "members", "positions_export"]
SLOW_ON_JAX = ["invariances", "others_mistakes", "sizes", "split", "taggers"]
ELSEWHERE = {
    "torch": ON_TENSORFLOW,
    "tensorflow": ON_TORCH,
    "jax": ON_TORCH + ON_TENSORFLOW + SLOW_ON_JAX,
}
if "ALL_ON_EVERY_BACKEND" not in os.environ:
    collect_ignore = [f"test_{name}.py" for name in ELSEWHERE[keras.backend.backend()]]


@pytest.fixture(autouse=True)
def seeded():
    """The networks of a test are the same wherever and whenever it runs."""
    keras.utils.set_random_seed(7)


@pytest.fixture
def random():
    return np.random.default_rng(7)
