"""Numbers in sentences: counts, shares and scores as people write them."""

from __future__ import annotations

import numpy as np

from howsure.judge.evaluate import Score

UNIT = "\u00a0%"  # a no-break space, so that a number and its sign stay on one line


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`, `10,000 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rate(share: float, decimals: int = 1) -> str:
    """A share in per cent; `0 %` and `100 %` are kept for shares that are exactly that."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}{UNIT}"
    smallest = 10.0**-decimals
    if 100 * share < smallest / 2:
        return f"< {smallest:.{decimals}f}{UNIT}"
    if 100 * (1 - share) < smallest / 2:
        return f"> {100 - smallest:.{decimals}f}{UNIT}"
    return f"{100 * share:.{decimals}f}{UNIT}"


def points(difference: float) -> str:
    """A difference of two shares in percentage points, without its sign."""
    value = abs(100 * difference)
    decimals = 0 if value >= 10 else 1 if value >= 0.95 else 2
    return f"{value:.{decimals}f}\u00a0points"


def value_and_interval(score: Score, *, per_cent: bool = False) -> tuple[str, str]:
    """A score, or a difference of two, as `0.0412` and `0.0371 to 0.0455`.

    Args:
        score: With as many decimals as its interval allows.
        per_cent: Whether to multiply by 100.

    Returns:
        Value and interval. A dash for a value that is not defined; an empty interval where there is none, or
        where resampled rows show no spread.
    """
    factor = 100 if per_cent else 1
    value, low, high = (factor * number for number in (score.value, score.low, score.high))
    if not np.isfinite(value):
        return "–", ""
    if not high > low:
        return f"{value:.4g}".replace("-", "−"), ""
    shown, interval = str(Score(value, low, high)).removesuffix(")").replace("-", "−").split(" (")
    return shown, interval
