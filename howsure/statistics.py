"""Formulas that several parts share: entropies, and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

# These are all that is needed of scipy.stats, with which loading howsure takes half as long again.
from scipy.special import betainc, betaincc, betaincinv, ndtri, stdtrit

Floats = NDArray[np.float64]

ERROR_FLOOR = 0.0005
"""Least error of a probability ever reported. If nearly all passes agree, their distribution is so skewed
that the spread of the few seen says nothing. Whether it suffices, docs/fresh.md says for random rows."""

FLIPS, FLIPS_AT_ONCE = 2000, 100
"""Draws of the signs of differences, and how many are held at a time; 95 % of so many is 94 to 96 %."""

ENTROPY_ERROR_FLOOR = 0.001
"""The same for entropies, in nats."""


def entropy_of(probabilities: Floats) -> Floats:
    """Shannon entropy in nats over the last axis; 0 · log 0 counts as 0."""
    positive = np.where(probabilities > 0, probabilities, 1.0)
    entropy: Floats = 0.0 - np.sum(probabilities * np.log(positive), axis=-1)  # 0.0 −: no negative zero
    return entropy


def entropy_correction(mean: Floats, squared_error: Floats) -> Floats:
    """(…) nats, what the entropy of a mean (…, K) lacks on average: Σ se² / 2p (delta method).

    A probability of 0 lacks nothing: all that it is the mean of are 0, but for rounding.
    """
    of_each = squared_error / (2 * np.maximum(mean, 1e-12))
    lacking: Floats = np.sum(np.where(mean > 0, of_each, 0.0), axis=-1)
    return lacking


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
    counts = np.asarray(groups)
    degrees, place = np.unique(counts - 1, return_inverse=True)
    with np.errstate(invalid="ignore"):
        quantile = stdtrit(np.where(degrees > 0, degrees, np.nan), 0.975)
    return np.asarray(quantile / ndtri(0.975))[place].reshape(counts.shape)


LARGEST_ERROR = float(widening(2) / 2)
"""Largest standard error of a mean of numbers between 0 and 1, as widened for intervals: 3.24, from two
groups of passes of which one says 0 and the other 1."""


def proportion_interval(hits: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share (Clopper and Pearson 1934); 0 to 1 of nothing."""
    tail = (1 - confidence) / 2
    low = betaincinv(hits, total - hits + 1, tail) if hits else 0.0
    high = betaincinv(hits + 1, total - hits, 1 - tail) if hits < total else 1.0
    return float(low), float(high)


def at_most(hits: ArrayLike, total: ArrayLike, share: ArrayLike) -> Floats:
    """Probability of so many hits or fewer among `total`, each a hit with probability `share` (binomial)."""
    few = np.asarray(hits)
    total_left = np.asarray(total) - few
    return np.where(total_left > 0, betaincc(few + 1, np.maximum(total_left, 1), share), 1.0)


def at_least(hits: ArrayLike, total: ArrayLike, share: ArrayLike) -> Floats:
    """Probability of so many hits or more among `total`, each a hit with probability `share` (binomial)."""
    many = np.asarray(hits)
    return np.where(many > 0, betainc(np.maximum(many, 1), np.asarray(total) - many + 1, share), 1.0)


def normal_density(x: ArrayLike) -> Floats:
    """Density of the standard normal distribution."""
    density: Floats = np.exp(-(np.asarray(x) ** 2) / 2.0) / np.sqrt(2 * np.pi)
    return density


def skewed_interval(value: float, parts: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a sum of independent parts that may be skewed: a t without its skewness (Hall 1992).

    With σ² = Σ parts² and s = Σ parts³ / σ³, from value − σ g(z) to value + σ g(z), where g(x) = 3/s · ((1 +
    s (x − s/6))^⅓ − 1) and z the quantiles of the normal distribution. For a sum of k equal jumps it is near
    the exact interval of a Poisson number, from k = 1 on.

    Args:
        value: The sum.
        parts: (N,) what each adds, less its mean.
        confidence: That the interval holds the true value.
    """
    error = float(np.sqrt(np.sum(parts**2)))
    if error == 0:
        return value, value
    skewness = float(np.sum((parts / error) ** 3))
    z = float(ndtri((1 + confidence) / 2))

    def without_skewness(x: float) -> float:
        if abs(skewness) < 1e-6:
            return x
        return 3 / skewness * (float(np.cbrt(1 + skewness * (x - skewness / 6))) - 1)

    return value - error * without_skewness(z), value - error * without_skewness(-z)


def symmetric_interval(value: float, parts: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a sum of independent parts by Student's t, with the degrees that its variance has.

    The variance Σ parts² varies by Σ parts⁴ − (Σ parts²)² / N, so it has 2 / (Σ parts⁴ / (Σ parts²)² − 1/N)
    degrees of freedom (Satterthwaite 1946): N of normal parts, and about 2k where k equal jumps decide among
    rows that hardly differ. So a few rows prove little, as they do in a sign test.

    Args:
        value: The sum.
        parts: (N,) what each adds, less its mean.
        confidence: That the interval holds the true value.
    """
    variance = float(np.sum(parts**2))
    if variance == 0:
        return value, value
    reach = float(np.sqrt(variance) * stdtrit(degrees_of_freedom(parts), (1 + confidence) / 2))
    return value - reach, value + reach


def degrees_of_freedom(parts: Floats) -> float:
    """Those of the variance Σ parts² > 0 of parts (N,); see `symmetric_interval`."""
    squares = parts**2
    uneven = float(np.sum((squares / np.sum(squares)) ** 2)) - 1 / len(parts)
    return 2 / max(uneven, 1e-12)


def simultaneous_critical_value(
    values: Floats, pairs: Sequence[tuple[int, int]], confidence: float = 0.95
) -> float:
    """How many standard errors all differences of pairs have to be wide so that they hold together.

    The signs of a row's differences are drawn anew, the same for all pairs, and the quantile is that of the
    largest |Σ difference| / √(Σ difference²): a wild bootstrap of the maximum (Liu 1988), and an exact test
    where differences are symmetric, however few rows decide and however far they lie out. Correlated scores
    need less than independent ones, whose quantile is that of Tukey's range.

    Args:
        values: (M, N) what each row adds to each of M scores.
        pairs: Pairs of the M scores to compare.
        confidence: Confidence for all together.
    """
    one, other = np.transpose(pairs)
    error = np.sqrt(np.sum((values[one] - values[other]) ** 2, axis=1))
    one, other, error = (values[error > 0] for values in (one, other, error))
    if not len(error):
        return float(ndtri((1 + confidence) / 2))
    random, largest = np.random.default_rng(0), []
    for _ in range(FLIPS // FLIPS_AT_ONCE):
        signs = 2.0 * random.integers(0, 2, size=(FLIPS_AT_ONCE, values.shape[1]), dtype=np.int8) - 1
        sums = signs @ values.T
        largest.append(np.max(np.abs(sums[:, one] - sums[:, other]) / error, axis=1))
    return float(np.quantile(np.concatenate(largest), confidence, method="higher")) * (1 + 1e-9)  # rounding
