"""How far networks lie apart: the spread of a probability between them, and its quantiles.

The numbers of one row's K probabilities over T passes, each pass one network:

    spread      standard deviation of a probability over networks, (N, K)
    quantiles   of the top class's probability over networks, at `LEVELS`, (N, 11)
    interval    two of them: nine in ten networks lie between those at 0.05 and 0.95

More passes make `mc_error` smaller, as it is the error of their mean. They do not change the spread: it
belongs to the networks, and more passes only make it better known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from howsure.arguments import as_number
from howsure.errors import InputError
from howsure.inputs.rows import in_rows
from howsure.statistics import ERROR_FLOOR, widening

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEVELS = (0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.995)
"""Shares of networks below a quantile: the ends of intervals for 50, 80, 90, 95 and 99 %, and the median."""

SHOWN = 0.9
"""Share of the networks that lie in the interval of a sentence: at the 20 passes that a row gets at the
least, one lies below it and one above."""

TOLD = (SHOWN, 0.95, 0.99)
"""Levels of the interval in a sentence: the first of these that holds the mean, which cannot be read outside
of where its networks lie."""

MOST = LEVELS[-1] - LEVELS[0]
"""Share of the networks in the widest interval."""

NORMAL_KURTOSIS = 3.0
"""Least kurtosis assumed of a number between networks: few passes hardly tell it."""

LEAST_PASSES = 10
"""Fewer passes do not tell how well they tell a spread: of five, ± 1.96 errors cover it in 87 %."""

ROUNDING = float(np.finfo(np.float32).eps)
"""How far a quantile may fall that was rounded to single precision."""

SMALLEST = float(np.finfo(np.float64).tiny)


def angles(probabilities: Floats) -> Floats:
    """(…) 0 to 1, arcsin(√p) · 2/π: where the distance of two probabilities counts alike from 0 to 1."""
    return np.asarray(np.arcsin(np.sqrt(np.clip(probabilities, 0, 1))) * (2 / np.pi))


def from_angles(angles: Floats) -> Floats:
    """(…) the probabilities that have these `angles`."""
    return np.asarray(np.sin(np.clip(angles, 0, 1) * (np.pi / 2)) ** 2)


def interval_of(quantiles: Floats, level: float) -> Floats:
    """(N, 2) ends of an equal-tailed interval, from quantiles (N, 11) at `LEVELS`.

    Between two levels the angle of a quantile is taken to be a straight line in normal scores.

    Args:
        quantiles: NaN where unknown.
        level: Share of the networks in it, above 0 and at most 0.99.

    Raises:
        InputError: Another level.
    """
    ends = [_between(angles(quantiles), tail) for tail in _tails(level)]
    return from_angles(np.stack(ends, axis=-1))


def number_interval_of(quantiles: Floats, level: float) -> Floats:
    """(…, 2) ends of an equal-tailed interval, from quantiles (…, 11) of numbers; as `interval_of`."""
    return np.stack([_between(quantiles, tail) for tail in _tails(level)], axis=-1)


def interval_error_of(quantiles_error: Floats, level: float) -> Floats:
    """(…, 2) standard errors of the ends of these intervals; the arguments are alike."""
    return np.stack([_between(quantiles_error, tail) for tail in _tails(level)], axis=-1)


def check_quantiles(quantiles: Floats, rounding: float = ROUNDING) -> None:
    """Raise an `InputError` where quantiles (N, 11) fall from one level to a higher one, but for rounding."""
    falls = quantiles[:, 1:] < np.fmax.accumulate(quantiles, axis=1)[:, :-1] - rounding
    rows = np.flatnonzero(falls.any(axis=1))
    if len(rows):
        raise InputError(
            f"`quantiles` cannot be of a result {in_rows(len(rows), rows[:5].tolist())}",
            expected="numbers that do not fall from one level to the next",
            received=np.array2string(quantiles[rows[0]], precision=4),
        )


def _tails(level: float) -> tuple[float, float]:
    share = as_number(level, "level", "a number such as 0.9")
    if not 0 < share <= MOST + 1e-9:
        raise InputError(
            "`level` is out of range",
            expected=f"a share of the networks above 0, at most {MOST:g}, such as 0.9",
            received=repr(level),
        )
    return (1 - share) / 2, (1 + share) / 2


def _between(values: Floats, tail: float) -> Floats:
    """(…,) values (…, 11) at a level between two of `LEVELS`."""
    at = int(np.clip(np.searchsorted(LEVELS, tail), 1, len(LEVELS) - 1))
    for near in (at - 1, at):
        if abs(LEVELS[near] - tail) < 1e-9:
            return np.asarray(values[..., near])
    low, high, here = ndtri([LEVELS[at - 1], LEVELS[at], tail])
    share = (here - low) / (high - low)
    return np.asarray((1 - share) * values[..., at - 1] + share * values[..., at])


def exact(values: Floats, shown: Floats) -> dict[str, Any]:
    """Spread and quantiles of given members, which are all there are.

    The spread is √(Σ (p − mean)² / M), with all M members as the divisor. A quantile is the smallest value
    that at least its level of the members do not exceed, so `interval(0.9)` of up to 19 members reaches from
    the least to the largest.

    Args:
        values: (M, N, K) probabilities or numbers.
        shown: (M, N) or (M, N, K) those of them whose quantiles are wanted; see `of_class`.

    Returns:
        `spread` (N, K) and `quantiles` (N, L) or (N, K, L), and their errors, which are 0.
    """
    ordered = np.sort(shown, axis=0)
    places = np.maximum(np.ceil(len(ordered) * np.array(LEVELS) - 1e-9).astype(np.int64), 1) - 1
    quantiles = np.moveaxis(ordered[places], 0, -1)
    spread = values.std(axis=0)
    return {
        "spread": spread,
        "spread_error": np.zeros_like(spread),
        "quantiles": quantiles,
        "quantiles_error": np.zeros_like(quantiles),
    }


def sampled(values: Floats, shown: Floats, label: Integers | None = None) -> dict[str, Any]:
    """Spread and quantiles of the networks of which T independent passes were drawn, and their errors.

    The spread is √(Σ (p − mean)² / (T − 1)). The k-th smallest pass is the quantile at (k − ½)/T (Hazen
    1914), with straight lines between; below the smallest and above the largest nothing is known.

    Args:
        values: (T, N, K) probabilities or numbers, T ≥ 2.
        shown: As in `exact`.
        label: (N,) class that is shown of probabilities; None for numbers.

    Returns:
        As `exact`, with errors as of `spread_error` and `quantiles_error`; NaN where unknown.
    """
    count = len(values)
    ordered, places = np.sort(shown, axis=0), (np.arange(count) + 0.5) / count

    def at(levels: Floats) -> Floats:
        """Quantiles of what is shown; NaN beyond the smallest and the largest pass."""
        place = np.interp(levels, places, np.arange(count), left=np.nan, right=np.nan)
        finite = np.isfinite(place)
        low = np.nan_to_num(np.floor(place)).astype(np.int64)
        high, share = np.minimum(low + 1, count - 1), np.where(finite, place - low, np.nan)
        wide = share.reshape(-1, *[1] * (shown.ndim - 1))
        return np.moveaxis(ordered[low] + (ordered[high] - ordered[low]) * wide, 0, -1)

    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    passes = np.full(len(mean), float(count))
    kurtosis = ((values - mean) ** 4).mean(axis=0) / np.maximum(values.var(axis=0) ** 2, SMALLEST)
    error = spread_error(spread, passes, kurtosis, None if label is None else mean)
    quantiles = at(np.array(LEVELS))
    below, above = (at(levels) for levels in one_error_away(np.array([float(count)])))
    most = largest(spread, error, label)
    return {
        "spread": spread,
        "spread_error": error,
        "quantiles": quantiles,
        "quantiles_error": quantiles_error(
            quantiles, below, above, most, np.array([float(count)]), has_range=label is not None
        ),
    }


def of_class(values: Floats, label: Integers) -> Floats:
    """(T, N) probabilities of one class for each row, of (T, N, K)."""
    return np.asarray(np.take_along_axis(values, label[None, :, None], axis=-1)[..., 0])


def spread_error(spread: Floats, passes: Floats, kurtosis: Floats, mean: Floats | None = None) -> Floats:
    """(N, K) standard error of a spread.

    The root of `spread_variance`, times t₀.₉₇₅(T − 1)/1.96; of probabilities at least `ERROR_FLOOR`. If few
    passes lie far away, a spread that is too small has an error that is too small as well. So the error is
    reckoned twice, the second time as of a spread that is 1.96 errors larger. Fewer than `LEAST_PASSES` do
    not tell it: NaN.

    Args:
        spread: (N, K).
        passes: (N,) T, how many independent passes tell as much.
        kurtosis: (N, K) of the passes; 0 where it was not counted.
        mean: (N, K) probabilities, which range from 0 to 1; None for numbers, which have no range.
    """
    enough = passes >= LEAST_PASSES - 1e-9
    count = np.where(enough, passes, LEAST_PASSES)
    error, most, floor = np.zeros_like(spread), np.array(np.inf), 0.0
    if mean is not None:
        most, floor = np.sqrt(mean * (1 - mean)), ERROR_FLOOR
    wider = widening(np.rint(count))[:, None]
    for _ in range(2):
        reached = np.minimum(spread + 1.96 * error, most)
        again = np.sqrt(spread_variance(reached, count, kurtosis, mean)) * wider
        error = np.maximum(np.maximum(again, error), floor)
    return np.where(enough[:, None], error, np.nan)


def largest(spread: Floats, error: Floats, label: Integers | None = None) -> Floats:
    """(N, 1) how large the spread (N, K) of a class may be, or (N, K, 1) that of each number.

    That is 1.96 errors more, where they are known.
    """
    most = np.fmax(spread, spread + 1.96 * error)
    return most[..., None] if label is None else np.take_along_axis(most, label[:, None], axis=-1)


def spread_variance(spread: Floats, passes: Floats, kurtosis: Floats, mean: Floats | None = None) -> Floats:
    """(N, K) variance of a spread over T independent passes: (κ − (T − 3)/(T − 1)) / 4T · spread².

    That is the variance of a variance, by the delta method. Few passes hardly tell their kurtosis κ, so it is
    no less than that of the Beta distribution with this mean and spread, or of a normal one for numbers.

    Args:
        spread: (N, K).
        passes: (N,) T ≥ 2.
        kurtosis: (N, K) of the passes.
        mean: As in `spread_error`.
    """
    count, usual = passes[:, None], np.array(NORMAL_KURTOSIS)
    if mean is not None:
        both_sides = np.maximum(mean * (1 - mean), 1e-12)
        both = 1 / np.clip(spread**2 / both_sides, 1e-9, 1 - 1e-9) - 1  # a + b of the Beta distribution
        skewed = (1 - 2 * mean) ** 2 / both_sides
        usual = 3 + 6 * (skewed * (both + 1) - (both + 2)) / ((both + 2) * (both + 3))
    factor = np.maximum(usual, kurtosis) - (count - 3) / (count - 1)
    return np.asarray(np.maximum(factor, 0) * spread**2 / (4 * count))


def one_error_away(passes: Floats) -> tuple[Floats, Floats]:
    """Twice (N, 11): levels so far below and above `LEVELS` that the true one lies between in 95 % of cases.

    The share of T independent passes that lie below the quantile at level α is known to √(α(1 − α)/T).

    Args:
        passes: (N, 1) or (N, 11) T.
    """
    levels = np.array(LEVELS)
    reach = 1.96 * np.sqrt(levels * (1 - levels) / passes)
    return levels - reach, levels + reach


def quantiles_error(
    quantiles: Floats,
    below: Floats,
    above: Floats,
    spread: Floats,
    passes: Floats,
    width: ArrayLike = 0.0,
    *,
    has_range: bool = True,
) -> Floats:
    """(…, 11) standard errors of quantiles (Woodruff 1952): the distance to those at levels an error away.

    The larger of the two distances is taken, over 1.96. If such a level lies beyond all passes, the distance
    is that of a normal distribution with the largest spread there may be, of probabilities not beyond 0 or 1.

    Args:
        quantiles: (…, 11); NaN where unknown.
        below: (…, 11) quantiles at the lower levels of `one_error_away`; NaN where beyond all passes.
        above: (…, 11) at the higher ones.
        spread: (…, 1) of the same value, as `largest` has it.
        passes: (…, 1) or (…, 11) how many independent passes tell as much.
        width: (…, 11) of the bins in which passes were counted. They add half of it to each distance, and an
            error is at least width/√6, as for two places in a bin.
        has_range: True for probabilities, whose error is at least `ERROR_FLOOR`; False for numbers.
    """
    levels = np.array(LEVELS)
    density = np.exp(-(ndtri(levels) ** 2) / 2) / np.sqrt(2 * np.pi)
    usual = 1.96 * np.sqrt(levels * (1 - levels) / passes) / density * spread
    most_down, most_up, floor = (
        (quantiles, 1 - quantiles, ERROR_FLOOR) if has_range else (np.inf, np.inf, 0.0)
    )
    down = np.where(np.isfinite(below), quantiles - below, np.minimum(usual, most_down))
    up = np.where(np.isfinite(above), above - quantiles, np.minimum(usual, most_up))
    least = np.maximum(np.asarray(width) / np.sqrt(6), floor)
    error = np.maximum((np.maximum(down, up) + np.asarray(width) / 2) / 1.96, least)
    return np.where(np.isfinite(quantiles), error, np.nan)


class BetweenNetworks:
    """The part of a `Certainty` about networks, from its quantiles."""

    row: Integers
    quantiles: Floats | None
    quantiles_error: Floats | None

    def interval(self, level: float = SHOWN) -> Floats:
        """The interval of networks' probabilities of `label`, equal-tailed.

        With MC dropout, `level` of all thinned networks give `label` a probability in it, and as many of the
        others more as less. It does not say where the truth lies, nor what a network trained from another
        seed would say. `mc_error` is something else: how far their mean may be off, as passes are finite.

        It is exact at 0.5, 0.8, 0.9, 0.95 and 0.99, but for the finite number of passes and the grid on which
        they are counted (`docs/between.md`). At other levels it is interpolated.

        Args:
            level: Share of the networks in it, above 0 and at most 0.99.

        Returns:
            (N, 2) lower and upper end, 0 to 1. NaN where passes are so few that less than one in all would
            lie outside: 0.9 takes 10 passes, and 0.99 a hundred. NaN where quantiles are not told.

        Raises:
            InputError: Another level.
        """
        return interval_of(self._at_levels(self.quantiles), level)

    def interval_error(self, level: float = SHOWN) -> Floats:
        """(N, 2) standard error of the ends of `interval(level)`; NaN where unknown.

        Args:
            level: As there.

        Raises:
            InputError: Another level.
        """
        return interval_error_of(self._at_levels(self.quantiles_error), level)

    def _at_levels(self, values: Floats | None) -> Floats:
        return np.full((len(self.row), len(LEVELS)), np.nan) if values is None else values
