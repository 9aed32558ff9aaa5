"""Networks and their weights are the same on every backend, and as modules of PyTorch."""

import keras
import numpy as np
import pytest

import howsure
from howsure.adapters.fingerprint import digest
from howsure.adapters.keras import weights_of

layers = keras.layers


def test_a_network_gives_the_same_in_both(random):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn = torch.nn
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
    weights = [parameter.detach().numpy() for parameter in module.parameters()]
    model.set_weights([array.T if array.ndim == 2 else array for array in weights])
    x = random.normal(size=(9, 8)).astype("float32")
    for method in (howsure.Softmax(), howsure.MCDropout(passes=40)):
        ours, theirs = (howsure.assess(network, x, method=method) for network in (module, model))
        assert np.max(np.abs(ours.probabilities - theirs.probabilities)) < 1e-5
        assert np.max(np.abs(ours.mc_error - theirs.mc_error)) < 1e-5


def test_the_digest_of_weights_is_the_same_on_every_backend():
    x = keras.Input((4,))
    both = layers.Add()([layers.Dense(6, "relu")(x), layers.Dense(6, "tanh")(x)])
    hidden = layers.Dropout(0.4)(layers.BatchNormalization()(both))
    model = keras.Model(x, layers.Dense(3, "softmax")(hidden))
    model.set_weights(
        [np.arange(np.prod(array.shape), dtype="float32").reshape(array.shape) for array in model.weights]
    )
    assert digest(weights_of([model])) == ("36fca04b0eae6f26457d09634b3d69c1edb23baf6138fe13289f047ca31de4a6")
    half = keras.Sequential([keras.Input((2,)), layers.Dense(2, dtype="bfloat16")])
    half.set_weights([np.array([[1, 2], [3, 4]]), np.array([0.5, 0.25])])
    assert digest(weights_of([half])) == ("c8f5f9c3129af9a00a67e3572a1d98b21ad082a0514783419f9e28b53864cdfe")
