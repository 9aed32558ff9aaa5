"""How the networks of `python -m validation.models` are named and found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

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
    """

    make: Make
    what: str
    source: str = ""
    oracle: Make | None = None
    one_draw: bool = False
    finish: Callable[[Model], None] = lambda model: None
    copies: int = 3000
    backends: tuple[str, ...] = ()


ARCHITECTURES: dict[str, Architecture] = {}


def add(source: str = "", **more: Any) -> Callable[[Make], Make]:
    """Put the decorated function among the architectures; its docstring says what it is."""

    def added(make: Make) -> Make:
        what = (make.__doc__ or "").rstrip(".")
        ARCHITECTURES[make.__name__] = Architecture(make, what, source, **more)
        return make

    return added


def classes(x: Any, count: int = 3) -> Any:
    """A softmax over classes."""
    return layers.Dense(count, activation="softmax")(x)


def stack(shape: Any, *steps: Any, dtype: str | None = None) -> Model:
    """A Sequential that ends in three classes."""
    return keras.Sequential([keras.Input(shape, dtype=dtype), *steps, layers.Dense(3, activation="softmax")])
