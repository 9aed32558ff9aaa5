"""How numbers are written: with the digits that their errors and intervals allow, whatever their unit.

A unit that is a thousand times larger moves the point, or changes the power of ten, and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal

import numpy as np

UNITS_OF_WIDTH = 5
"""Units of the last place in the width of an interval, at the least: rounding moves an end by a tenth of it
at most, and `3.8 to 4.6` has no more digits than it needs."""

NARROWER = 2
"""More decimals that a narrower interval may have than the widest one: if networks agree but for rounding,
their interval tells no digits."""

OF_A_NUMBER = 4
"""Significant digits of a number of which no error is known."""

OF_DOUBLE_PRECISION = 15
"""Significant digits that survive in double precision."""

MOST_DECIMALS, MOST_NOUGHTS, PLAIN_BELOW = 6, 3, 1e9
"""Numbers with more decimals, or that end in more noughts and are not below, have a power of ten."""

_EXACT = Context(prec=1100)
"""Digits enough for every double: 1e308 has 309 before the point, and 5e-324 has 1,074 after it."""

Ends = tuple[str, str]


@dataclass(frozen=True)
class Written:
    """One number of a row in texts. All have the same power of ten.

    Attributes:
        number: The mean, and its margin where that shows: `4.21 ± 0.02`.
        answers: Ends of the interval of a new answer; None if it is unknown.
        networks: Ends of the interval between networks; None if it is unknown.
        truth: The true number; None if it is not given.
    """

    number: str
    answers: Ends | None
    networks: Ends | None
    truth: str | None


def written(
    mean: float,
    margin: float,
    answers: tuple[float, float] | None,
    networks: tuple[float, float] | None,
    truth: float | None = None,
    width: float = np.nan,
    whole: bool = False,
) -> Written:
    """A number and what is known of it, in texts that fit together.

    The mean has the decimals that the first digit of its margin allows, and no more than one beyond the ends
    of the narrowest interval. A margin that would round to 0 is left out. The ends have no more decimals than
    the mean. If an interval holds the mean, or that of answers the truth, its text holds the text of that.

    Args:
        mean: Finite.
        margin: Half of the 95 % interval that the finite number of passes leaves; 0 or NaN for none.
        answers: Ends of the interval of a new answer, or None.
        networks: Ends of the interval between networks, or None.
        truth: The true number, or None.
        width: Width of an interval whose ends are unknown; NaN for none.
        whole: Whether answers are whole numbers.
    """
    intervals = [ends for ends in (answers, networks) if ends is not None]
    widths = [high - low for low, high in intervals] or ([width] if np.isfinite(width) else [])
    finest = _most_decimals(mean, widths, truth)
    decimals = _decimals_of_margin(margin, finest)
    largest = max(abs(number) for number in (mean, *(end for ends in intervals for end in ends)))
    power = _power(largest, decimals)
    text = rounded(mean, decimals, power)
    if np.isfinite(margin) and _round(margin, decimals) > 0:
        text += f" ± {rounded(margin, decimals, power)}"

    def told(ends: tuple[float, float] | None, whole: bool = False) -> Ends | None:
        if ends is None:
            return None
        own = min(_decimals_of_ends(mean, ends, decimals), 0 if whole else OF_DOUBLE_PRECISION)
        return rounded(ends[0], own, power), rounded(ends[1], own, power)

    if truth is not None and answers is not None:
        own = _decimals_of_ends(mean, answers, decimals)
        finest = finest if _holds(answers, own, truth, finest) else own
    true = None if truth is None else rounded(truth, 0 if whole else finest, power)
    return Written(text, told(answers, whole), told(networks), true)


def between(ends: Ends) -> str:
    """`between 2.9 and 5.5`, or `at 4.2` where both ends are written alike."""
    return f"at {ends[0]}" if ends[0] == ends[1] else f"between {ends[0]} and {ends[1]}"


def to(ends: Ends) -> str:
    """`2.9 to 5.5`, or `4.2` where both ends are written alike."""
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def measured(value: float, low: float, high: float, mark: float = 0.0) -> tuple[str, str, str]:
    """A finite number and the ends of its interval, with decimals that tell two digits of the width.

    A number that these would round to 0 has two digits of its own, and one that they would round to the mark
    has as many as tell on which side of it it lies. Ends that are the same have no text, and their number
    has four digits.
    """
    width = high - low
    if not 1e-9 * abs(value) < width < math.inf:
        return significant(value, 4), "", ""
    decimals, largest = 1 - math.floor(math.log10(width)), max(abs(value), abs(low), abs(high))
    power = _power(largest, min(decimals, 1 - _exponent(largest)))
    text, first, last = (
        rounded(number, clear_of(mark, number, decimals), power) for number in (value, low, high)
    )
    lost = value and not _round(value, decimals)
    return (significant(value, 2) if lost else text), first, last


def exactly(value: float) -> str:
    """A number as it was given, up to the precision of a double: `0.5`, `2,000,000`, `2e-9`."""
    decimals = _decimals_as_given(value)
    return rounded(value, decimals, _power(abs(value), decimals))


def clear_of(mark: float, value: float, decimals: int) -> int:
    """So many decimals, or as many as tell on which side of a mark a value lies."""
    hidden = value != mark and _round(value, decimals) == _round(mark, decimals)
    return min(-_exponent(value - mark), OF_DOUBLE_PRECISION) if hidden else decimals


def significant(value: float, digits: int, mark: float = 0.0) -> str:
    """A number with so many significant digits, or more to tell it from the mark: `0.1234`, `1,234`."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    decimals = clear_of(mark, value, digits - 1 - _exponent(value))
    return rounded(value, decimals, _exponent(value) if _power(abs(value), decimals) else 0)


def _round(value: float, decimals: int) -> Decimal:
    """A number rounded to so many decimals; `round` has 28 digits."""
    return Decimal(value).quantize(Decimal(1).scaleb(-decimals), context=_EXACT)


def rounded(value: float, decimals: int, power: int = 0) -> str:
    """A number rounded to so many decimals, in plain digits or times a power of ten: `1,200`, `4.21e-9`.

    Args:
        value: Finite.
        decimals: −2 rounds to hundreds.
        power: Power of ten, or 0 for plain digits.
    """
    number = _round(value, decimals).scaleb(-power, _EXACT)
    text = f"{abs(number) if number == 0 else number:,.{max(0, decimals + power)}f}"
    return f"{text}e{power}" if power and number else text


def _most_decimals(mean: float, widths: list[float], truth: float | None) -> int:
    """Most decimals of a mean: one beyond the ends of the narrowest interval."""
    positive = [width for width in widths if width > 0]
    if widths and not positive:  # it is known without error, and so is what it is compared with
        return (
            _decimals_as_given(mean)
            if truth is None
            else max(_decimals_as_given(mean), _decimals_as_given(truth))
        )
    if positive:
        finest = min(_decimals_of_width(min(positive)), _decimals_of_width(max(positive)) + NARROWER) + 1
    else:
        finest = OF_A_NUMBER - 1 - (_exponent(mean) if mean else 0)
    return min(finest, OF_DOUBLE_PRECISION - 1 - _exponent(mean)) if mean else finest


def _decimals_as_given(value: float) -> int:
    """Decimals of a number as it was given, up to the precision of a double."""
    return -int(Decimal(f"{value:.{OF_DOUBLE_PRECISION}g}").normalize().as_tuple().exponent)


def _decimals_of_margin(margin: float, finest: int) -> int:
    """Decimals of a mean: those of the first digit of its margin."""
    if not np.isfinite(margin) or margin <= 0:
        return finest
    own = -_exponent(margin)
    if _round(margin, own) >= Decimal(10) ** (1 - own):  # 0.096 is 0.1
        own -= 1
    return min(finest, own)


def _decimals_of_width(width: float) -> int:
    """Decimals of the ends of an interval that is so wide."""
    return math.ceil(math.log10(UNITS_OF_WIDTH) - math.log10(width) - 1e-9)  # 4.7 − 4.2 is less than 0.5


def _decimals_of_ends(mean: float, ends: tuple[float, float], decimals: int) -> int:
    """Decimals of the ends of an interval of a mean that has so many."""
    low, high = ends
    own = min(_decimals_of_width(high - low), decimals) if high > low else decimals
    return own if _holds(ends, own, mean, decimals) else decimals  # of as many, numbers keep their order


def _holds(ends: tuple[float, float], own: int, value: float, decimals: int) -> bool:
    """Whether the text of an interval holds that of a value, where the interval holds the value."""
    low, high = (_round(end, own) for end in ends)
    return low <= _round(value, decimals) <= high or not ends[0] <= value <= ends[1]


def _power(largest: float, decimals: int) -> int:
    """The power of ten, a multiple of 3, with which numbers up to the largest are written; 0 for none."""
    plain = decimals <= MOST_DECIMALS and (decimals >= -MOST_NOUGHTS or largest < PLAIN_BELOW)
    return 0 if plain or largest == 0 else 3 * (_exponent(largest) // 3)


def _exponent(value: float) -> int:
    """Power of ten of the first digit."""
    return Decimal(value).adjusted()
