"""Everything in this folder runs once per backend: KERAS_BACKEND=jax|tensorflow|torch pytest tests/keras."""

import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest

# Files, messages, losses, and what the layers of Keras draw are the same on every backend, and PyTorch is
# the fastest. Keras writes graphs of maps fastest on TensorFlow. JAX compiles slowly, and little of the
# adapter is its own.
# EVERY_TEST=1 runs all of them on every backend.
ON_TORCH = [
    "bad_input",
    "draws",
    "features",
    "hostile_files",
    "keras_files",
    "other_files",
    "others_mistakes",
    "regression",
]
ON_TENSORFLOW = ["positions_export"]
SLOW_ON_JAX = [
    "bfloat16",
    "draws_without_masks",
    "invariances",
    "output",
    "sizes",
    "sources",
    "split",
    "taggers",
]
ELSEWHERE = {
    "torch": ON_TENSORFLOW,
    "tensorflow": ON_TORCH,
    "jax": ON_TORCH + ON_TENSORFLOW + SLOW_ON_JAX,
}
if "EVERY_TEST" not in os.environ:
    collect_ignore = [f"test_{name}.py" for name in ELSEWHERE[keras.backend.backend()]]

if keras.backend.backend() == "jax":
    import jax

    # Tests make the same small networks again, and JAX would compile each again.
    COMPILED = tempfile.TemporaryDirectory()
    jax.config.update("jax_compilation_cache_dir", COMPILED.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


@pytest.fixture(autouse=True)
def seeded():
    """The networks of a test are the same wherever and whenever it runs."""
    keras.utils.set_random_seed(7)
