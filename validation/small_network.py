"""A network whose rows are cheap, for runs over many: `validation.small_network:make` on the command line."""

from __future__ import annotations

import numpy as np

from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout

FEATURES, UNITS, CLASSES = 8, 32, 4


def make(end: str = "softmax", trained_for: str | None = None) -> ArrayModel:
    """Two dense layers in numpy with dropout between them; the same weights each time."""
    random = np.random.default_rng(0)
    steps = {
        "hidden": (Dense(random.normal(size=(FEATURES, UNITS)), random.normal(size=UNITS), "relu"), "x"),
        "drop": (Dropout(0.5), "hidden"),
        "output": (
            Dense(random.normal(size=(UNITS, CLASSES)) / 3, np.zeros(CLASSES), end),
            "drop",
        ),
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
