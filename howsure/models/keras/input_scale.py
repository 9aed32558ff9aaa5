"""Compare rows with the training statistics that the first normalisation of a Keras model stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.models.input_scale import times_larger, untouched
from howsure.models.keras.graph import Program, Value, run

Array = NDArray[Any]

FIRST_STEPS = 8
"""Number of first steps that are searched, which keeps the cost low: these steps run on a few rows."""


def first_kept(program: Program) -> int | None:
    """Index of the first step that normalises with stored statistics, if it is among the first steps."""
    first = enumerate(program.steps[:FIRST_STEPS])
    return next((at for at, step in first if _kept_by(step.operation) is not None), None)


def times_larger_than_kept(program: Program, at: int, rows: Sequence[Array]) -> float:
    """How many times larger rows (n, …) are than the training rows, by the statistics of one step.

    Args:
        program: The model; its steps before `at` run without randomness.
        at: Index from `first_kept`.
        rows: The inputs, flattened, in their types.
    """
    tensors = map(keras.ops.convert_to_tensor, rows)
    values = {slot: Value(each) for slot, each in zip(program.inputs, tensors, strict=True)}
    run(program.steps[:at], values, lambda step: 1)
    step = program.steps[at]
    seen = np.asarray(keras.ops.convert_to_numpy(values[step.inputs()[0]].tensor))
    found = _kept_by(step.operation)
    assert found is not None
    axis, mean, variance = found
    return times_larger(np.moveaxis(seen, axis, -1), mean, variance)


def _kept_by(layer: Any) -> tuple[int, Array, Array] | None:
    """Unit axis, mean (C,) and variance (C,) that a layer stored in training, or None."""
    if isinstance(layer, keras.layers.BatchNormalization):
        axis, kept = layer.axis, (layer.moving_mean, layer.moving_variance)
    elif isinstance(layer, keras.layers.Normalization) and len(layer.axis) == 1:
        axis, kept = layer.axis[0], (layer.mean, layer.variance)
    else:
        return None
    if any(each is None for each in kept):
        return None
    mean, variance = (np.ravel(keras.ops.convert_to_numpy(getattr(each, "value", each))) for each in kept)
    return None if untouched(mean, variance) else (int(axis), mean, variance)
