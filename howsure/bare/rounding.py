"""Whether numbers are distributions but for rounding, and what they may be where they are not.

Two kinds of rounding leave sums beside 1, and each is undone as it was done:

    of a type       0.33333334 + …   errors in proportion to the number: divided by the sum
    of digits       0.33 + 0.33 + …  errors up to half a unit of the last digit: shared out within these
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from howsure.answers.outputs import SUM_OFF, SUMS_OFF
from howsure.data.rows import in_rows
from howsure.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Numbers = Integers | Callable[[NDArray[np.bool_]], str]

SINGLE, HALF, BRAIN = 2.0**-24, 2.0**-11, 2.0**-8
"""Largest relative errors of rounding to float32, float16 and bfloat16."""

DIGITS = 7
"""Most digits whose rounding is looked for: single precision holds no more."""

_SHOWN = 6


def distributions(p: Floats, numbers: Numbers, dtype: str, called: str) -> Floats:
    """Distributions over classes, with what rounding left beside a sum of 1 taken out.

    A row is off by rounding where its sum is off by at most (K + 1) u, u being the largest relative error of
    the type (Higham 2002, of a division, a sum and a rounding), and 0.005 at most, 0.015 in bfloat16; float32
    is allowed everywhere, as most models compute in it. Or by K h, where all numbers have a last digit and h
    is half a unit of it: then what is missing is shared out, so that each number still has the digits it had.
    Or by 2⁻¹¹, as many models divide in float16 and go on in another type.
    A row of nothing but zeros is none, however many classes may have been rounded away.

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
    unit, most = _rounding_of(p, dtype)
    allowed = min((p.shape[1] + 1) * unit, most)
    check_range(p, numbers, called, allowed, "a distribution over the classes in every row")
    p = np.clip(p, 0.0, 1.0)
    total = p.sum(axis=1)
    off = np.abs(total - 1)
    if np.any(off > allowed):
        half = _half_digit(p)
        movable = np.where(total[:, None] > 1, half * (p > 0), half)
        room = movable.sum(axis=1)
        explained = off <= (1 + 1e-9) * room
        wrong = ((off > max(allowed, HALF)) & ~explained) | (total == 0)
        if wrong.any():
            raise _not_distributions(p, numbers, called, wrong)
        by_digits = ((off > allowed) & explained)[:, None]
        shared = p + ((1 - total) / np.where(room > 0, room, 1))[:, None] * movable
        p = np.where(by_digits, np.clip(shared, 0.0, 1.0), p)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def check_range(p: Floats, numbers: Numbers, called: str, allowed: float, expected: str) -> None:
    """Raise an `InputError` unless all numbers are finite, and from 0 to 1 but for what is allowed."""
    bad = np.asarray(~np.isfinite(p).all(axis=1))
    if bad.any():
        raise InputError(
            f"{called} are missing, NaN or infinite {_named(numbers, bad)}",
            expected="numbers from 0 to 1",
            received=_shown(p, bad),
            hint="Leave those rows out, or look for what made them",
        )
    outside = np.asarray(((p < -allowed) | (p > 1 + allowed)).any(axis=1))
    if outside.any():
        raise InputError(
            f"{called} are not from 0 to 1 {_named(numbers, outside)}",
            expected=expected,
            received=_shown(p, outside),
            hint=_cause(p),
        )


def _rounding_of(p: Floats, dtype: str) -> tuple[float, float]:
    """Largest relative error of the coarsest type that holds all numbers, and how far off a sum may be."""
    finite = np.where(np.isfinite(p), p, 0.0)
    with np.errstate(over="ignore"):
        singles = finite.astype(np.float32)
        halves = bool(np.array_equal(finite.astype(np.float16).astype(np.float64), finite))
    in_brain = np.array_equal(singles, finite) and not np.any(singles.view(np.uint32) & 0xFFFF)
    if dtype == "bfloat16" or in_brain:
        return BRAIN, SUMS_OFF["bfloat16"]
    return (HALF if dtype == "float16" or halves else SINGLE), SUM_OFF


def _half_digit(p: Floats) -> Floats:
    """(N, K) half a unit of the last digit of each number, 0 where they have none in common.

    All numbers have the same decimals (0.330), or the same number of digits that count (0.330, 0.00330).
    """
    if np.array_equal(p, np.round(p)):  # whole numbers, as of one-hot rows, were not rounded
        return np.zeros(p.shape)
    for decimals in range(1, DIGITS + 1):
        if np.all(np.abs(np.round(p, decimals) - p) <= SINGLE * p):
            return np.full(p.shape, 0.5 * 10.0**-decimals)
    size = np.floor(np.log10(np.where(p > 0, p, 1.0)))
    for digits in range(1, DIGITS + 1):
        last = 10.0 ** (size - digits + 1)
        if np.all(np.abs(np.round(p / last) * last - p) <= SINGLE * p):
            return np.where(p > 0, 0.5 * last, 0.0)
    return np.zeros(p.shape)


def _not_distributions(p: Floats, numbers: Numbers, called: str, wrong: NDArray[np.bool_]) -> InputError:
    total = p.sum(axis=1)
    first = int(np.argmax(wrong))
    return InputError(
        f"{called} do not sum to 1 {_named(numbers, wrong)}",
        expected="a distribution over the classes in every row, off by no more than its rounding",
        received=f"{_shown(p, wrong)}, a sum of {total[first]:.6g}",
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
        return (
            "If they are logits, give `scipy.special.softmax(p, axis=-1)`; if they are numbers, "
            "`howsure.RegressionCertainty.from_mean_std(mean, std)`, or a table with columns mean and std. "
            "Leave out columns of no class"
        )
    if np.all(total <= 1):
        return "No row sums to more than 1: a class may be missing, or rows are to be divided by their sums"
    return (
        "If each column is the yes or no of a label of its own, as sigmoids are, give them to "
        "howsure.MultilabelCertainty.from_probabilities. If a column is no class, leave it out"
    )


def _named(numbers: Numbers, which: NDArray[np.bool_]) -> str:
    return numbers(which) if callable(numbers) else in_rows(int(which.sum()), numbers[which][:5].tolist())


def _shown(p: Floats, which: NDArray[np.bool_]) -> str:
    """The first row that is wrong."""
    row = p[int(np.argmax(which))]
    return np.array2string(row[:_SHOWN], precision=4, suppress_small=True) + (
        f" and {len(row) - _SHOWN} more" if len(row) > _SHOWN else ""
    )
