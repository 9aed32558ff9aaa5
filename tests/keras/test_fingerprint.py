"""What was fitted to one model is refused with another one, and with the same one after more training."""

import keras
import numpy as np
from keras import layers

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
