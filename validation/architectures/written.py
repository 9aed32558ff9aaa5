"""Layers and models as users write them."""

from __future__ import annotations

import os
from typing import Any

import keras
from keras import layers, ops


class OfRate(layers.Layer):
    """A layer with a rate and a seed of its own."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()


class DropPath(OfRate):
    """Stochastic depth with a draw for every row, in training alone."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Keep a row, or drop it."""
        if not training:
            return x
        shape = (self.draws_for(x),) + (1,) * (len(x.shape) - 1)
        kept = ops.floor(1 - self.rate + keras.random.uniform(shape, seed=self.seed_generator))
        return x / (1 - self.rate) * kept

    def draws_for(self, x: Any) -> Any:
        """How many draws there are: one for every row."""
        return ops.shape(x)[0]


class DropPathOfABatch(DropPath):
    """Stochastic depth with one draw for all rows of a batch."""

    def draws_for(self, x: Any) -> Any:
        """One."""
        return 1


class AlwaysDropPath(DropPath):
    """The same that never asks for `training`."""

    def call(self, x: Any) -> Any:
        """Keep a row, or drop it."""
        return super().call(x, training=True)


class ForcedDropout(layers.Dropout):
    """The subclass that everybody writes for MC dropout."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Drop, whatever is asked for."""
        return super().call(inputs, training=True)


class FunctionalDropout(OfRate):
    """`keras.random.dropout` in a call."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Drop in training."""
        return keras.random.dropout(x, self.rate, seed=self.seed_generator) if training else x


class DropConnect(layers.Layer):
    """A dense layer that drops entries of its kernel (Wan and others 2013)."""

    def __init__(self, units: int, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.rate = units, rate
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, shape: Any) -> None:
        """Make the kernel."""
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Multiply by what is left of the kernel."""
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
        """Drop in training."""
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


class MaskedByHand(OfRate):
    """Drops by comparing uniform numbers, in training."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Drop in training."""
        if not training:
            return x
        kept = keras.random.uniform(ops.shape(x), seed=self.seed_generator) >= self.rate
        return ops.where(kept, x / (1 - self.rate), ops.zeros_like(x))


class Branching(keras.Model):
    """A subclassed model with `if training`."""

    def __init__(self, on: float) -> None:
        super().__init__()
        self.hidden, self.out = layers.Dense(8, "relu"), layers.Dense(3, "softmax")
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.4 * on)

    def call(self, x: Any, training: bool = False) -> Any:
        """Drop where it trains."""
        x = self.norm(self.hidden(x), training=training)
        if training:
            x = self.drop(x, training=training)
        return self.out(x)


class Forced(keras.Model):
    """A subclassed model that calls its dropout with training=True."""

    def __init__(self, on: float) -> None:
        super().__init__()
        self.hidden, self.out = layers.Dense(8, "relu"), layers.Dense(3, "softmax")
        self.drop = layers.Dropout(0.4 * on)

    def call(self, x: Any) -> Any:
        """Drop, whatever is asked for."""
        return self.out(self.drop(self.hidden(x), training=True))
