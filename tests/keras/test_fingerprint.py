"""What was fitted to one model is refused with another one, and with the same one after more training."""

import keras
import numpy as np
from keras import layers

from howsure.models.fingerprint import digest
from howsure.models.keras import weights_of
from tests import fitted

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")


def network():
    x = keras.Input((4,))
    both = layers.Add()([layers.Dense(6, "relu")(x), layers.Dense(6, "tanh")(x)])
    hidden = layers.Dropout(0.4)(layers.BatchNormalization()(both))
    model = keras.Model(x, layers.Dense(3, "softmax")(hidden))
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    return model


def trained(model):
    """A copy after one small step of training."""
    again = copied(model)
    again.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    again.train_on_batch(X, np.int32(np.arange(60) % 3))
    return again


def copied(model):
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    return again


def frozen(model):
    again = copied(model)
    again.trainable = False
    return again


def saved(model, folder):
    model.save(folder / "model.keras")
    yield keras.models.load_model(folder / "model.keras")
    model.save_weights(folder / "all.weights.h5")
    again = network()
    again.load_weights(folder / "all.weights.h5")
    yield again


@fitted.each_fit
def test_it_serves_no_other_model(what, tmp_path):
    fitted.check(
        what,
        network(),
        lambda model: [copied(model), frozen(model), *saved(model, tmp_path)],
        lambda model: [trained(model), network()],
        X,
    )


def test_it_is_the_same_on_every_backend():
    model = network()
    model.set_weights(
        [np.arange(np.prod(each.shape), dtype="float32").reshape(each.shape) for each in model.weights]
    )
    assert digest(weights_of([model])) == ("36fca04b0eae6f26457d09634b3d69c1edb23baf6138fe13289f047ca31de4a6")
    half = keras.Sequential([keras.Input((2,)), layers.Dense(2, dtype="bfloat16")])
    half.set_weights([np.array([[1, 2], [3, 4]]), np.array([0.5, 0.25])])
    assert digest(weights_of([half])) == ("c8f5f9c3129af9a00a67e3572a1d98b21ad082a0514783419f9e28b53864cdfe")
