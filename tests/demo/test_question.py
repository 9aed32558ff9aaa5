from types import SimpleNamespace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")

from howsure.demo import run as question  # noqa: E402  # needs keras


@pytest.fixture
def stripes():
    """300 images of two kinds, told apart by where the ink is."""
    labels = np.arange(300, dtype=np.uint8) % 2
    images = np.random.default_rng(0).integers(0, 60, (300, 28, 28), dtype=np.uint8)
    images[labels == 0, 5:9] = 250
    images[labels == 1, 19:23] = 250
    return images, labels


def small():
    """As the question's network from outside; how long training goes on is no matter of its size."""
    return keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    )


def test_the_network_is_the_questions():
    model = question.build()
    kinds = [(type(layer).__name__, getattr(layer, "rate", None)) for layer in model.layers]
    assert kinds == [
        ("Conv2D", None),
        ("Dropout", 0.20),
        ("Conv2D", None),
        ("Dropout", 0.20),
        ("Flatten", None),
        ("Dense", None),
        ("Dropout", 0.25),
        ("Dense", None),
    ]
    # 7·7·128 + 128, 3·3·128·64 + 64, 20·20·64·64 + 64, 64·10 + 10
    assert model.count_params() == 6_400 + 73_792 + 1_638_464 + 650


def test_epochs_are_counted_and_the_network_learns(stripes):
    model, seen = question.build(), []
    question.train(model, *stripes, seconds=None, epochs=2, on_batch=lambda *now: seen.append(now))
    done, epochs, _ = np.transpose(seen)
    np.testing.assert_allclose(epochs, [1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    np.testing.assert_allclose(done, epochs / 2)
    predicted = model.predict(question.to_input(stripes[0]), verbose=0).argmax(axis=1)
    assert np.mean(predicted == stripes[1]) > 0.95


def test_time_ends_the_training_in_the_middle_of_an_epoch(stripes, monkeypatch):
    """A second passes whenever the training looks at the clock."""
    clock, seen = iter(range(1000)), []
    monkeypatch.setattr(question, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    question.train(small(), *stripes, seconds=4, epochs=30, on_batch=lambda *now: seen.append(now))
    assert [round(3 * epochs) for _, epochs, _ in seen] == [1, 2, 3, 4]
    assert seen[-1][0] == 1
