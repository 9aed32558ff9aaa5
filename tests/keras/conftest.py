"""Everything in this folder runs once per backend: KERAS_BACKEND=jax|tensorflow|torch pytest tests/keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

# Files and messages are the same on every backend; PyTorch is the fastest.
if keras.backend.backend() != "torch":
    collect_ignore = ["test_bad_input.py", "test_compare.py", "test_keras_files.py", "test_old_files.py"]


@pytest.fixture(autouse=True)
def seeded():
    """The networks of a test are the same wherever and whenever it runs."""
    keras.utils.set_random_seed(7)


@pytest.fixture
def random():
    return np.random.default_rng(7)
