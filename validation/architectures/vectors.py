"""Networks of vectors, and of types of numbers."""

from __future__ import annotations

import keras
from keras import layers, ops

from validation.architectures.core import Model, add, classes, stack
from validation.architectures.written import (
    Branching,
    DropConnect,
    DropPathOfABatch,
    Forced,
    ForcedDropout,
    FunctionalDropout,
    MaskedByHand,
    OwnRandomNumbers,
)


@add()
def dense(on: float) -> Model:
    """Dense layers, Dropout, BatchNormalization."""
    norm = layers.BatchNormalization()
    drops = layers.Dropout(0.4 * on), layers.Dropout(0.2 * on)
    return stack((5,), layers.Dense(8, "relu"), drops[0], norm, layers.Dense(6, "relu"), drops[1])


@add()
def always_on(on: float) -> Model:
    """Dropout called with training=True, always on."""
    x = keras.Input((5,))
    return keras.Model(x, classes(layers.Dropout(0.4 * on)(layers.Dense(8, "relu")(x), training=True)))


@add("a hundred notebooks; A. Géron, Hands-On ML, ch. 11")
def forced_subclass(on: float) -> Model:
    """A subclass of Dropout that forces training=True."""
    return stack((5,), layers.Dense(8, "relu"), ForcedDropout(0.4 * on))


@add()
def if_training(on: float) -> Model:
    """A subclassed model with `if training`."""
    return Branching(on)


@add()
def forced_model(on: float) -> Model:
    """A subclassed model that forces training=True."""
    return Forced(on)


@add()
def functional_dropout(on: float) -> Model:
    """`keras.random.dropout` in a layer's call."""
    return stack((5,), layers.Dense(8, "relu"), FunctionalDropout(0.4 * on))


@add()
def masked_by_hand(on: float) -> Model:
    """Uniform numbers compared with a rate."""
    return stack((5,), layers.Dense(8, "relu"), MaskedByHand(0.4 * on))


@add("Wan and others 2013", one_draw=True)
def drop_connect(on: float) -> Model:
    """DropConnect: entries of a kernel dropped."""
    return stack((5,), DropConnect(8, 0.4 * on))


@add()
def own_random_numbers(on: float) -> Model:
    """A layer that draws random numbers with the backend's own functions."""
    return stack((5,), layers.Dense(8, "relu"), OwnRandomNumbers(0.4 * on))


@add()
def other_noises(on: float) -> Model:
    """AlphaDropout, GaussianDropout."""
    steps = layers.Dense(8, "selu"), layers.AlphaDropout(0.2 * on), layers.GaussianDropout(0.3 * on)
    return stack((5,), *steps)


@add("keras.io, transfer learning guide")
def frozen_backbone(on: float) -> Model:
    """A frozen backbone called with training=False, a head with Dropout."""
    x = keras.Input((8, 8, 3))
    steps = layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.3 * on)
    backbone = keras.Sequential([keras.Input((8, 8, 3)), *steps])
    backbone.trainable = False
    y = layers.GlobalAveragePooling2D()(backbone(x, training=False))
    return keras.Model(x, classes(layers.Dropout(0.3 * on)(y)))


@add()
def logits(on: float) -> Model:
    """Logits, compiled with a loss from logits."""
    steps = layers.Dense(8, "relu"), layers.Dropout(0.4 * on), layers.Dense(3)
    model = keras.Sequential([keras.Input((5,)), *steps])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@add()
def one_sigmoid(on: float) -> Model:
    """One sigmoid."""
    steps = layers.Dense(8, "relu"), layers.Dropout(0.4 * on), layers.Dense(1, "sigmoid")
    return keras.Sequential([keras.Input((5,)), *steps])


@add()
def float16(on: float) -> Model:
    """Mixed_float16, the softmax in 16 bits."""
    of = {"dtype": "mixed_float16"}
    steps = layers.Dense(8, "relu", **of), layers.Dropout(0.4 * on, **of), layers.Dense(3, "softmax", **of)
    return keras.Sequential([keras.Input((5,)), *steps])


@add(finish=lambda model: model.quantize("int8"))
def int8(on: float) -> Model:
    """Quantised to int8 after training."""
    return stack((8,), layers.Dense(8, "relu"), layers.Dropout(0.4 * on))


@add(one_draw=True)
def drop_path_of_a_batch(on: float) -> Model:
    """Stochastic depth with one draw for a batch."""
    x = keras.Input((5,))
    y = layers.Dense(6, "relu")(x)
    return keras.Model(x, classes(y + DropPathOfABatch(0.4 * on)(layers.Dense(6, "tanh")(y))))


@add()
def autoencoder_head(on: float) -> Model:
    """An autoencoder's bottleneck as a classifier's input."""
    x = keras.Input((12,))
    code = layers.Dense(4, "relu", name="code")(layers.Dropout(0.2 * on)(layers.Dense(8, "relu")(x)))
    autoencoder = keras.Model(x, layers.Dense(12)(layers.Dense(8, "relu")(code)))
    encoder = keras.Model(autoencoder.input, autoencoder.get_layer("code").output)
    new = keras.Input((12,))
    return keras.Model(new, classes(layers.Dropout(0.3 * on)(encoder(new))))


@add("keras.io, image similarity with a Siamese network")
def siamese(on: float) -> Model:
    """Siamese: one encoder for two inputs."""
    encoder = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6, "relu"), layers.Dropout(0.3 * on), layers.Dense(4)]
    )
    a, b = keras.Input((6,), name="first"), keras.Input((6,), name="second")
    distance = ops.sum(ops.square(encoder(a) - encoder(b)), axis=-1, keepdims=True)
    return keras.Model([a, b], layers.Dense(1, "sigmoid")(layers.BatchNormalization()(distance)))
