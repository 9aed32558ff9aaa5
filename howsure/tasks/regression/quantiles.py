"""Quantiles of new answers that a model predicts: their pairs, and intervals between two of them.

A pair of levels l and 1 − l holds a share 1 − 2 l of new answers, as far as the quantiles are true.
`howsure.prediction_intervals` corrects them (conformalised quantile regression; Romano and others 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import InputError, warn
from howsure.inputs.rows import as_floats, in_rows
from howsure.sampling.outcome import Floats, Integers

if TYPE_CHECKING:
    from howsure.tasks.regression.result import RegressionCertainty

DIGITS = 9
"""Digits by which levels are told apart."""

INSTEAD = (
    "`howsure.prediction_intervals(result, y, coverage=0.9)` corrects quantiles by held-out rows, and "
    "howsure.fit_rules takes calibrate=False"
)


def pairs_of(levels: Sequence[float]) -> dict[float, tuple[int, int]]:
    """Places of the two levels around each share of answers, the smallest share first."""
    places = {round(level, DIGITS): place for place, level in enumerate(levels)}
    lower = sorted((level for level in places if level < 0.5), reverse=True)
    return {
        round(1 - 2 * level, DIGITS): (places[level], places[other])
        for level in lower
        if (other := round(1 - level, DIGITS)) in places
    }


def between(quantiles: Floats, levels: Sequence[float], share: float) -> Floats:
    """(…, 2) lower and upper end of the interval of a share of answers, from quantiles (…, L).

    Raises:
        InputError: No two levels lie around that share.
    """
    pairs = pairs_of(levels)
    pair = pairs.get(round(share, DIGITS))
    if pair is None:
        raise InputError(
            f"No two quantiles of the model hold {100 * share:g} % of answers between them",
            expected=" or ".join(f"{known:g}" for known in pairs),
            received=share,
            hint=INSTEAD,
        )
    return quantiles[..., list(pair)]


def widest_between(result: RegressionCertainty) -> Floats:
    """(N, K, 2) ends of the widest interval that the quantiles of a result tell."""
    assert result.answer_quantiles is not None
    return between(result.answer_quantiles, result.levels, list(pairs_of(result.levels))[-1])


def share_below(quantiles: Floats, levels: Sequence[float], numbers: Floats) -> Floats:
    """(N, M) share of answers up to numbers (N, M), by straight lines between quantiles (N, L).

    It is the outermost level where a number lies beyond the outermost quantile.
    """
    beside = np.clip((quantiles[:, None] <= numbers[..., None]).sum(axis=-1), 1, len(levels) - 1)
    low, high = (np.take_along_axis(quantiles, place, axis=1) for place in (beside - 1, beside))
    # Both are the same where all quantiles on one side are.
    part = np.divide(numbers - low, high - low, out=(numbers >= low) * 1.0, where=high > low)
    shares = np.array(levels)
    return np.asarray(shares[beside - 1] + np.clip(part, 0, 1) * (shares[beside] - shares[beside - 1]))


def width_of(result: RegressionCertainty) -> Floats:
    """(N, K) by which rows are ordered: `std`, or the width of the widest interval between quantiles."""
    return result.std if result.answer_quantiles is None else np.ptp(widest_between(result), axis=-1)


def column_of(level: float) -> str:
    """Name of the column of a quantile in a csv file, as in tables of quantiles: `q05`, `q50`, `q975`."""
    text = f"{level:.4f}"
    return "q" + (text[2:].rstrip("0").ljust(2, "0") if float(text) == level else f"{level:g}")


def check_levels(levels: Any) -> tuple[float, ...]:
    """The levels, ascending; an `InputError` unless two of them lie around a share of answers."""
    values = as_floats(levels, "`levels`")
    is_fit = values.ndim == 1 and np.all((values > 0) & (values < 1)) and np.all(np.diff(values) > 0)
    if not is_fit or not pairs_of(values.tolist()):
        raise InputError(
            "`levels` cannot be used",
            expected="shares of answers above 0 and below 1, ascending, two of them as far from 0.5, such as "
            "(0.05, 0.5, 0.95)",
            received=repr(levels)[:200],
        )
    return tuple(values.tolist())


def checked(values: Any, levels: tuple[float, ...], rows: Integers | None = None) -> Floats:
    """(N, K, L) quantiles in ascending order. It sorts those that cross, and warns.

    Args:
        values: (N, L), (N, K · L) with the levels of a target side by side, or (N, K, L).
        levels: The L levels.
        rows: (N,) numbers of the rows, for the warning. Default: from 0.

    Raises:
        InputError: Another shape, or not finite.
    """
    quantiles, count = as_floats(values, "The quantiles"), len(levels)
    if quantiles.ndim == 2 and quantiles.shape[1] and quantiles.shape[1] % count == 0:
        quantiles = quantiles.reshape(len(quantiles), quantiles.shape[1] // count, count)
    if quantiles.ndim != 3 or quantiles.shape[2] != count or not quantiles.shape[1]:
        raise InputError(
            "The quantiles do not fit the levels",
            expected=f"an array of shape (rows, {count}) or (rows, targets, {count})",
            received=f"one of shape {quantiles.shape}",
        )
    if not np.isfinite(quantiles).all():
        bad = np.flatnonzero(~np.isfinite(quantiles).all(axis=(1, 2)))
        raise InputError(
            f"There is NaN or infinity {in_rows(len(bad), bad[:5].tolist())}", expected="finite quantiles"
        )
    crossed = np.flatnonzero((np.diff(quantiles, axis=-1) < 0).any(axis=(1, 2)))
    if len(crossed):
        numbers = crossed if rows is None else rows[crossed]
        warn(f"Quantiles cross {in_rows(len(crossed), numbers[:5].tolist())}, and were sorted there.")
    return np.sort(quantiles, axis=-1)


def middle_of(quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """(N, K) the median; or the middle of the innermost pair where it is not among the levels."""
    if 0.5 in levels:
        return np.asarray(quantiles[..., levels.index(0.5)])
    return np.asarray(between(quantiles, levels, next(iter(pairs_of(levels)))).mean(axis=-1))


def with_levels(
    result: RegressionCertainty, levels: tuple[float, ...], targets: tuple[str, ...]
) -> RegressionCertainty:
    """The result of K targets from that of K · L quantiles, whose means over passes are the quantiles.

    `mc_error`, `spread` and what else is told of networks are those of the median. If 0.5 is no level, `mean`
    lies between the innermost two. Its error is at most the mean of theirs, and nothing is told of networks.

    Args:
        result: Result of N rows and K · L numbers, the levels of a target side by side.
        levels: The L levels.
        targets: K names.
    """
    quantiles = checked(result.mean, levels, result.row)
    place = levels.index(0.5) if 0.5 in levels else None
    step = slice(place, None, len(levels))
    columns: dict[str, Any] = {
        name: None if place is None else values[:, step]
        for name, values in result._arrays.items()
        if values.ndim > 1
    }
    columns |= {
        "mean": middle_of(quantiles, levels),
        "mc_error": middle_of(result.mc_error.reshape(quantiles.shape), levels),
        "answer_quantiles": quantiles,
    }
    method = {**result.method, "levels": list(levels)}
    return replace(result, **columns, target_names=targets, method=method)


def refuse(result: RegressionCertainty, what: str) -> None:
    """Raise an `InputError` where a result holds quantiles of answers, which do not tell this."""
    if result.answer_quantiles is not None:
        raise InputError(
            f"{what}: the model predicts quantiles, and no standard deviation",
            expected="a result of means, with or without standard deviations",
            received=f"quantiles at {', '.join(f'{level:g}' for level in result.levels)}",
            hint=INSTEAD,
        )
