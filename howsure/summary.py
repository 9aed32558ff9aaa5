"""Passes in, means and their errors out: streaming, numpy only, in double precision.

Passes arrive in groups that are independent of each other; within a group they may be balanced.
Nothing is kept but running sums for each row, so memory does not grow with the number of passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.certainty import entropy_of
from howsure.dropout.groups import widening

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ERROR_FLOOR = 0.0005
"""Least error ever reported. Where nearly all passes agree, their distribution is so skewed that the
spread of the few seen says nothing. Whether it suffices, docs/coverage.md says for random rows."""


class Summary:
    """Running sums over the passes of one block of rows; rows may have had different numbers of passes.

    Args:
        shape: Shape of one pass, (N, …, K).

    Attributes:
        passes: (N,) passes taken in so far.
        groups: (N,) groups taken in so far.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.passes: Integers = np.zeros(shape[0], dtype=np.int64)
        self.groups: Integers = np.zeros(shape[0], dtype=np.int64)
        self._mean = np.zeros(shape)
        self._between = np.zeros(shape)
        self._within = np.zeros(shape)
        self._entropy = np.zeros(shape[:-1])

    def add(self, group: ArrayLike, rows: Integers | slice = slice(None)) -> None:
        """Take in one group of passes.

        Args:
            group: (B, n, …, K) probabilities of B passes.
            rows: Which n rows they are; each row at most once.
        """
        values = np.asarray(group, dtype=np.float64)
        size = len(values)
        mean = values.mean(axis=0)
        before = self._per_row(self.passes[rows])
        step = mean - self._mean[rows]
        # Chan, Golub & LeVeque (1979), weights in passes.
        self._between[rows] += step**2 * (before * size / (before + size))
        self._mean[rows] += step * (size / (before + size))
        self._within[rows] += np.sum((values - mean) ** 2, axis=0)
        self._entropy[rows] += np.sum(entropy_of(values), axis=0)
        self.passes[rows] += size
        self.groups[rows] += 1

    def _per_row(self, values: NDArray[Any]) -> NDArray[Any]:
        """(n,) as (n, 1, …, 1), to stand beside passes."""
        return values.reshape(-1, *[1] * (self._mean.ndim - 1))

    @property
    def probabilities(self) -> Floats:
        """(N, …, K) mean over all passes."""
        return self._mean

    @property
    def expected_entropy(self) -> Floats:
        """(N, …) nats, mean over passes of the entropy of each pass."""
        return np.asarray(self._entropy / self._per_row(self.passes)[..., 0])

    @property
    def variance(self) -> Floats:
        """(N, …, K) variance over passes, divided by the number of passes as `numpy.var` does."""
        return np.asarray((self._within + self._between) / self._per_row(self.passes))

    @property
    def mc_error(self) -> Floats:
        """(N, …, K) standard error of `probabilities`, such that ± 1.96 of it covers 95 %.

        From the spread of the R group means m_g of sizes B_g around the mean m of all T passes:
        √(Σ B_g (m_g − m)² / ((R − 1) T)) · t₀.₉₇₅(R − 1)/1.96, at least `ERROR_FLOOR`.
        NaN with fewer than two groups: no error can be told from one.
        """
        degrees = np.maximum(self.groups - 1, 1)
        error = np.sqrt(self._between / self._per_row(degrees * self.passes))
        error = np.maximum(error * self._per_row(widening(self.groups)), ERROR_FLOOR)
        error[self.groups < 2] = np.nan
        return np.asarray(error)
