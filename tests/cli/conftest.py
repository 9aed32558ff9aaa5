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
