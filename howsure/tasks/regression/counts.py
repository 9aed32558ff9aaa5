"""Counts: how many there will be, around an expected number that a model predicts.

    a network with rate m     mean m, variance m + a m²        negative binomial; a = 0 makes it Poisson
    all networks              mean, std² = spread² + noise²    likewise; noise² = mean + a (mean² + spread²)

The over-dispersion a is 0, as a Poisson loss has it, until `howsure.calibrate` learns it from held-out rows
(NB2 of Cameron and Trivedi 1986). A result of counts says so in its `method`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # `scipy.stats` takes long to load, and loads when it is used

from howsure.errors import InputError
from howsure.inputs.rows import in_rows
from howsure.sampling.outcome import Floats

if TYPE_CHECKING:
    from howsure.tasks.regression.result import RegressionCertainty

COUNTS = "counts"
"""The entry of `method` that says it."""

ROUNDING = 1e-8
"""Share by which the variance of a Poisson distribution may be off by rounding."""

PARTS, BEYOND = np.linspace(0, 1, 256), 23.0
"""Nodes of the trapezoid rule of `crps`. It leaves out less than e⁻²³ of the whole at either end."""

AT_ONCE = 10_000
"""Rows whose nodes are held at a time; bounds memory."""


def is_counts(of: Any) -> bool:
    """Whether a result, or a row of it, tells of counts."""
    return bool(of.method.get(COUNTS))


def refuse(result: RegressionCertainty, what: str, hint: str = "") -> None:
    """Raise an `InputError` where a result tells of counts, which do not allow this."""
    if is_counts(result):
        raise InputError(
            f"{what}: the model predicts counts",
            expected="numbers of any size",
            received="outputs='rates' or 'log-rates'",
            hint=hint or "outputs='values' reads expected counts as plain numbers",
        )


def check_counts(numbers: Floats) -> Floats:
    """True counts (N, K), or an `InputError` that names the rows where they are none."""
    wrong = np.flatnonzero(((numbers < 0) | (numbers != np.rint(numbers))).any(axis=-1))
    if len(wrong):
        raise InputError(
            f"The true numbers are no counts {in_rows(len(wrong), wrong[:5].tolist())}",
            expected="whole numbers of at least 0",
            received=", ".join(f"{number:g}" for number in numbers[wrong[0]][:5]),
            hint="outputs='values' reads what the model puts out as plain numbers",
        )
    return numbers


def with_dispersion(
    result: RegressionCertainty, dispersion: Floats | float, source: str
) -> RegressionCertainty:
    """The result as one of counts with this over-dispersion: (K,), or one number for all.

    Args:
        result: Expected counts (N, K).
        dispersion: At least 0.
        source: Its source in words.
    """
    mean, spread = result.mean, 0.0 if result.spread is None else np.nan_to_num(result.spread)
    variance = mean + dispersion * (mean**2 + spread**2)
    return replace(
        result,
        noise=np.sqrt(variance),
        std=np.sqrt(variance + spread**2),
        noise_from=source,
        method={**result.method, COUNTS: True},
    )


def dispersion_of(mean: Floats, std: Floats, spread: Floats | float = 0.0) -> Floats:
    """(…) a, where the variance is mean + a (mean² + spread²); 0 where the mean is."""
    excess, square = std**2 - mean, mean**2 + np.nan_to_num(spread) ** 2
    known = (excess > ROUNDING * mean) & (square > 0)
    return np.asarray(np.divide(excess, square, out=np.zeros_like(excess), where=known))


def _of(name: str, at: Any, mean: Any, dispersion: Any) -> Floats:
    """A function of scipy's distributions, such as `cdf`, of counts of this mean and over-dispersion."""
    at, mean, dispersion = np.broadcast_arrays(at, mean, dispersion)
    values, poisson = np.empty(at.shape), dispersion * mean <= ROUNDING
    values[poisson] = getattr(scipy.stats.poisson, name)(at[poisson], mean[poisson])
    size, mean = 1 / dispersion[~poisson], mean[~poisson]
    values[~poisson] = getattr(scipy.stats.nbinom, name)(at[~poisson], size, size / (size + mean))
    return values


def above(threshold: Any, mean: Any, dispersion: Any) -> Floats:
    """(…) probability of a count above a threshold, which may lie between two counts."""
    return _of("sf", threshold, mean, dispersion)


def interval(mean: Floats, std: Floats, level: float) -> Floats:
    """(…, 2) whole ends between which at least a share `level` of counts lies, with equal tails."""
    dispersion = dispersion_of(mean, std)
    return np.stack([_of("ppf", (1 + side * level) / 2, mean, dispersion) for side in (-1, 1)], axis=-1)


def claimed(mean: Floats, std: Floats, ends: Floats) -> Floats:
    """(…) probability of a count from one end (…, 2) to the other: more than the level, as ends are whole."""
    a = dispersion_of(mean, std)
    return _of("cdf", ends[..., 1], mean, a) - _of("cdf", ends[..., 0] - 1, mean, a)


def nll(mean: Floats, std: Floats, y: Floats) -> Floats:
    """(…) minus the logarithm of the probability of the true count, in nats; infinite where that is 0."""
    return -_of("logpmf", y, mean, dispersion_of(mean, std))


def crps(mean: Floats, std: Floats, y: Floats) -> Floats:
    """(N,) continuous ranked probability score, E|X − y| − ½ E|X − X'| (Gneiting and Raftery 2007).

    With the distribution function F and the probability f of y:

        E|X − y|      mean − y + 2 ((y − mean) F + mean (1 + a y) f)
        ½ E|X − X'|   1/2π ∫₀^∞ (1 − |φ|²)/x² dx,   |φ|² = (1 + 4 a std² x²/(1 + x²))^(−1/a)

    The first follows from the recursion of the probabilities. In the second φ is the characteristic function
    at the angle 2 arctan x, and the integral is that over the lattice of counts.
    """
    a = dispersion_of(mean, std)
    away = mean - y + 2 * ((y - mean) * _of("cdf", y, mean, a) + mean * (1 + a * y) * _of("pmf", y, mean, a))
    low = -BEYOND - np.log(np.maximum(std, 1.0))  # in log x the integrand falls on both sides, evenly
    for start in range(0, len(y), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        step = (BEYOND - low[part]) / (len(PARTS) - 1)
        at = low[part, None] + (BEYOND - low[part, None]) * PARTS
        excess, tangent = a[part, None] * std[part, None] ** 2, np.exp(2 * at)
        by_angle = 4 * tangent / (1 + tangent)
        power = np.where(
            excess > ROUNDING,
            np.log1p(excess * by_angle) / np.where(excess > ROUNDING, a[part, None], 1.0),
            std[part, None] ** 2 * by_angle,
        )
        away[part] -= step * (-np.expm1(-power) * np.exp(-at)).sum(axis=-1) / (2 * np.pi)
    return np.maximum(away, 0.0)


def pit(mean: Floats, std: Floats, y: Floats, seed: int) -> Floats:
    """(N,) share of counts below the true one, and a share drawn at random of those equal to it.

    It is uniform from 0 to 1 if the distributions are true (Smith 1985). Draws follow the order of these
    shares, so that they are the same in whatever order rows come.
    """
    a = dispersion_of(mean, std)
    below, up_to = (_of("cdf", at, mean, a) for at in (y - 1, y))
    drawn = np.empty(len(y))
    drawn[np.lexsort((up_to, below))] = np.random.default_rng(seed).random(len(y))
    return np.asarray(below + drawn * (up_to - below))
