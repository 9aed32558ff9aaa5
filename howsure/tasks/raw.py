"""Raw outputs of a model, for callers who want means and variances and no verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.adapters.protocol import RawOutputs
from howsure.errors import InputError
from howsure.inputs.rows import as_array
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, Outcome, ResultMetadata


@dataclass(frozen=True)
class Raw(Outcome):
    """The numbers that a model puts out, uninterpreted.

    Args:
        shape: Shape of the output for one row.
    """

    shape: tuple[int, ...]
    name = "raw"

    @property
    def width(self) -> int:
        """How many numbers there are for a row."""
        return math.prod(self.shape)

    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """(W, n, K) the numbers, laid out one after the other."""
        return raw.astype(np.float64).reshape(*raw.shape[:2], -1)

    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether all errors are small enough."""
        return np.asarray(np.all(estimates.error <= target_error, axis=-1))

    def check_truth(self, labels: Any, rows: int) -> Any:
        """The same, or an `InputError` unless these have the shape of the outputs."""
        truth = as_array(labels, "The true outputs")
        if truth.shape != (rows, *self.shape):
            raise InputError(
                "The true outputs do not fit the rows",
                expected=f"an array of shape {(rows, *self.shape)}",
                received=f"an array of shape {truth.shape}",
            )
        return truth

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> tuple[Floats, Floats]:
        """Mean and variance over the passes, each (N, *shape)."""
        shape = (len(estimates), *self.shape)
        return estimates.mean.reshape(shape), estimates.variance.reshape(shape)
