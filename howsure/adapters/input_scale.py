"""Compare the scale of rows with that of the training rows, by the statistics of batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 16
"""Number of rows to compare, spread over all; the first normalisation sees each of their positions."""

FAR = 10.0
"""Standard deviations from the mean that are no chance if more than a quarter of all units lie beyond them. A
larger share is not required: behind a ReLU many units are 0 on any scale of the rows."""


LEAST = 40.0
"""Smallest factor that counts as larger. Mixed-up scales differ by 100 or 255; statistics collected over few
training steps show less of it. Rows that are less far off may just be of another kind."""


def some_of(rows: Sequence[Array], count: int = ROWS) -> list[Array]:
    """A few rows (n, …) of all inputs, spread evenly over them."""
    total = len(rows[0])
    at = slice(None) if total <= count else np.linspace(0, total - 1, count).astype(np.int64)
    return [array[at] for array in rows]


def untouched(mean: Array, variance: Array) -> bool:
    """True if a batch normalisation still has its initial statistics."""
    return bool(np.all(mean == 0) and np.all(variance == 1))


def times_larger(inputs: Array, mean: Array, variance: Array) -> float:
    """How many times larger values are than in training; 1 if they are not.

    A unit is far off if the root mean square of (value − mean) / √variance is above `FAR`. If more than a
    quarter of the units are far off, the factor is the median, over these units, of the root mean square of
    their values divided by √(mean² + variance). A factor below `LEAST` counts as 1.

    Args:
        inputs: (…, C) input of a normalisation.
        mean: (C,) its mean in training.
        variance: (C,) its variance in training.
    """
    values = np.asarray(inputs, np.float64).reshape(-1, len(mean))
    mean, variance = np.asarray(mean, np.float64), np.maximum(np.asarray(variance, np.float64), 1e-12)
    if not values.size or not np.isfinite(values).all():
        return 1.0
    far = ((values - mean) ** 2).mean(axis=0) > FAR**2 * variance
    if 4 * far.sum() <= len(mean) and not far.all():
        return 1.0
    factor = np.sqrt((values**2).mean(axis=0) / (mean**2 + variance))
    times = float(np.median(factor[far]))
    return times if times >= LEAST else 1.0
