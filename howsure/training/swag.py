"""SWAG: a normal distribution of weights along one training (Maddox and others 2019). numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """SWAG's moments of P trainable weights, concatenated.

    Attributes:
        count: Number of epochs collected.
        mean: (P,) running mean.
        squared_mean: (P,) running mean of the squares.
        deviations: Up to `rank` arrays (P,): the weights of the last epochs, each minus the running mean of
            that time. For the first epoch it is therefore 0, as in the paper.
    """

    count: int
    mean: NDArray[np.float64]
    squared_mean: NDArray[np.float64]
    deviations: tuple[NDArray[np.float32], ...]

    @property
    def variance(self) -> NDArray[np.float64]:
        """(P,) squared_mean − mean², at least 0."""
        return np.maximum(self.squared_mean - self.mean**2, 0.0)


def add_epoch(moments: Moments | None, weights: Array, rank: int) -> Moments:
    """The moments with one more epoch; pass None for the first epoch.

    Args:
        moments: Moments of the epochs so far, or None.
        weights: (P,) weights of the new epoch.
        rank: Number of deviations that are stored.
    """
    weights = weights.astype(np.float64)
    if moments is None:
        moments = Moments(0, np.zeros_like(weights), np.zeros_like(weights), ())
    count = moments.count + 1
    mean = moments.mean + (weights - moments.mean) / count
    squared_mean = moments.squared_mean + (weights**2 - moments.squared_mean) / count
    deviations = (*moments.deviations, (weights - mean).astype(np.float32))[-rank:]
    return Moments(count, mean, squared_mean, deviations)


def draw_weights(
    moments: Moments, count: int, *, scale: float = 1.0, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Draws from SWAG's normal distribution (Maddox and others 2019, equation 1).

    w = mean + √scale · (√(variance / 2) z₁ + D z₂ / √(2 (R − 1))), with D the (P, R) deviations and z₁ (P,),
    z₂ (R,) standard normal: mean `mean`, covariance scale · ½ (diag(variance) + D Dᵀ / (R − 1)).

    Args:
        moments: Moments of at least two epochs.
        count: Number of draws; draw m is the same for any number.
        scale: Factor of the covariance, ≥ 0; 0 gives the mean.
        seed: Seed of the draws, ≥ 0.

    Yields:
        Weights (P,), one array for each draw.
    """
    deviation = np.sqrt(moments.variance / 2)
    rank = len(moments.deviations)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        drawn = deviation * random.standard_normal(len(deviation))
        for factor, column in zip(random.standard_normal(rank), moments.deviations, strict=True):
            drawn += factor / np.sqrt(2 * (rank - 1)) * column
        yield moments.mean + np.sqrt(scale) * drawn
