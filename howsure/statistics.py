"""Formulas that several parts share: entropies, and intervals from few replicates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

ERROR_FLOOR = 0.0005
"""Least error of a probability ever reported. Where nearly all passes agree, their distribution is so skewed
that the spread of the few seen says nothing. Whether it suffices, docs/coverage.md says for random rows."""

ENTROPY_ERROR_FLOOR = 0.001
"""The same for entropies, in nats."""


def entropy_of(probabilities: Floats) -> Floats:
    """Shannon entropy in nats over the last axis; 0 · log 0 counts as 0."""
    positive = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(0.0 - np.sum(probabilities * np.log(positive), axis=-1))  # 0.0 −: no negative zero


def entropy_correction(mean: Floats, squared_error: Floats) -> Floats:
    """(…) nats, what the entropy of a mean (…, K) lacks on average: Σ se² / 2p (delta method)."""
    return np.asarray(np.sum(squared_error / (2 * np.maximum(mean, 1e-12)), axis=-1))


def total_entropy(probabilities: Floats, correction: Floats, expected_entropy: Floats) -> Floats:
    """(…) nats, the entropy of a mean with its correction: at most log K, at least the expected entropy.

    Args:
        probabilities: (…, K).
        correction: (…) as `entropy_correction` gives it.
        expected_entropy: (…) mean entropy of what the mean is of.
    """
    corrected = entropy_of(probabilities) + correction
    return np.maximum(np.minimum(corrected, np.log(probabilities.shape[-1])), expected_entropy)


def widening(groups: ArrayLike) -> Floats:
    """t/1.96: the factor that makes ± 1.96 standard errors from `groups` replicates cover 95 %.

    Args:
        groups: Number of replicates, ≥ 2; below, NaN.
    """
    given = np.asarray(groups)
    degrees, place = np.unique(given - 1, return_inverse=True)
    with np.errstate(invalid="ignore"):
        quantile = stats.t.ppf(0.975, np.where(degrees > 0, degrees, np.nan))
    return np.asarray(quantile / stats.norm.ppf(0.975))[place].reshape(given.shape)
