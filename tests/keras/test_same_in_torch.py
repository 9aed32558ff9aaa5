"""The same network as a Keras model and as a module of PyTorch gives the same numbers."""

import keras
import numpy as np
import pytest

import howsure

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def test_a_network_gives_the_same_in_both(random):
    layers, nn = keras.layers, torch.nn
    model = keras.Sequential(
        [
            *(keras.Input((8,)), layers.Dropout(0.1), layers.Dense(12, "relu"), layers.Dropout(0.25)),
            *(layers.Dense(6, "tanh"), layers.Dense(3, "softmax")),
        ]
    )
    module = nn.Sequential(
        *(nn.Dropout(0.1), nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.25)),
        *(nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 3), nn.Softmax(dim=1)),
    ).eval()
    weights = [each.detach().numpy() for each in module.parameters()]
    model.set_weights([each.T if each.ndim == 2 else each for each in weights])
    x = random.normal(size=(9, 8)).astype("float32")
    for method in (howsure.Softmax(), howsure.MCDropout(passes=40)):
        ours, theirs = (howsure.assess(each, x, method=method) for each in (module, model))
        assert np.max(np.abs(ours.probabilities - theirs.probabilities)) < 1e-5
        assert np.max(np.abs(ours.mc_error - theirs.mc_error)) < 1e-5
