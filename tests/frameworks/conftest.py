"""Both frameworks in one process: Keras on PyTorch. What depends on a backend is in `tests/keras`."""

import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(autouse=True)
def seeded():
    """The networks of a test are the same wherever and whenever it runs."""
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend here: KERAS_BACKEND=torch pytest tests/frameworks")
    keras.utils.set_random_seed(7)


@pytest.fixture(params=["keras", "torch"])
def framework(request):
    from tests.frameworks.frameworks import FRAMEWORKS

    return FRAMEWORKS[request.param]
