"""Everything in this folder runs once per backend: KERAS_BACKEND=jax|tensorflow|torch pytest tests/keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

# Files and messages are the same on every backend, and PyTorch is the fastest. JAX compiles slowly, and
# little of the adapter is its own. `make arithmetics` and `make oldest` run all of them on every backend.
ONCE = ["test_bad_input.py", "test_compare.py", "test_keras_files.py", "test_old_files.py"]
SLOW_ON_JAX = [
    "draws",
    "features",
    "keep_off",
    "kept",
    "methods",
    "positions_export",
    "sizes",
    "split",
    "taggers",
]
NOT_ON_JAX = ONCE + [f"test_{name}.py" for name in SLOW_ON_JAX]
if "ALL_ON_EVERY_BACKEND" not in os.environ:
    collect_ignore = {"torch": [], "tensorflow": ONCE, "jax": NOT_ON_JAX}[keras.backend.backend()]


@pytest.fixture(autouse=True)
def seeded():
    """The networks of a test are the same wherever and whenever it runs."""
    keras.utils.set_random_seed(7)


@pytest.fixture
def random():
    return np.random.default_rng(7)
