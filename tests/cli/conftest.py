"""What tests of the command line share."""

import pytest


@pytest.fixture
def backend(monkeypatch):
    """The backend of this test run, and no change to the environment left behind."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(autouse=True)
def no_lines_of_progress(monkeypatch):
    """What a command says does not depend on how fast the machine is."""
    monkeypatch.setattr("howsure.terminal.SECONDS_BETWEEN_LINES", 3600.0)


@pytest.fixture(scope="session")
def network_of(tmp_path_factory):
    """Saves a network of Keras with three classes for rows of a shape."""
    keras = pytest.importorskip("keras", reason="Keras is not installed")

    def save(*shape):
        keras.utils.set_random_seed(3)
        layers = [
            keras.layers.Flatten(),
            keras.layers.Dense(12, activation="relu"),
            keras.layers.Dropout(0.5),
        ]
        path = tmp_path_factory.mktemp("model") / "flowers.keras"
        last = keras.layers.Dense(3, activation="softmax")
        keras.Sequential([keras.Input(shape), *layers, last], name="flowers").save(path)
        return path

    return save
