"""Many small networks trained at once, in JAX: one hidden layer of ReLU, dropout before both layers.

They are the networks of Gal & Ghahramani (2016) as their public code of 2018 has them (`net/net.py` of
github.com/yaringal/DropoutUncertaintyExps): Glorot's uniform weights, biases 0, mean squared error plus
`reg` · Σ w², Adam with Keras's constants, every epoch in a new order, a smaller last batch. The first axis
of every array is the network, so a step of all networks is one product of stacked matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from tests.support.arrays import ArrayModel, Dense, Dropout
from validation.small_network import chain

Floats = NDArray[np.floating]
Weights = dict[str, Any]
"""`hidden` (B, D + 1, H) and `output` (B, H + 1): weights, and in the last place the biases."""

HIDDEN = 50
BATCH = 128
LEARNING_RATE, FIRST, SECOND, EPSILON = 1e-3, 0.9, 0.999, 1e-7
"""Adam's constants, as Keras has them."""

AT_ONCE = 20
"""Epochs whose orders are drawn together."""


def initial(seed: int, networks: int, features: int) -> Weights:
    """Weights before training: uniform within ±√(6 / (inputs + outputs)) (Glorot & Bengio 2010), biases 0."""
    random = np.random.default_rng(seed)
    hidden = np.zeros((networks, features + 1, HIDDEN), np.float32)
    output = np.zeros((networks, HIDDEN + 1), np.float32)
    reach, last = np.sqrt(6 / (features + HIDDEN)), np.sqrt(6 / (HIDDEN + 1))
    hidden[:, :-1] = random.uniform(-reach, reach, (networks, features, HIDDEN))
    output[:, :-1] = random.uniform(-last, last, (networks, HIDDEN))
    return {"hidden": hidden, "output": output}


def train(x: Floats, y: Floats, rate: Floats, reg: Floats, *, epochs: int, seed: int) -> Weights:
    """Train B networks, each on its own rows, standardised (B, N, D) and (B, N).

    `rate` (B,) is the dropout of inputs and hidden units, `reg` (B,) the factor of the sum of squared weights
    in the loss. The seed is that of weights, orders and masks.
    """
    networks, rows, features = x.shape
    weights = initial(seed, networks, features)
    moments = [jax.tree.map(np.zeros_like, weights) for _ in range(2)]
    state = (weights, *moments, np.uint32(0))
    given = [jnp.asarray(each, jnp.float32) for each in (x, y, rate, reg)]
    random = np.random.default_rng([seed, 1])
    numbers = np.broadcast_to(np.arange(rows, dtype=np.int32), (AT_ONCE, networks, rows))
    for done in range(0, epochs, AT_ONCE):
        orders = random.permuted(numbers, axis=2)[: epochs - done]
        state = _epochs(state, orders, *given, jnp.uint32(seed))
    return {name: np.asarray(value) for name, value in state[0].items()}


@jax.jit
def _epochs(state: Any, orders: Any, x: Any, y: Any, rate: Any, reg: Any, seed: Any) -> Any:
    """The state after some epochs, in the orders (E, B, N)."""

    def step(state: Any, rows: Any) -> tuple[Any, None]:
        weights, first, second, count = state
        count = count + 1
        inputs = jnp.take_along_axis(x, rows[:, :, None], axis=1)
        slope = gradient(
            weights, inputs, jnp.take_along_axis(y, rows, axis=1), rate, reg, _mixed(count ^ _mixed(seed))
        )
        first = jax.tree.map(lambda m, g: FIRST * m + (1 - FIRST) * g, first, slope)
        second = jax.tree.map(lambda v, g: SECOND * v + (1 - SECOND) * g * g, second, slope)
        done = count.astype(jnp.float32)
        pace = LEARNING_RATE * jnp.sqrt(1 - SECOND**done) / (1 - FIRST**done)
        weights = jax.tree.map(lambda w, m, v: w - pace * m / (jnp.sqrt(v) + EPSILON), weights, first, second)
        return (weights, first, second, count), None

    def epoch(state: Any, order: Any) -> tuple[Any, None]:
        networks, rows = order.shape
        full = rows // BATCH
        if full:
            batches = order[:, : full * BATCH].reshape(networks, full, BATCH).swapaxes(0, 1)
            state, _ = jax.lax.scan(step, state, batches)
        if rows % BATCH:
            state, _ = step(state, order[:, full * BATCH :])
        return state, None

    return jax.lax.scan(epoch, state, orders)[0]


def gradient(weights: Weights, x: Any, y: Any, rate: Any, reg: Any, seed: Any) -> Weights:
    """The gradient of mean squared error + `reg` · Σ w² of each network, with masks drawn by `seed`.

    Written out, because masks are then drawn once; automatic differentiation takes twice the time.
    """
    hidden, output = weights["hidden"], weights["output"]
    inputs, units = _forward(weights, x, rate, seed)
    said = jnp.einsum("bnh,bh->bn", units, output[:, :-1]) + output[:, -1:]
    error = (said - y) * (2 / y.shape[1])
    # A unit that is above 0 was kept, and scaled by 1 / (1 − rate).
    back = output[:, None, :-1] / (1 - rate[:, None, None])
    back = jnp.where(units > 0, error[:, :, None] * back, 0)
    of_hidden = jnp.einsum("bnd,bnh->bdh", inputs, back)
    of_output = jnp.concatenate(
        [jnp.einsum("bnh,bn->bh", units, error), error.sum(axis=1, keepdims=True)], axis=1
    )
    return {
        "hidden": of_hidden + 2 * reg[:, None, None] * hidden.at[:, -1].set(0),
        "output": of_output + 2 * reg[:, None] * output.at[:, -1].set(0),
    }


def _forward(weights: Weights, x: Any, rate: Any, seed: Any) -> tuple[Any, Any]:
    """Inputs (B, n, D + 1) and hidden units (B, n, H), both after dropout; each row has masks of its own."""
    networks, rows, features = x.shape
    inputs = x * _kept((networks, rows, features), rate, seed)
    inputs = jnp.concatenate([inputs, jnp.ones((networks, rows, 1), x.dtype)], axis=2)
    units = jnp.maximum(jnp.einsum("bnd,bdh->bnh", inputs, weights["hidden"]), 0)
    return inputs, units * _kept((networks, rows, HIDDEN), rate, seed ^ jnp.uint32(0x9E3779B9))


def _kept(shape: tuple[int, int, int], rate: Any, seed: Any) -> Any:
    """Masks of this shape: 0, or 1 / (1 − rate) where a unit is kept; `rate` is that of each network."""
    place = jnp.zeros(shape, jnp.uint32)
    for axis, side in enumerate(shape):
        place = place * jnp.uint32(side) + jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
    below = (rate * 2.0**32).astype(jnp.uint32)[:, None, None]
    return jnp.where(_mixed(place ^ seed) >= below, 1 / (1 - rate[:, None, None]), 0)


def _mixed(value: Any) -> Any:
    """A number of 32 bits that looks random (lowbias32 of Wellons, nullprogram.com/blog/2018/07/31).

    JAX's own generators take ten times as long as all the rest of a step.
    """
    value = value ^ (value >> 16)
    value = value * jnp.uint32(0x7FEB352D)
    value = value ^ (value >> 15)
    value = value * jnp.uint32(0x846CA68B)
    return value ^ (value >> 16)


def passes(
    weights: Weights, x: Floats, rate: Floats, count: int, *, seed: int, at_once: int = 100
) -> Iterator[Any]:
    """Stochastic passes of B networks over (B, n, D) rows: arrays (at_once, B, n), `count` passes in all."""
    given = jax.tree.map(jnp.asarray, (weights, np.float32(x), np.float32(rate)))
    for done in range(0, count, at_once):
        yield _some_passes(*given, jnp.uint32(seed), jnp.uint32(done), at_once)


@partial(jax.jit, static_argnums=5)
def _some_passes(weights: Weights, x: Any, rate: Any, seed: Any, done: Any, at_once: int) -> Any:
    def one(number: Any) -> Any:
        _, units = _forward(weights, x, rate, _mixed(number ^ _mixed(seed ^ jnp.uint32(0x5BD1E995))))
        return jnp.einsum("bnh,bh->bn", units, weights["output"][:, :-1]) + weights["output"][:, -1:]

    return jax.lax.map(one, done + jnp.arange(at_once, dtype=jnp.uint32))


def as_model(weights: Weights, network: int, rate: float) -> ArrayModel:
    """One of the networks, for howsure."""
    hidden, output = weights["hidden"][network], weights["output"][network]
    units, last = Dense(hidden[:-1], hidden[-1], "relu"), Dense(output[:-1, None], output[-1:])
    return chain((len(hidden) - 1,), Dropout(rate), units, Dropout(rate), last, trained_for="regression")
