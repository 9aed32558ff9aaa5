"""Are rows on the scale that a network was trained on? What its batch normalisation keeps tells that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 16
"""Rows that are looked at, spread over all: the first normalisation sees each of their positions."""

FAR = 10.0
"""Standard deviations from the mean that are no chance, where a quarter of all units lie beyond them. More
need not, as a ReLU makes nothing of the others, on whatever scale rows are."""


LEAST = 40.0
"""Factor from which rows are called larger: scales that are mixed up differ by 100 or 255, of which
statistics that were kept for few steps show less. Rows that are less far off may be of another kind."""


def some_of(rows: Sequence[Array], count: int = ROWS) -> list[Array]:
    """A few rows (n, …) of all inputs, spread over them."""
    total = len(rows[0])
    return [array[np.linspace(0, total - 1, min(count, total)).astype(np.int64)] for array in rows]


def untouched(mean: Array, variance: Array) -> bool:
    """Whether a batch normalisation is as it began, and so has kept nothing."""
    return bool(np.all(mean == 0) and np.all(variance == 1))


def times_larger(seen: Array, mean: Array, variance: Array) -> float:
    """How many times larger values are than those of the training; 1 where they are not.

    A unit is far off where the root mean square of (value − mean) / √variance is above `FAR`. Where more than
    a quarter of the units are, it is told by what factor: the median over these units of the root mean square
    of their values over √(mean² + variance). Less than `LEAST` counts as 1.

    Args:
        seen: (…, C) what a normalisation gets.
        mean: (C,) of it in training.
        variance: (C,) likewise.
    """
    values = np.asarray(seen, np.float64).reshape(-1, len(mean))
    mean, variance = np.asarray(mean, np.float64), np.maximum(np.asarray(variance, np.float64), 1e-12)
    if not values.size or not np.isfinite(values).all():
        return 1.0
    far = ((values - mean) ** 2).mean(axis=0) > FAR**2 * variance
    if 4 * far.sum() <= len(mean) and not far.all():
        return 1.0
    factor = np.sqrt((values**2).mean(axis=0) / (mean**2 + variance))
    found = float(np.median(factor[far]))
    return found if found >= LEAST else 1.0
