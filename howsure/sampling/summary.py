"""Passes in, means and their errors out: streaming, numpy only, in double precision.

Passes arrive in groups that are independent of each other; within a group they may be balanced.
Nothing is kept but running sums for each row, so memory does not grow with the number of passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.statistics import entropy_correction, entropy_of, widening

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ERROR_FLOOR = 0.0005
"""Least error ever reported. Where nearly all passes agree, their distribution is so skewed that the
spread of the few seen says nothing. Whether it suffices, docs/coverage.md says for random rows."""


ENTROPY_ERROR_FLOOR = 0.001
"""The same for entropies, in nats."""


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
        self._entropies = np.zeros((*shape[:-1], 3))
        self._entropies_between = np.zeros((*shape[:-1], 3))

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
        entropies = self._entropies_of(values, rows)
        step = entropies - self._entropies[rows]
        self._entropies_between[rows] += step**2 * (before * size / (before + size))
        self._entropies[rows] += step * (size / (before + size))
        self.passes[rows] += size
        self.groups[rows] += 1

    def _entropies_of(self, values: Floats, rows: Integers | slice) -> Floats:
        """(n, …, 3) means over a group of what the three entropies are means of.

        The entropy of the mean is that of −Σ p log(mean); the mean so far stands for the final one, and
        what that changes is of second order.
        """
        surprise = -np.log(np.maximum(self._mean[rows], np.finfo(np.float32).tiny))
        total = np.sum(values.mean(axis=0) * surprise, axis=-1)
        own = entropy_of(values).mean(axis=0)
        return np.stack([total, own, total - own], axis=-1)

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
        return self._entropies[..., 1]

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
        return self._floored(self._squared_error(self._between), ERROR_FLOOR)

    @property
    def entropies_error(self) -> Floats:
        """(N, …, 3) nats, errors of entropy, expected entropy and mutual information, as `mc_error`."""
        return self._floored(self._squared_error(self._entropies_between), ENTROPY_ERROR_FLOOR)

    @property
    def entropy_correction(self) -> Floats:
        """(N, …) nats to be added to the entropy of `probabilities`; 0 with fewer than two groups."""
        return entropy_correction(self._mean, self._squared_error(self._between))

    def _squared_error(self, between: Floats) -> Floats:
        return np.asarray(
            between / self._per_row(np.maximum(self.groups - 1, 1) * np.maximum(self.passes, 1))
        )

    def _floored(self, squared: Floats, least: float) -> Floats:
        error = np.maximum(np.sqrt(squared) * self._per_row(widening(self.groups)), least)
        error[self.groups < 2] = np.nan
        return np.asarray(error)
