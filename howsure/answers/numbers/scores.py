"""Scores of a normal distribution against the true number, one for each number of each row."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from howsure.sampling.outcome import Floats

_LOG_TWO_PI = float(np.log(2 * np.pi))


def nll(mean: Floats, std: Floats, y: Floats) -> Floats:
    """Minus the logarithm of the normal density at the true number, in nats; lower is better.

    ½ log 2πσ² + (y − μ)² / 2σ². A unit that is a thousand times smaller adds log 1000 to each.

    Args:
        mean: (…) μ.
        std: (…) σ ≥ 0. Where it is 0, the score is infinite, unless the mean is exactly right; then it is −∞.
        y: (…) the true numbers.

    Returns:
        (…); NaN where `std` is NaN.
    """
    error = np.abs(y - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.where(error > 0, error / std, 0.0)
        return np.asarray(np.where(np.isinf(away), np.inf, np.log(std) + away**2 / 2) + _LOG_TWO_PI / 2)


def crps(mean: Floats, std: Floats, y: Floats) -> Floats:
    """Continuous ranked probability score of a normal distribution, in the unit of y; lower is better.

    ∫ (F(t) − [t ≥ y])² dt = σ (z (2 Φ(z) − 1) + 2 φ(z) − 1/√π) with z = (y − μ)/σ (Gneiting and Raftery 2007,
    Strictly proper scoring rules, prediction, and estimation).

    Args:
        mean: (…) μ.
        std: (…) σ ≥ 0. Where it is 0, the score is the absolute error.
        y: (…) the true numbers.

    Returns:
        (…); NaN where `std` is NaN.
    """
    error = np.abs(y - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(std > 0, error / std, 0.0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    spread_out = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.asarray(np.where(std == 0, error, spread_out))
