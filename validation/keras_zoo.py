"""Small networks of Keras of the architectures that people have, for `python -m validation.models`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Model = Any
Make = Callable[[float], Model]


@dataclass(frozen=True)
class Architecture:
    """A small network.

    Attributes:
        make: From `on` to the network: with 1 its layers drop, with 0 nothing in it is random.
        what: What it is, in words.
        source: Where its structure is published, or empty; it is rewritten in small with Keras 3.
        oracle: Where Keras's training mode changes more than what is dropped, a network without that.
        one_draw: Whether all rows of a call share a draw, so that each call shows one.
        finish: What is done with it once it has its weights.
        copies: Of each row, for Keras's own distribution.
        backends: Those it exists on; empty for all.
        answer: What its outputs are, where they are not one class per row: a name in `ANSWERS`.
        asked: What howsure is told of them.
        rows: Makes its rows, where they differ in size.
        given: What becomes of the rows before howsure gets them.
    """

    make: Make
    what: str
    source: str = ""
    oracle: Make | None = None
    one_draw: bool = False
    finish: Callable[[Model], None] = lambda model: None
    copies: int = 3000
    backends: tuple[str, ...] = ()
    answer: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[], list[Any]] | None = None
    given: Callable[[list[Any]], Any] = np.stack


ARCHITECTURES: dict[str, Architecture] = {}


def add(what: str, source: str = "", **more: Any) -> Callable[[Make], Make]:
    """Put the decorated function among the architectures."""

    def added(make: Make) -> Make:
        ARCHITECTURES[make.__name__] = Architecture(make, what, source, **more)
        return make

    return added


def put(name: str, what: str, make: Make, source: str = "", **more: Any) -> None:
    """Put a network among the architectures."""
    ARCHITECTURES[name] = Architecture(make, what, source, **more)


def classes(x: Any, count: int = 3) -> Any:
    """A softmax over classes."""
    return layers.Dense(count, activation="softmax")(x)


def stack(shape: Any, *steps: Any, dtype: str | None = None) -> Model:
    """A Sequential that ends in three classes."""
    return keras.Sequential([keras.Input(shape, dtype=dtype), *steps, layers.Dense(3, activation="softmax")])


def relu(units: int) -> Any:
    """A dense layer."""
    return layers.Dense(units, "relu")


def hidden(*steps: Any) -> Model:
    """One behind a dense layer of five numbers."""
    return stack((5,), relu(8), *steps)


# --- layers and models as users write them --------------------------------------------------------------


class OfRate(layers.Layer):
    """A layer with a rate and a seed of its own."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()


class DropPath(OfRate):
    """Stochastic depth with a draw for every row, in training alone."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        if not training:
            return x
        shape = (self.draws_for(x),) + (1,) * (len(x.shape) - 1)
        kept = ops.floor(1 - self.rate + keras.random.uniform(shape, seed=self.seed_generator))
        return x / (1 - self.rate) * kept

    def draws_for(self, x: Any) -> Any:
        return ops.shape(x)[0]


class DropPathOfABatch(DropPath):
    """Stochastic depth with one draw for all rows of a batch."""

    def draws_for(self, x: Any) -> Any:
        return 1


class AlwaysDropPath(DropPath):
    """The same that never asks for `training`."""

    def call(self, x: Any) -> Any:
        return super().call(x, training=True)


class ForcedDropout(layers.Dropout):
    """The subclass that everybody writes for MC dropout."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return super().call(inputs, training=True)


class FunctionalDropout(OfRate):
    """`keras.random.dropout` in a call."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        return keras.random.dropout(x, self.rate, seed=self.seed_generator) if training else x


class DropConnect(OfRate):
    """A dense layer of eight units that drops entries of its kernel (Wan and others 2013)."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 8))

    def call(self, x: Any, training: bool | None = None) -> Any:
        kernel = ops.convert_to_tensor(self.kernel)
        if training:
            kernel = keras.random.dropout(kernel, self.rate, seed=self.seed_generator)
        return ops.relu(ops.matmul(x, kernel))


class OwnRandomNumbers(layers.Layer):
    """Drops by random numbers of the backend, past Keras, in training."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x: Any, training: bool | None = None) -> Any:
        if not training or not self.rate:
            return x
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            return tf.nn.dropout(x, self.rate)
        if backend == "torch":
            import torch

            return torch.nn.functional.dropout(x, self.rate)
        import jax

        key = jax.random.PRNGKey(int.from_bytes(os.urandom(3), "little"))
        return x * jax.random.bernoulli(key, 1 - self.rate, x.shape) / (1 - self.rate)


class AlwaysOwn(OwnRandomNumbers):
    """The same also in predicting."""

    def call(self, x: Any) -> Any:
        return super().call(x, training=True)


class MaskedByHand(OfRate):
    """Drops by comparing uniform numbers, in training."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        if not training:
            return x
        kept = keras.random.uniform(ops.shape(x), seed=self.seed_generator) >= self.rate
        return ops.where(kept, x / (1 - self.rate), ops.zeros_like(x))


class Branching(keras.Model):
    """A subclassed model with `if training`."""

    def __init__(self, on: float) -> None:
        super().__init__()
        self.hidden, self.out = relu(8), layers.Dense(3, "softmax")
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.4 * on)

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.norm(self.hidden(x), training=training)
        if training:
            x = self.drop(x, training=training)
        return self.out(x)


class Forced(keras.Model):
    """A subclassed model that calls its dropout with training=True."""

    def __init__(self, on: float) -> None:
        super().__init__()
        self.hidden, self.out = relu(8), layers.Dense(3, "softmax")
        self.drop = layers.Dropout(0.4 * on)

    def call(self, x: Any) -> Any:
        return self.out(self.drop(self.hidden(x), training=True))


# --- corners in which something is drawn ------------------------------------------------------------------


@add("A nested model that is called with training=True, always on")
def nested_in_training(on: float) -> Model:
    inner = keras.Sequential([keras.Input((6,)), relu(6), layers.Dropout(0.4 * on)])
    x = keras.Input((5,))
    return keras.Model(x, classes(inner(layers.Dense(6)(x), training=True)))


@add("A Lambda layer with `keras.random.dropout`, always on")
def lambda_dropout(on: float) -> Model:
    seed = keras.random.SeedGenerator()
    x = keras.Input((5,))
    drop = layers.Lambda(lambda h: keras.random.dropout(h, 0.4 * on, seed=seed))
    return keras.Model(x, classes(drop(relu(8)(x))))


@add("Attention, AdditiveAttention and GroupedQueryAttention with dropout inside")
def attention_dropout(on: float) -> Model:
    x = keras.Input((5, 4))
    y = layers.Attention(dropout=0.3 * on)([x, x])
    y = layers.AdditiveAttention(dropout=0.3 * on)([y, x])
    y = layers.GroupQueryAttention(2, 4, 2, dropout=0.3 * on)(y, x)
    return keras.Model(x, classes(layers.GlobalAveragePooling1D()(y)))


@add(
    "SpectralNormalization, which keeps a vector up to date in training, and Dropout",
    oracle=lambda on: hidden(layers.Dropout(0.4 * on)),
)
def spectral(on: float) -> Model:
    dense = layers.SpectralNormalization(relu(8))
    return stack((5,), dense, layers.Dropout(0.4 * on))


class InWindows(layers.Layer):
    """Drops in windows that lie on the axis of the rows: from (n, 8, 3) to (n, 8, 4)."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense, self.drop = relu(4), layers.Dropout(rate)

    def call(self, x: Any) -> Any:
        return ops.reshape(self.drop(self.dense(ops.reshape(x, (-1, 2, 3)))), (-1, 8, 4))


put(
    "in_windows",
    "Dropout after windows were folded into the batch axis",
    lambda on: stack((8, 3), InWindows(0.4 * on), layers.Flatten()),
)


class Sampling(OfRate):
    """A draw from a Gaussian around each code, also in predicting."""

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + self.rate * ops.exp(0.5 * log_variance) * noise


@add(
    "A variational encoder, whose code is random also when predicting",
    "keras.io, variational autoencoder; its encoder below a head of classes",
)
def variational(on: float) -> Model:
    x = keras.Input((8, 8, 1))
    y = relu(8)(layers.Flatten()(layers.Conv2D(4, 3, 2, activation="relu")(x)))
    return keras.Model(x, classes(Sampling(on)([layers.Dense(3)(y), layers.Dense(3)(y)])))


class ConcreteDropout(OfRate):
    """Dropout by a smooth mask, whose rate is a weight (Gal, Hron and Kendall 2017)."""

    def build(self, shape: Any) -> None:
        self.logit = self.add_weight(shape=(1,))

    def call(self, x: Any, training: bool | None = None) -> Any:
        if not training or not self.rate:
            return x
        rate, tiny = ops.sigmoid(self.logit - 1), 1e-7
        noise = keras.random.uniform(ops.shape(x), seed=self.seed_generator)
        logit = ops.log(rate + tiny) - ops.log(1 - rate + tiny)
        logit = logit + ops.log(noise + tiny) - ops.log(1 - noise + tiny)
        return x * (1 - ops.sigmoid(10 * logit)) / (1 - rate)


put(
    "concrete_dropout",
    "Concrete dropout: a smooth mask whose rate is a weight",
    lambda on: hidden(ConcreteDropout(on)),
    "github.com/yaringal/ConcreteDropout",
)


def _in_16_bits(dtype: str, on: float) -> Model:
    of = {"dtype": dtype}
    steps = layers.Dense(8, "relu", **of), layers.Dropout(0.4 * on, **of), layers.Dense(3, "softmax", **of)
    return keras.Sequential([keras.Input((5,)), *steps])


put("bfloat16", "mixed_bfloat16, the softmax in 16 bits", lambda on: _in_16_bits("mixed_bfloat16", on))


class CellWithDropout(layers.Layer):
    """A recurrent cell of a user's that calls a Dropout layer in every step."""

    def __init__(self, units: int, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.state_size = units, units
        self.mix, self.drop = layers.Dense(units, "tanh"), layers.Dropout(rate)

    def build(self, shape: Any) -> None:
        self.mix.build((None, shape[-1] + self.units))

    def call(self, x: Any, states: Any, training: bool | None = None) -> Any:
        new = self.drop(self.mix(ops.concatenate([x, states[0]], axis=-1)), training=training)
        return new, [new]


put(
    "cell_with_dropout",
    "A custom recurrent cell with Dropout in every step",
    lambda on: stack((5, 3), layers.RNN(CellWithDropout(4, 0.3 * on))),
    backends=("tensorflow", "torch"),  # on JAX Keras cannot train it
)


@add("A GRU that is unrolled, one that goes backwards, reset before")
def unrolled(on: float) -> Model:
    first = layers.GRU(4, dropout=0.3 * on, unroll=True, return_sequences=True)
    last = layers.GRU(4, recurrent_dropout=0.3 * on, go_backwards=True, reset_after=False)
    return stack((5, 3), first, last)


OWN = "A layer that draws random numbers with the backend's own functions"
put("always_own", f"{OWN}, always on", lambda on: hidden(AlwaysOwn(0.4 * on)))
put(
    "own_beside_dropout",
    f"{OWN} in training, beside a Dropout",
    lambda on: hidden(OwnRandomNumbers(0.4 * on), layers.Dropout(0.2 * on)),
)


class WithTrainStep(keras.Model):
    """A Functional model whose class has a training step of its own."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


@add(
    "A Functional model of a class with a train_step of its own",
    "keras.io, customizing what happens in fit()",
)
def with_train_step(on: float) -> Model:
    x = keras.Input((5,))
    y = layers.BatchNormalization()(layers.Dropout(0.4 * on)(relu(8)(x)))
    return WithTrainStep(x, classes(y))


@add("TimeDistributed over a model with Dropout")
def time_distributed(on: float) -> Model:
    inner = keras.Sequential([keras.Input((3,)), relu(4), FunctionalDropout(0.3 * on)])
    drop = layers.TimeDistributed(layers.Dropout(0.3 * on))
    return stack((5, 3), layers.TimeDistributed(inner), drop, layers.Flatten())


class Mean(keras.Model):
    """A subclassed model of whole numbers, with an embedding and BatchNormalization."""

    def __init__(self, on: float) -> None:
        super().__init__()
        self.embedding, self.drop = layers.Embedding(9, 4), layers.SpatialDropout1D(0.3 * on)
        self.norm, self.pool = layers.BatchNormalization(), layers.GlobalMaxPooling1D()
        self.out, self.top = layers.Dense(3), layers.Dropout(0.3 * on)

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = self.norm(self.drop(self.embedding(ops.cast(5 + x, "int32"))), training=training)
        return ops.softmax(self.out(self.top(self.pool(x), training=training)))


put("subclassed", "A subclassed model that ends in `keras.ops.softmax`", Mean)


# --- images -----------------------------------------------------------------------------------------------


@add("MNIST convnet", "keras.io, simple MNIST convnet")
def mnist_convnet(on: float) -> Model:
    first, pool = layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2)
    steps = first, pool, layers.Conv2D(6, 2, activation="relu"), layers.Flatten(), layers.Dropout(0.5 * on)
    return stack((10, 10, 1), *steps)


@add("Separable convolutions with residuals", "keras.io, image classification from scratch")
def xception_like(on: float) -> Model:
    x = keras.Input((12, 12, 3))
    y = layers.Rescaling(1 / 2)(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(4, 3, 2, padding="same")(y)))
    before = y
    for size in (6, 8):
        y = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(layers.ReLU()(y)))
        y = layers.MaxPooling2D(3, strides=2, padding="same")(y)
        y = before = layers.add([y, layers.Conv2D(size, 1, strides=2, padding="same")(before)])
    y = layers.Dropout(0.25 * on)(layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, classes(y))


def _swished(layer: Any, y: Any) -> Any:
    return layers.Activation("swish")(layers.BatchNormalization()(layer(y)))


@add("EfficientNet blocks: depthwise, squeeze, Dropout of whole rows", "keras.applications, EfficientNet")
def efficientnet(on: float) -> Model:
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same")(x)
    for rate in (0.2, 0.4):
        z = _swished(layers.Conv2D(8, 1, use_bias=False), y)
        z = _swished(layers.DepthwiseConv2D(3, padding="same"), z)
        squeeze = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(z))
        squeeze = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="swish")(squeeze))
        z = layers.BatchNormalization()(layers.Conv2D(4, 1)(layers.multiply([z, squeeze])))
        y = layers.add([layers.Dropout(rate * on, noise_shape=(None, 1, 1, 1))(z), y])
    return keras.Model(x, classes(layers.Dropout(0.2 * on)(layers.GlobalAveragePooling2D()(y))))


@add("EfficientNetB0 as it is", "keras.applications, EfficientNetB0", copies=800)
def efficientnet_b0(on: float) -> Model:
    model = keras.applications.EfficientNetB0(weights=None, input_shape=(32, 32, 3), classes=3)
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate *= on
    return model


@add("ConvNeXt blocks with StochasticDepth", "keras.applications, ConvNeXt")
def convnext(on: float) -> Model:
    x = keras.Input((8, 8, 3))
    y = layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(4, 2, strides=2)(x))
    for rate in (0.2, 0.4):
        z = layers.LayerNormalization()(layers.Conv2D(4, 3, padding="same", groups=4)(y))
        z = layers.Dense(4)(layers.Activation("gelu")(layers.Dense(8)(z)))
        y = y + DropPath(rate * on)(z)
    return keras.Model(x, classes(layers.LayerNormalization()(layers.GlobalAveragePooling2D()(y))))


def transformer_blocks(y: Any, count: int, rate: float, path: Callable[[float], Any] | None = None) -> Any:
    """Blocks that begin with LayerNormalization."""
    for _ in range(count):
        z = layers.LayerNormalization(epsilon=1e-6)(y)
        z = layers.MultiHeadAttention(2, 3, dropout=rate)(z, z)
        y = layers.Add()([z if path is None else path(rate)(z), y])
        z = layers.LayerNormalization(epsilon=1e-6)(y)
        for units in (8, 6):
            z = layers.Dropout(rate)(layers.Dense(units, activation=keras.activations.gelu)(z))
        y = layers.Add()([z if path is None else path(rate)(z), y])
    return y


class Positions(layers.Layer):
    """Parts and learned positions."""

    def __init__(self, part: Any, count: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.part, self.position = count, part, layers.Embedding(count, size)

    def call(self, x: Any) -> Any:
        return self.part(x) + self.position(ops.expand_dims(ops.arange(self.count), 0))


class Patches(layers.Layer):
    """Squares of an image, 2 × 2."""

    def call(self, images: Any) -> Any:
        count, _, _, channels = ops.shape(images)
        return ops.reshape(ops.image.extract_patches(images, size=2), (count, 9, 4 * channels))


@add("Vision transformer", "keras.io, image classification with ViT")
def vision_transformer(on: float) -> Model:
    x = keras.Input((6, 6, 3))
    y = transformer_blocks(Positions(layers.Dense(6), 9, 6)(Patches()(x)), 2, 0.2 * on)
    y = layers.Dropout(0.5 * on)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(y)))
    y = layers.Dropout(0.5 * on)(layers.Dense(8, activation="gelu")(y))
    return keras.Model(x, classes(y))


@add("Compact convolutional transformer, StochasticDepth, pooling by attention", "keras.io, CCT")
def compact_transformer(on: float) -> Model:
    x = keras.Input((8, 8, 3))
    y = layers.MaxPooling2D(3, 2, "same")(layers.Conv2D(6, 3, padding="same", activation="relu")(x))
    y = transformer_blocks(layers.Reshape((16, 6))(y), 2, 0.2 * on, DropPath)
    y = layers.LayerNormalization(epsilon=1e-5)(y)
    weights = layers.Permute((2, 1))(layers.Softmax(axis=1)(layers.Dense(1)(y)))
    return keras.Model(x, classes(layers.Reshape((6,))(layers.Dot((2, 1))([weights, y]))))


class Windows(layers.Layer):
    """Attention within 4 windows, which lie on the axis of the rows, and a path that is always dropped."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm, self.attention = layers.LayerNormalization(), layers.MultiHeadAttention(2, 3)
        self.drop, self.drop_path = layers.Dropout(rate), AlwaysDropPath(rate)

    def call(self, x: Any, training: bool | None = None) -> Any:
        windows = ops.reshape(self.norm(x), (-1, 4, 6))
        seen = self.drop(self.attention(windows, windows), training=training)
        return x + self.drop_path(ops.reshape(seen, (-1, 16, 6)))


@add("Attention with windows folded into the batch axis, DropPath always on", "keras.io, Swin transformers")
def swin(on: float) -> Model:
    x = keras.Input((16, 6))
    y = layers.GlobalAveragePooling1D()(Windows(0.3 * on)(layers.Dense(6)(x)))
    return keras.Model(x, classes(y))


@add("MLP-Mixer", "keras.io, image classification with modern MLPs")
def mlp_mixer(on: float) -> Model:
    x = keras.Input((6, 6, 3))
    y = Positions(layers.Dense(6), 9, 6)(Patches()(x))
    for _ in range(2):
        z = layers.Permute((2, 1))(layers.LayerNormalization()(y))
        z = layers.Dropout(0.2 * on)(layers.Dense(9, "gelu")(z))
        y = layers.Add()([layers.Permute((2, 1))(z), y])
        z = layers.Dense(6, "gelu")(layers.LayerNormalization()(y))
        y = layers.Add()([layers.Dropout(0.2 * on)(z), y])
    return keras.Model(x, classes(layers.Dropout(0.2 * on)(layers.GlobalAveragePooling1D()(y))))


@add("A 3D convnet", "keras.io, 3D image classification from CT scans")
def convolutions_3d(on: float) -> Model:
    steps = layers.Conv3D(4, 2, activation="relu"), layers.MaxPooling3D(2), layers.BatchNormalization()
    pool = layers.GlobalAveragePooling3D(), relu(6), layers.Dropout(0.3 * on)
    return stack((6, 6, 6, 1), *steps, layers.SpatialDropout3D(0.2 * on), *pool)


def _of_images(on: float, *before: Any) -> Model:
    steps = layers.Rescaling(1.0), layers.Conv2D(4, 3, activation="relu"), layers.Flatten()
    return stack((6, 6, 3), *before, *steps, layers.Dropout(0.4 * on))


put(
    "augmenting",
    "Random flips in the model, which stay off",
    lambda on: _of_images(on, layers.RandomFlip()),
    "keras.io, data augmentation",
    oracle=_of_images,
)


# --- texts and series ---------------------------------------------------------------------------------------


class TransformerBlock(layers.Layer):
    """Attention and two dense layers, each behind a Dropout, both with a residual."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 6)
        self.dense = keras.Sequential([relu(8), layers.Dense(6)])
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.drops = [layers.Dropout(rate) for _ in range(2)]

    def call(self, x: Any) -> Any:
        x = self.norms[0](x + self.drops[0](self.attention(x, x)))
        return self.norms[1](x + self.drops[1](self.dense(x)))


@add("A transformer block over tokens", "keras.io, text classification with transformer")
def text_transformer(on: float) -> Model:
    x = keras.Input((7,), dtype="int32")
    tokens = Positions(layers.Embedding(9, 6), 7, 6)(x)
    y = layers.GlobalAveragePooling1D()(TransformerBlock(0.2 * on)(tokens))
    y = relu(8)(layers.Dropout(0.2 * on)(y))
    return keras.Model(x, classes(layers.Dropout(0.2 * on)(y), 2))


@add("Embedding with a mask, Dropout, attention")
def masked_attention(on: float) -> Model:
    x = keras.Input((7,), dtype="int32")
    y = layers.SpatialDropout1D(0.3 * on)(layers.Embedding(9, 6, mask_zero=True)(x))
    y = layers.MultiHeadAttention(2, 3, dropout=0.2 * on)(y, y)
    return keras.Model(x, classes(layers.GlobalAveragePooling1D()(y)))


@add("Series transformer", "keras.io, timeseries classification with a transformer")
def series_transformer(on: float) -> Model:
    x = y = keras.Input((10, 2))
    for _ in range(2):
        z = layers.MultiHeadAttention(2, 4, dropout=0.25 * on)(y, y)
        z = layers.LayerNormalization(epsilon=1e-6)(layers.Dropout(0.25 * on)(z)) + y
        f = layers.Dropout(0.25 * on)(layers.Conv1D(4, 1, activation="relu")(z))
        y = layers.LayerNormalization(epsilon=1e-6)(layers.Conv1D(2, 1)(f)) + z
    y = layers.GlobalAveragePooling1D(data_format="channels_last")(y)
    return keras.Model(x, classes(layers.Dropout(0.4 * on)(relu(8)(y))))


def _lstm(on: float, units: int = 5, **settings: Any) -> Any:
    return layers.LSTM(units, dropout=0.2 * on, **settings)


@add("LSTM for sentiment, dropout and recurrent_dropout", "keras-team/keras 2, imdb_lstm example")
def lstm_sentiment(on: float) -> Model:
    steps = layers.Embedding(9, 4), _lstm(on, recurrent_dropout=0.2 * on)
    return keras.Sequential([keras.Input((7,), dtype="int32"), *steps, layers.Dense(1, "sigmoid")])


@add("The same with a mask and SpatialDropout1D", "many Kaggle notebooks")
def masked_lstm(on: float) -> Model:
    steps = layers.Embedding(9, 4, mask_zero=True), layers.SpatialDropout1D(0.3 * on)
    return stack((7,), *steps, _lstm(on, recurrent_dropout=0.2 * on), dtype="int32")


@add("Stacked bidirectional LSTM", "keras.io, bidirectional LSTM on IMDB")
def stacked_bidirectional(on: float) -> Model:
    both = [layers.Bidirectional(_lstm(on, 4, return_sequences=first)) for first in (True, False)]
    return stack((7,), layers.Embedding(9, 4), *both, layers.Dropout(0.3 * on), dtype="int32")


@add("GRU over a series", "F. Chollet, Deep Learning with Python, ch. 10")
def gru_series(on: float) -> Model:
    first = layers.GRU(5, recurrent_dropout=0.4 * on, return_sequences=True)
    return stack((6, 3), first, layers.GRU(4, recurrent_dropout=0.4 * on), layers.Dropout(0.4 * on))


put(
    "simple_rnn",
    "SimpleRNN with both kinds of dropout",
    lambda on: stack((6, 3), layers.SimpleRNN(5, dropout=0.3 * on, recurrent_dropout=0.3 * on)),
)


@add("RNN of two stacked cells")
def stacked_cells(on: float) -> Model:
    cells = layers.LSTMCell(4, dropout=0.3 * on), layers.GRUCell(4, recurrent_dropout=0.3 * on)
    return stack((6, 3), layers.RNN(cells))


@add("A stateful LSTM", one_draw=True)
def stateful_lstm(on: float) -> Model:
    x = keras.Input(batch_shape=(3, 6, 3))
    return keras.Model(x, classes(layers.LSTM(4, dropout=0.3 * on, stateful=True)(x)))


@add("ConvLSTM2D with dropout", "keras.io, next-frame prediction")
def conv_lstm(on: float) -> Model:
    cell = layers.ConvLSTM2D(2, 3, padding="same", dropout=0.3 * on, recurrent_dropout=0.2 * on)
    return stack((3, 4, 4, 1), cell, layers.Flatten())


@add("WaveNet: gated, dilated, causal convolutions", "van den Oord and others 2016")
def wavenet(on: float) -> Model:
    x = keras.Input((12, 2))
    y, skips = layers.Conv1D(4, 1)(x), []
    for dilation in (1, 2, 4):
        of = {"padding": "causal", "dilation_rate": dilation}
        gate = layers.Conv1D(4, 2, activation="sigmoid", **of)(y)
        z = layers.Dropout(0.2 * on)(layers.multiply([layers.Conv1D(4, 2, activation="tanh", **of)(y), gate]))
        skips.append(layers.Conv1D(4, 1)(z))
        y = layers.add([y, skips[-1]])
    return keras.Model(x, classes(layers.GlobalAveragePooling1D()(layers.ReLU()(layers.add(skips)))))


@add(
    "DeepAR's encoder: covariates, embedding, stacked LSTM with dropout",
    "Salinas and others 2020; a head of classes",
)
def deepar_like(on: float) -> Model:
    series, item = keras.Input((6, 2), name="series"), keras.Input((1,), dtype="int32", name="item")
    of_item = layers.RepeatVector(6)(layers.Flatten()(layers.Embedding(9, 3)(item)))
    y = layers.Concatenate()([series, of_item])
    for again in (True, False):
        y = _lstm(on, 4, return_sequences=again)(y)
    return keras.Model({"series": series, "item": item}, classes(y))


@add("Gated residual networks over columns", "keras.io, structured data with GRN and VSN")
def gated_residual(on: float) -> Model:
    x = y = keras.Input((6,))
    for _ in range(2):
        z = layers.Dropout(0.3 * on)(layers.Dense(6)(layers.Dense(6, "elu")(y)))
        y = layers.LayerNormalization()(y + layers.Dense(6)(z) * layers.Dense(6, "sigmoid")(z))
    return keras.Model(x, classes(y))


@add("Text in, TextVectorization first", backends=("tensorflow",))
def text(on: float) -> Model:
    words = layers.TextVectorization(vocabulary=["good", "bad", "film"], output_sequence_length=5)
    steps = words, layers.Embedding(5, 4), layers.Dropout(0.4 * on), layers.GlobalAveragePooling1D()
    return stack((1,), *steps, dtype="string")


# --- vectors, and types of numbers --------------------------------------------------------------------------


@add("Dense layers, Dropout, BatchNormalization")
def dense(on: float) -> Model:
    norm = layers.BatchNormalization()
    drops = layers.Dropout(0.4 * on), layers.Dropout(0.2 * on)
    return hidden(drops[0], norm, relu(6), drops[1])


@add("Dropout called with training=True, always on")
def always_on(on: float) -> Model:
    x = keras.Input((5,))
    return keras.Model(x, classes(layers.Dropout(0.4 * on)(relu(8)(x), training=True)))


put(
    "forced_subclass",
    "A subclass of Dropout that forces training=True",
    lambda on: hidden(ForcedDropout(0.4 * on)),
    "a hundred notebooks; A. Géron, Hands-On ML, ch. 11",
)
put("if_training", "A subclassed model with `if training`", Branching)
put("forced_model", "A subclassed model that forces training=True", Forced)
put(
    "functional_dropout",
    "`keras.random.dropout` in a layer's call",
    lambda on: hidden(FunctionalDropout(0.4 * on)),
)
put("masked_by_hand", "Uniform numbers compared with a rate", lambda on: hidden(MaskedByHand(0.4 * on)))
put(
    "drop_connect",
    "DropConnect: entries of a kernel dropped",
    lambda on: stack((5,), DropConnect(0.4 * on)),
    "Wan and others 2013",
    one_draw=True,
)
put("own_random_numbers", OWN, lambda on: hidden(OwnRandomNumbers(0.4 * on)))


@add("AlphaDropout, GaussianDropout")
def other_noises(on: float) -> Model:
    steps = layers.Dense(8, "selu"), layers.AlphaDropout(0.2 * on), layers.GaussianDropout(0.3 * on)
    return stack((5,), *steps)


@add("A frozen backbone called with training=False, a head with Dropout", "keras.io, transfer learning guide")
def frozen_backbone(on: float) -> Model:
    x = keras.Input((8, 8, 3))
    steps = layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.3 * on)
    backbone = keras.Sequential([keras.Input((8, 8, 3)), *steps])
    backbone.trainable = False
    y = layers.GlobalAveragePooling2D()(backbone(x, training=False))
    return keras.Model(x, classes(layers.Dropout(0.3 * on)(y)))


@add("Logits, compiled with a loss from logits")
def logits(on: float) -> Model:
    steps = relu(8), layers.Dropout(0.4 * on), layers.Dense(3)
    model = keras.Sequential([keras.Input((5,)), *steps])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@add("One sigmoid")
def one_sigmoid(on: float) -> Model:
    steps = relu(8), layers.Dropout(0.4 * on), layers.Dense(1, "sigmoid")
    return keras.Sequential([keras.Input((5,)), *steps])


put("float16", "Mixed_float16, the softmax in 16 bits", lambda on: _in_16_bits("mixed_float16", on))
put(
    "int8",
    "Quantised to int8 after training",
    lambda on: stack((8,), relu(8), layers.Dropout(0.4 * on)),
    finish=lambda model: model.quantize("int8"),
)


@add("Stochastic depth with one draw for a batch", one_draw=True)
def drop_path_of_a_batch(on: float) -> Model:
    x = keras.Input((5,))
    y = relu(6)(x)
    return keras.Model(x, classes(y + DropPathOfABatch(0.4 * on)(layers.Dense(6, "tanh")(y))))


@add("An autoencoder's bottleneck as a classifier's input")
def autoencoder_head(on: float) -> Model:
    x = keras.Input((12,))
    code = layers.Dense(4, "relu", name="code")(layers.Dropout(0.2 * on)(relu(8)(x)))
    autoencoder = keras.Model(x, layers.Dense(12)(relu(8)(code)))
    encoder = keras.Model(autoencoder.input, autoencoder.get_layer("code").output)
    new = keras.Input((12,))
    return keras.Model(new, classes(layers.Dropout(0.3 * on)(encoder(new))))


@add("Siamese: one encoder for two inputs", "keras.io, image similarity with a Siamese network")
def siamese(on: float) -> Model:
    steps = relu(6), layers.Dropout(0.3 * on), layers.Dense(4)
    encoder = keras.Sequential([keras.Input((6,)), *steps])
    a, b = keras.Input((6,), name="first"), keras.Input((6,), name="second")
    distance = ops.sum(ops.square(encoder(a) - encoder(b)), axis=-1, keepdims=True)
    return keras.Model([a, b], layers.Dense(1, "sigmoid")(layers.BatchNormalization()(distance)))


# --- other answers, and rows of several sizes -----------------------------------------------------------


def _head(last: Any, loss: Any, on: float, dtype: Any = None) -> Model:
    """Two dense layers with dropout and a head, compiled with a loss."""
    steps = (layers.Dense(8, "relu", dtype=dtype), layers.Dropout(0.3 * on, dtype=dtype))
    model = keras.Sequential([keras.Input((5,)), layers.Dropout(0.2 * on, dtype=dtype), *steps, last])
    model.compile(loss=loss)
    return model


def pinball(true: Any, predicted: Any) -> Any:
    """The loss of three quantiles."""
    off, share = true - predicted, ops.convert_to_tensor((0.1, 0.5, 0.9))
    return ops.mean(ops.maximum(share * off, (share - 1) * off), axis=-1)


class Ascending(layers.Layer):
    """Numbers that grow along the last axis."""

    def call(self, x: Any) -> Any:
        return ops.cumsum(ops.softplus(x), axis=-1)


def _rates(on: float, dtype: Any = None) -> Model:
    return _head(layers.Dense(2, "softplus", dtype=dtype), keras.losses.Poisson(), on, dtype)


def _quantiles(on: float, dtype: Any = None) -> Model:
    steps = layers.Dense(3, dtype=dtype), Ascending(dtype=dtype)
    return _head(keras.Sequential(steps), pinball, on, dtype)


QUANTILES = {"outputs": "quantiles", "levels": (0.1, 0.5, 0.9)}
RATES = {"outputs": "rates"}
put("counts", "Expected counts, with the Poisson loss", _rates, answer="values", asked=RATES)
put(
    "log_counts",
    "Logarithms of expected counts",
    lambda on: _head(layers.Dense(2), "mse", on),
    answer="log-rates",
    asked={"outputs": "log-rates"},
)
put("quantiles", "Three quantiles, with the pinball loss", _quantiles, answer="quantiles", asked=QUANTILES)
for _short, _policy in (("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16")):
    put(
        f"counts_{_short}",
        f"Expected counts in {_policy}",
        lambda on, policy=_policy: _rates(on, policy),
        answer="values",
        asked=RATES,
    )
    put(
        f"quantiles_{_short}",
        f"Three quantiles in {_policy}",
        lambda on, policy=_policy: _quantiles(on, policy),
        answer="quantiles",
        asked=QUANTILES,
    )

KEPT = {"keep": "probabilities"}


def texts() -> list[Any]:
    """Five texts of three lengths, as numbers of words."""
    random = np.random.default_rng(11)
    return [random.integers(1, 9, length).astype("int32") for length in (7, 4, 6, 4, 7)]


def padded_texts(rows: list[Any]) -> Iterator[Any]:
    """Two texts a batch, padded with zeros to the longer one."""
    for start in range(0, len(rows), 2):
        some = rows[start : start + 2]
        longest = max(map(len, some))
        yield np.stack([np.pad(row, (0, longest - len(row))) for row in some])


def tagger(on: float, dtype: Any = None) -> Model:
    """A class for each word, which sees the words before and after it."""
    x = keras.Input((None,), dtype="int32")
    y = layers.SpatialDropout1D(0.2 * on, dtype=dtype)(layers.Embedding(9, 6, mask_zero=True, dtype=dtype)(x))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dtype=dtype), dtype=dtype)(y)
    y = layers.MultiHeadAttention(2, 3, dropout=0.2 * on, dtype=dtype)(y, y)
    return keras.Model(x, layers.Dense(3, "softmax", dtype=dtype)(layers.Dropout(0.3 * on, dtype=dtype)(y)))


_tagged = {"answer": "probabilities", "asked": KEPT, "rows": texts}
put("tagger_list", "A class for each word of texts of several lengths", tagger, given=list, **_tagged)
put(
    "tagger_batches",
    "The same, in batches padded to their own longest",
    tagger,
    given=padded_texts,
    **_tagged,
)
put(
    "tagger_array",
    "The same, padded to one length",
    tagger,
    given=lambda rows: np.stack([np.pad(row, (0, 9 - len(row))) for row in rows]),
    **_tagged,
)
put(
    "tagger_bfloat16",
    "The same in mixed_bfloat16",
    lambda on: tagger(on, "mixed_bfloat16"),
    given=padded_texts,
    **_tagged,
)


def images_of_sizes() -> list[Any]:
    """Four images of three sizes."""
    random = np.random.default_rng(11)
    return [random.normal(size=(*sides, 2)).astype("float32") for sides in ((6, 8), (9, 5), (6, 8), (4, 4))]


def segmenter(on: float, norm: Callable[[], Any], dtype: Any = None) -> Model:
    """Logits of three classes for each pixel, of images of any size."""
    x = keras.Input((None, None, 2))
    y = layers.Conv2D(6, 3, padding="same", dtype=dtype)(x)
    y = layers.SpatialDropout2D(0.3 * on, dtype=dtype)(layers.ReLU(dtype=dtype)(norm()(y)))
    y = layers.Conv2D(6, 3, padding="same", activation="relu", dtype=dtype)(y)
    return keras.Model(x, layers.Conv2D(3, 1, dtype=dtype)(layers.Dropout(0.2 * on, dtype=dtype)(y)))


_mapped = {
    "answer": "logits",
    "asked": KEPT | {"outputs": "logits"},
    "rows": images_of_sizes,
    "given": list,
}
put(
    "segmenter_sizes",
    "A class for each pixel of images of several sizes",
    lambda on: segmenter(on, layers.BatchNormalization),
    **_mapped,
)
put(
    "segmenter_instance_norm",
    "The same with instance normalisation",
    lambda on: segmenter(on, lambda: layers.GroupNormalization(-1)),
    **_mapped,
)
for _short, _policy in (("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16")):
    put(
        f"segmenter_{_short}",
        f"The same in {_policy}",
        lambda on, policy=_policy: segmenter(on, lambda: layers.GroupNormalization(-1, dtype=policy), policy),
        **_mapped,
    )
