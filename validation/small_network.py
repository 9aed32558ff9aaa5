"""Networks in numpy whose rows are cheap: `validation.small_network:make` on the command line."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.inputs.rows import InputSpec
from tests.support.arrays import ArrayModel, Dense, Dropout

FEATURES, UNITS, CLASSES = 8, 32, 4


def chain(shape: tuple[int, ...], *layers: Any, trained_for: str | None = None, of: type = ArrayModel) -> Any:
    """A network of layers one after the other; the last one is its output."""
    names = ["x", *(f"step{number}" for number in range(1, len(layers))), "output"]
    steps = {name: (layer, before) for layer, before, name in zip(layers, names[:-1], names[1:], strict=True)}
    return ArrayModel("small", [InputSpec("x", shape, "float32")], steps, trained_for=trained_for)


def thinned(units: int, rate: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(M, U) all masks of some units, true where one is kept, and (M,) how probable each is."""
    kept = np.array(list(itertools.product([False, True], repeat=units)))
    return kept, np.prod(np.where(kept, 1 - rate, rate), axis=1)


def make(end: str = "softmax", trained_for: str | None = None) -> ArrayModel:
    """Two dense layers in numpy with dropout between them; the same weights each time."""
    random = np.random.default_rng(0)
    steps = {
        "hidden": (Dense(random.normal(size=(FEATURES, UNITS)), random.normal(size=UNITS), "relu"), "x"),
        "drop": (Dropout(0.5), "hidden"),
        "output": (Dense(random.normal(size=(UNITS, CLASSES)) / 3, np.zeros(CLASSES), end), "drop"),
    }
    return ArrayModel("small", [InputSpec("x", (FEATURES,), "float32")], steps, trained_for=trained_for)


def labels() -> ArrayModel:
    """The same with several labels per row."""
    return make("sigmoid", "labels")


def numbers() -> ArrayModel:
    """The same with several numbers per row."""
    return make("linear", "regression")


def rows(count: int, seed: int = 1) -> np.ndarray:
    """(count, FEATURES) rows for it, float32."""
    return np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)
