"""The five networks that are measured, a small one to see how time and memory grow, and two more.

Each is trained once, on tensorflow, and kept in howsure's cache folder; delete the file to train it anew.

    question      the CNN of the question howsure started from: dropout between few, heavy layers
    transfer      a ResNet50V2 with random weights, dropout only in its head, trained on what it puts out
    residual      a small residual CNN with BatchNorm and spatial dropout in every block
    transformer   a small transformer encoder with dropout everywhere, also in its attention
    mlp           two hidden layers, dropout .2 on the input and .5 after each
    stream        a tiny MLP on 16 numbers a row, made for a million rows
    classic       Keras's own example for MNIST: dropout only behind the convolutions
    everywhere    a CNN with dropout behind every layer

The last two only check error bars, and are not timed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from howsure.demo import mnist
from howsure.demo import run as question

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

HEAD_ROWS = 6_000
"""Digits the head of `transfer` is trained on."""

STREAM_ROWS, STREAM_FEATURES = 1_000_000, 16


@dataclass(frozen=True)
class Data:
    """What a network is trained on and measured on; rows are as the network takes them."""

    x_train: Floats | Bytes
    y_train: Bytes
    x_test: Floats | Bytes
    y_test: Bytes


@dataclass(frozen=True)
class Network:
    """One network: how it is built, trained and fed.

    Attributes:
        build: Makes it, untrained, from a seed.
        data: Loads its data.
        train: Trains it in place, for a number of epochs.
        epochs: Passes through the training rows.
        rows: How many of the test rows are timed.
        reference: Passes of the reference that errors are measured against; more where many of them
            share their early masks.
    """

    build: Callable[[int], keras.Model]
    data: Callable[[], Data]
    train: Callable[[keras.Model, Data, int], None]
    epochs: int
    rows: int
    reference: int


# --- data -----------------------------------------------------------------------------------------


def images() -> Data:
    """MNIST as (N, 28, 28, 1) numbers in [0, 1]."""
    digits = mnist.load()
    x_train, x_test = question.to_input(digits.x_train), question.to_input(digits.x_test)
    return Data(x_train, digits.y_train, x_test, digits.y_test)


def lines() -> Data:
    """MNIST as (N, 28, 28) numbers: an image is a sequence of 28 lines."""
    data = images()
    return Data(data.x_train[..., 0], data.y_train, data.x_test[..., 0], data.y_test)


def pixels() -> Data:
    """MNIST as (N, 784) numbers."""
    data = images()
    return Data(data.x_train.reshape(-1, 784), data.y_train, data.x_test.reshape(-1, 784), data.y_test)


def photographs() -> Data:
    """Some of MNIST as (N, 64, 64, 3) bytes: twice as large, in a black frame, in three channels."""
    digits = mnist.load()

    def enlarge(small: Bytes) -> Bytes:
        large = np.pad(small.repeat(2, axis=1).repeat(2, axis=2), ((0, 0), (4, 4), (4, 4)))
        return large[..., None].repeat(3, axis=-1)

    x_train, x_test = enlarge(digits.x_train[:HEAD_ROWS]), enlarge(digits.x_test[:2000])
    return Data(x_train, digits.y_train[:HEAD_ROWS], x_test, digits.y_test[:2000])


def clusters() -> Data:
    """Ten overlapping Gaussian clusters in `STREAM_FEATURES` dimensions."""
    x_train, y_train = draw_clusters(50_000, seed=0)
    x_test, y_test = draw_clusters(10_000, seed=1)
    return Data(x_train, y_train, x_test, y_test)


def draw_clusters(count: int, seed: int) -> tuple[Floats, Bytes]:
    """`count` rows of the clusters and where they come from."""
    centres = 0.8 * np.random.default_rng(12).standard_normal((10, STREAM_FEATURES))
    random = np.random.default_rng(seed)
    y = random.integers(0, 10, count).astype(np.uint8)
    return (centres[y] + random.standard_normal((count, STREAM_FEATURES))).astype(np.float32), y


# --- networks -------------------------------------------------------------------------------------


def build_transfer(seed: int) -> keras.Model:
    """A backbone that weighs, with random weights, and a head with dropout."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            keras.applications.ResNet50V2(
                include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg"
            ),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ],
        name="transfer",
    )


def build_residual(seed: int) -> keras.Model:
    """Three residual blocks of 16, 32 and 64 channels."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for channels, strides in ((16, 1), (32, 2), (64, 2)):
        y = layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.SpatialDropout2D(0.1)(y)
        y = layers.Conv2D(channels, 3, padding="same", use_bias=False)(y)
        y = layers.BatchNormalization()(y)
        if strides > 1:
            x = layers.Conv2D(channels, 1, strides=strides, use_bias=False)(x)
            x = layers.BatchNormalization()(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="residual")


def build_transformer(seed: int) -> keras.Model:
    """Two encoder blocks of width 64; each line of an image is a token."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((28, 28))
    # A bias of its own for each token: an embedding of what it is and where it stands.
    x = layers.EinsumDense("btd,de->bte", output_shape=(28, 64), bias_axes="te")(inputs)
    x = layers.Dropout(0.1)(x)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        y = layers.MultiHeadAttention(num_heads=4, key_dim=16, dropout=0.1)(y, y)
        x = layers.Add()([x, layers.Dropout(0.1)(y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dropout(0.1)(layers.Dense(128, activation="gelu")(y))
        x = layers.Add()([x, layers.Dropout(0.1)(layers.Dense(64)(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    x = layers.Dropout(0.1)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="transformer")


def build_mlp(seed: int) -> keras.Model:
    """784 – 512 – 512 – 10."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dropout(0.2),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        name="mlp",
    )


def build_stream(seed: int) -> keras.Model:
    """16 – 32 – 32 – 10."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((STREAM_FEATURES,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ],
        name="stream",
    )


def build_classic(seed: int) -> keras.Model:
    """As on keras.io, with one dropout more, which is there in its older version."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        name="classic",
    )


def build_everywhere(seed: int) -> keras.Model:
    """Two convolutions and a dense layer; dropout .1, .25 and .4."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(24, 5, strides=2, activation="relu"),
            layers.Dropout(0.1),
            layers.Conv2D(48, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(96, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ],
        name="everywhere",
    )


# --- training -------------------------------------------------------------------------------------


def fit(model: keras.Model, data: Data, epochs: int) -> None:
    """Train all of it with Adam."""
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=128, epochs=epochs, verbose=0)


def fit_question(model: keras.Model, data: Data, epochs: int) -> None:
    """Train as `howsure demo` does, for whole epochs."""
    question.train(model, mnist.load().x_train, data.y_train, seconds=None, epochs=epochs)


def fit_head(model: keras.Model, data: Data, epochs: int) -> None:
    """Train what follows the backbone on what the backbone makes of the rows, computed once."""
    backbone = keras.Sequential([keras.Input((64, 64, 3)), *model.layers[:2]])
    features = backbone.predict(data.x_train, batch_size=128, verbose=0)
    head = keras.Sequential([keras.Input(features.shape[1:]), *model.layers[2:]])
    fit(head, replace(data, x_train=features), epochs)


def fit_stream(model: keras.Model, data: Data, epochs: int) -> None:
    """Train, and write the rows to stream."""
    fit(model, data, epochs)
    shape = (STREAM_ROWS, STREAM_FEATURES)
    rows = np.lib.format.open_memmap(folder() / "stream.npy", mode="w+", dtype=np.float32, shape=shape)
    rows[:], _ = draw_clusters(STREAM_ROWS, seed=2)
    rows.flush()


NETWORKS = {
    "question": Network(question.build, images, fit_question, epochs=2, rows=10_000, reference=60_000),
    "transfer": Network(build_transfer, photographs, fit_head, epochs=20, rows=2_000, reference=60_000),
    "residual": Network(build_residual, images, fit, epochs=4, rows=2_000, reference=10_000),
    "transformer": Network(build_transformer, lines, fit, epochs=3, rows=2_000, reference=10_000),
    "mlp": Network(build_mlp, pixels, fit, epochs=8, rows=2_000, reference=10_000),
    "classic": Network(build_classic, images, fit, epochs=2, rows=2_000, reference=20_000),
    "everywhere": Network(build_everywhere, images, fit, epochs=3, rows=2_000, reference=20_000),
    "stream": Network(build_stream, clusters, fit_stream, epochs=5, rows=2_000, reference=10_000),
}


# --- kept copies ----------------------------------------------------------------------------------


def folder() -> Path:
    """Where trained networks and made rows are kept."""
    return mnist.cache_folder() / "benchmarks"


def load(name: str) -> keras.Model:
    """The trained network, on whatever backend Keras runs."""
    return keras.models.load_model(folder() / f"{name}.keras")


def train(name: str) -> dict[str, float]:
    """Train and keep a network, unless it is there; what is known about it either way."""
    network, path = NETWORKS[name], folder() / f"{name}.keras"
    facts = path.with_suffix(".json")
    if not (path.exists() and facts.exists()):
        folder().mkdir(parents=True, exist_ok=True)
        data, model = network.data(), network.build(0)
        start = time.perf_counter()
        network.train(model, data, network.epochs)
        seconds = time.perf_counter() - start
        predicted = model.predict(data.x_test, batch_size=128, verbose=0).argmax(axis=1)
        model.save(path)
        found = {
            "parameters": model.count_params(),
            "epochs": network.epochs,
            "training_seconds": seconds,
            "accuracy": float(np.mean(predicted == data.y_test)),
        }
        facts.write_text(json.dumps(found))
    known: dict[str, float] = json.loads(facts.read_text())
    return known
