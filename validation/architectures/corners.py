"""Networks in whose corners something is drawn."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from validation.architectures.core import Model, add, classes, stack
from validation.architectures.written import FunctionalDropout, OwnRandomNumbers


@add()
def nested_in_training(on: float) -> Model:
    """A nested model that is called with training=True, always on."""
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(6, "relu"), layers.Dropout(0.4 * on)])
    x = keras.Input((5,))
    return keras.Model(x, classes(inner(layers.Dense(6)(x), training=True)))


@add()
def lambda_dropout(on: float) -> Model:
    """A Lambda layer with `keras.random.dropout`, always on."""
    seed = keras.random.SeedGenerator()
    x = keras.Input((5,))
    drop = layers.Lambda(lambda h: keras.random.dropout(h, 0.4 * on, seed=seed))
    return keras.Model(x, classes(drop(layers.Dense(8, "relu")(x))))


@add()
def attention_dropout(on: float) -> Model:
    """Attention, AdditiveAttention and GroupedQueryAttention with dropout inside."""
    x = keras.Input((5, 4))
    y = layers.Attention(dropout=0.3 * on)([x, x])
    y = layers.AdditiveAttention(dropout=0.3 * on)([y, x])
    y = layers.GroupQueryAttention(2, 4, 2, dropout=0.3 * on)(y, x)
    return keras.Model(x, classes(layers.GlobalAveragePooling1D()(y)))


def without_spectral(on: float) -> Model:
    """What `spectral` is but for what it does to its kernel in training."""
    return stack((5,), layers.Dense(8, "relu"), layers.Dropout(0.4 * on))


@add(oracle=without_spectral)
def spectral(on: float) -> Model:
    """SpectralNormalization, which keeps a vector up to date in training, and Dropout."""
    dense = layers.SpectralNormalization(layers.Dense(8, "relu"))
    return stack((5,), dense, layers.Dropout(0.4 * on))


class InWindows(layers.Layer):
    """Drops in windows that lie on the axis of the rows."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense, self.drop = layers.Dense(4, "relu"), layers.Dropout(rate)

    def call(self, x: Any) -> Any:
        """From (n, 8, 3) to (n, 8, 4)."""
        windows = self.drop(self.dense(ops.reshape(x, (-1, 2, 3))))
        return ops.reshape(windows, (-1, 8, 4))


@add()
def in_windows(on: float) -> Model:
    """Dropout after windows were folded into the batch axis."""
    return stack((8, 3), InWindows(0.4 * on), layers.Flatten())


class Sampling(layers.Layer):
    """A draw from a Gaussian around each code, also in predicting."""

    def __init__(self, on: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on, self.seed_generator = on, keras.random.SeedGenerator()

    def call(self, inputs: Any) -> Any:
        """The mean plus noise."""
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + self.on * ops.exp(0.5 * log_variance) * noise


@add("keras.io, variational autoencoder; its encoder below a head of classes")
def variational(on: float) -> Model:
    """A variational encoder, whose code is random also when predicting."""
    x = keras.Input((8, 8, 1))
    y = layers.Dense(8, "relu")(layers.Flatten()(layers.Conv2D(4, 3, 2, activation="relu")(x)))
    return keras.Model(x, classes(Sampling(on)([layers.Dense(3)(y), layers.Dense(3)(y)])))


class ConcreteDropout(layers.Layer):
    """Dropout by a smooth mask, whose rate is a weight (Gal, Hron and Kendall 2017)."""

    def __init__(self, on: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on, self.seed_generator = on, keras.random.SeedGenerator()

    def build(self, shape: Any) -> None:
        """Make the logit of the rate."""
        self.logit = self.add_weight(shape=(1,))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Multiply by a mask in training."""
        if not training or not self.on:
            return x
        rate, tiny = ops.sigmoid(self.logit - 1), 1e-7
        noise = keras.random.uniform(ops.shape(x), seed=self.seed_generator)
        logit = (
            ops.log(rate + tiny)
            - ops.log(1 - rate + tiny)
            + ops.log(noise + tiny)
            - ops.log(1 - noise + tiny)
        )
        return x * (1 - ops.sigmoid(10 * logit)) / (1 - rate)


@add("github.com/yaringal/ConcreteDropout")
def concrete_dropout(on: float) -> Model:
    """Concrete dropout: a smooth mask whose rate is a weight."""
    return stack((5,), layers.Dense(8, "relu"), ConcreteDropout(on))


@add()
def bfloat16(on: float) -> Model:
    """mixed_bfloat16, the softmax in 16 bits."""
    of = {"dtype": "mixed_bfloat16"}
    steps = layers.Dense(8, "relu", **of), layers.Dropout(0.4 * on, **of), layers.Dense(3, "softmax", **of)
    return keras.Sequential([keras.Input((5,)), *steps])


class CellWithDropout(layers.Layer):
    """A recurrent cell of a user's that calls a Dropout layer in every step."""

    def __init__(self, units: int, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.state_size = units, units
        self.mix, self.drop = layers.Dense(units, "tanh"), layers.Dropout(rate)

    def build(self, shape: Any) -> None:
        """Build what is inside."""
        self.mix.build((None, shape[-1] + self.units))

    def call(self, x: Any, states: Any, training: bool | None = None) -> Any:
        """One step."""
        new = self.drop(self.mix(ops.concatenate([x, states[0]], axis=-1)), training=training)
        return new, [new]


@add(backends=("tensorflow", "torch"))  # on JAX Keras cannot train it
def cell_with_dropout(on: float) -> Model:
    """A custom recurrent cell with Dropout in every step."""
    return stack((5, 3), layers.RNN(CellWithDropout(4, 0.3 * on)))


@add()
def unrolled(on: float) -> Model:
    """A GRU that is unrolled, one that goes backwards, reset before."""
    first = layers.GRU(4, dropout=0.3 * on, unroll=True, return_sequences=True)
    return stack(
        (5, 3), first, layers.GRU(4, recurrent_dropout=0.3 * on, go_backwards=True, reset_after=False)
    )


class AlwaysOwn(OwnRandomNumbers):
    """The same also in predicting."""

    def call(self, x: Any) -> Any:
        """Drop, whatever is asked for."""
        return super().call(x, training=True)


@add()
def always_own(on: float) -> Model:
    """A layer that draws random numbers with the backend's own functions, always on."""
    return stack((5,), layers.Dense(8, "relu"), AlwaysOwn(0.4 * on))


@add()
def own_beside_dropout(on: float) -> Model:
    """A layer that draws random numbers with the backend's own functions in training, beside a Dropout."""
    return stack((5,), layers.Dense(8, "relu"), OwnRandomNumbers(0.4 * on), layers.Dropout(0.2 * on))


class WithTrainStep(keras.Model):
    """A Functional model whose class has a training step of its own."""

    def train_step(self, data: Any) -> Any:
        """As it was."""
        return super().train_step(data)


@add("keras.io, customizing what happens in fit()")
def with_train_step(on: float) -> Model:
    """A Functional model of a class with a train_step of its own."""
    x = keras.Input((5,))
    y = layers.BatchNormalization()(layers.Dropout(0.4 * on)(layers.Dense(8, "relu")(x)))
    return WithTrainStep(x, classes(y))


@add()
def time_distributed(on: float) -> Model:
    """TimeDistributed over a model with Dropout."""
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu"), FunctionalDropout(0.3 * on)])
    return stack(
        (5, 3),
        layers.TimeDistributed(inner),
        layers.TimeDistributed(layers.Dropout(0.3 * on)),
        layers.Flatten(),
    )


class Mean(keras.Model):
    """A subclassed model of whole numbers, with an embedding and BatchNormalization."""

    def __init__(self, on: float) -> None:
        super().__init__()
        self.embedding, self.drop = layers.Embedding(9, 4), layers.SpatialDropout1D(0.3 * on)
        self.norm, self.pool, self.out = (
            layers.BatchNormalization(),
            layers.GlobalMaxPooling1D(),
            layers.Dense(3),
        )
        self.top = layers.Dropout(0.3 * on)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Softmax by an operation."""
        x = self.norm(self.drop(self.embedding(ops.cast(5 + x, "int32"))), training=training)
        return ops.softmax(self.out(self.top(self.pool(x), training=training)))


@add()
def subclassed(on: float) -> Model:
    """A subclassed model that ends in `keras.ops.softmax`."""
    return Mean(on)
