"""Whether numbers are distributions but for rounding, and what they may be where they are not.

Two kinds of rounding leave sums beside 1, and each is undone as it was done:

    of a type       0.33333334 + …   divided by the sum
    of decimals     0.33 + 0.33 + …  errors up to half a unit of the last decimal: shared out within these
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.rows import in_rows
from howsure.tasks.outputs import SUM_OFF, SUMS_OFF
from howsure.words import listed

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Numbers = Integers | Callable[[NDArray[np.bool_]], str]

OFF, OFF_IN = 2.0**-11, {"float16": SUM_OFF, **SUMS_OFF}
"""How far the sum of a row may be from 1, as many models divide in float16; and in coarse types."""

DECIMALS = 5
"""Most decimals whose rounding is looked for: of more, sums are off by less than 2⁻¹¹ up to 976 classes."""

_SHOWN = 6


def distributions(p: Floats, numbers: Numbers, dtype: str, called: str) -> Floats:
    """Distributions over classes, with what rounding left beside a sum of 1 taken out.

    A row is off by rounding where its sum is off by at most 2⁻¹¹, in float16 0.005, in bfloat16 0.015. Or by
    K h, where all numbers have as many decimals and h is half a unit of the last one: then what is missing is
    shared out, so that each number still has the decimals it had. A row of nothing but zeros is none, however
    many classes may have been rounded away.

    Args:
        p: (N, K) finite or not.
        numbers: (N,) what the rows are called in messages; or maps which of them are wrong to where that is.
        dtype: Name of the type they came in.
        called: The numbers in words, the subject of a message.

    Returns:
        (N, K) that sum to 1.

    Raises:
        InputError: Values or sums that rounding does not explain; names the rows and the likely cause.
    """
    allowed = OFF_IN.get(dtype, OFF)
    check_range(p, numbers, called, 1e-6, "a distribution over the classes in every row")
    p = np.clip(p, 0.0, 1.0)
    total, half = p.sum(axis=1), _half_decimal(p)
    movable = np.where(total[:, None] > 1, half * (p > 0), half)
    room = movable.sum(axis=1)
    wrong = (np.abs(total - 1) > np.maximum(allowed, (1 + 1e-9) * room)) | (total == 0)
    if wrong.any():
        raise _not_distributions(p, numbers, called, wrong)
    if half:
        p = np.clip(p + ((1 - total) / room)[:, None] * movable, 0.0, 1.0)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def check_range(p: Floats, numbers: Numbers, called: str, allowed: float, expected: str) -> None:
    """Raise an `InputError` unless all numbers are finite, and from 0 to 1 but for what is allowed."""
    bad = np.asarray(~np.isfinite(p).all(axis=1))
    if bad.any():
        raise InputError(
            f"{called} are missing, NaN or infinite {_in_which_rows(numbers, bad)}",
            expected="numbers from 0 to 1",
            received=_first_wrong_row(p, bad),
            hint="Leave those rows out, or look for what made them",
        )
    outside = np.asarray(((p < -allowed) | (p > 1 + allowed)).any(axis=1))
    if outside.any():
        raise InputError(
            f"{called} are not from 0 to 1 {_in_which_rows(numbers, outside)}",
            expected=expected,
            received=_first_wrong_row(p, outside),
            hint=_cause(p),
        )


def _half_decimal(p: Floats) -> float:
    """Half a unit of the last decimal that all numbers have; 0 if they have none in common, or are whole."""
    if not np.array_equal(p, np.round(p)):  # as one-hot rows are
        for decimals in range(1, DECIMALS + 1):
            if np.allclose(p, np.round(p, decimals), rtol=0, atol=1e-7):
                return 0.5 * 10.0**-decimals
    return 0.0


def _not_distributions(p: Floats, numbers: Numbers, called: str, wrong: NDArray[np.bool_]) -> InputError:
    total = p.sum(axis=1)
    first = int(np.argmax(wrong))
    return InputError(
        f"{called} do not sum to 1 {_in_which_rows(numbers, wrong)}",
        expected="a distribution over the classes in every row, off by no more than its rounding",
        received=f"{_first_wrong_row(p, wrong)}, a sum of {total[first]:.6g}",
        hint=_cause(p),
    )


def _cause(p: Floats) -> str:
    """The likely meaning of numbers that are no distributions, and what to do about it."""
    total = p.sum(axis=1)
    if p.max() <= 1e-6 and np.allclose(np.exp(p).sum(axis=1), 1, atol=SUM_OFF):
        return "They look like logarithms of probabilities: give `numpy.exp(p)`"
    if p.min() >= 0 and np.all(np.abs(total - 100) <= 0.5 * p.shape[1]):
        return "They look like percentages: divide them by 100"
    if p.min() < 0 or p.max() > 1:
        off = np.flatnonzero((p < 0).any(axis=0) | (p > 1).any(axis=0))
        whole = off[(p == np.round(p))[:, off].all(axis=0)]
        if np.all(np.abs(np.delete(p, off, axis=1).sum(axis=1) - 1) <= SUM_OFF):
            return f"Leave out columns of no class: without {_columns(off)} each row sums to 1"
        once = len(p) > 2 and all(len(np.unique(p[:, column])) == len(p) for column in whole)
        if 0 < len(whole) < p.shape[1] and (once or len(whole) == len(off)):
            holds = "holds" if len(whole) == 1 else "hold"
            return f"Leave out columns of no class: {_columns(whole)} {holds} whole numbers"
        return (
            "If they are logits, give `scipy.special.softmax(p, axis=-1)`; if they are numbers, "
            "`howsure.RegressionCertainty.from_mean_std(mean, std)`, or a table with columns mean and std. "
            "Leave out columns of no class"
        )
    if np.all(np.abs(total - 1) < 0.05):
        return "If they were rounded, divide each row by its sum. If a class is missing, add it"
    if np.all(total <= 1):
        return "No row sums to more than 1: a class may be missing, or rows are to be divided by their sums"
    return (
        "If each column is the yes or no of a label of its own, as sigmoids are, give them to "
        "howsure.MultilabelCertainty.from_probabilities. If a column is no class, leave it out"
    )


def _columns(numbers: NDArray[np.intp]) -> str:
    return f"column{'s' * (len(numbers) > 1)} {listed([f'{number}' for number in numbers])} (from 0)"


def _in_which_rows(numbers: Numbers, which: NDArray[np.bool_]) -> str:
    return numbers(which) if callable(numbers) else in_rows(int(which.sum()), numbers[which][:5].tolist())


def _first_wrong_row(p: Floats, which: NDArray[np.bool_]) -> str:
    """The first row that is wrong."""
    row = p[int(np.argmax(which))]
    return np.array2string(row[:_SHOWN], precision=4, suppress_small=True) + (
        f" and {len(row) - _SHOWN} more" if len(row) > _SHOWN else ""
    )
