"""Names and pieces of sentences that all comparisons use."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from howsure.compare.comparison import Comparison
from howsure.digits import clear_of, measured, rounded, significant
from howsure.evaluation.score import Score
from howsure.methods.choices import CHOICES
from howsure.words import UNIT

NOUNS = frozenset(choice.name for choice in CHOICES)
"""Method names that need no quotes although they begin with a small letter."""


def joined(*sentences: str) -> str:
    """Sentences that are not empty, as one text."""
    return " ".join(sentence for sentence in sentences if sentence)


def share_in_words(score: Score) -> str:
    """A share in per cent with its interval."""
    ends = (score.value, score.low, score.high)
    return with_interval(*in_numbers(Score(*(100 * np.minimum(end, 1.0) for end in ends)), UNIT))


def in_numbers(score: Score, unit: str = "", mark: float = 0.0) -> tuple[str, str]:
    """A number and its interval for a sentence: `97.8 %` and `97.3 to 98.2 %`, or an empty interval.

    It has so many decimals that the interval is at least three steps wide, and up to two more if a number
    would otherwise be rounded to 0 or 100. One that is rounded to the mark, which would change nothing, has
    as many as tell on which side of it it lies.
    """
    ends = (score.value, score.low, score.high)
    if not score.high - score.low > 1e-9 * max(abs(score.value), 1):
        return f"{score.value:.4g}{unit}".replace("-", "−"), ""
    decimals = max(0, math.ceil(-math.log10((score.high - score.low) / 3)))
    for _ in range(2):
        decimals += any(round(end, decimals) in (0, 100) and end not in (0, 100) for end in ends)
    value, low, high = (rounded(end, clear_of(mark, end, decimals)).replace("-", "−") for end in ends)
    return f"{value}{unit}", f"{low}\u00a0to\u00a0{high}{unit}"


def scale_in_words(scale: Score) -> tuple[str, str]:
    """A temperature or factor and its interval, from logarithms; two digits each where ends lie far apart."""
    value, low, high = np.exp([scale.value, scale.low, scale.high])
    if high < 5 * low:
        shown, *ends = measured(value, low, high, mark=1.0)
    else:
        shown, *ends = (significant(end, 2, 1.0) for end in (value, low, high))
    return shown, "\u00a0to\u00a0".join(ends)


def with_interval(value: str, interval: str) -> str:
    """A value and its interval in brackets, if there is one."""
    return f"{value} ({interval})" if interval else value


def the(comparison: Comparison, name: str) -> str:
    """A method in a sentence: `the softmax`, `the calibrated softmax`, `calibrated MC dropout`, `'mine'`."""
    bare = comparison.calibrations.get(name, name)
    calibrated = "calibrated " if bare != name else ""
    if not bare[:1].islower():
        return f"{calibrated}{bare}"
    return f"the {calibrated}{bare}" if bare in NOUNS else f"{calibrated}'{bare}'"


def besides(
    comparison: Comparison, method: str, name: str, called: str, in_words: Callable[[Score], tuple[str, str]]
) -> str:
    """Whether a method is better than the baseline in another score too, a sentence; empty if unknown.

    Args:
        comparison: The comparison.
        method: The method.
        name: The score.
        called: Name of the score in a sentence.
        in_words: From the difference to how large it is and its interval, in words.
    """
    gap = comparison.difference(method, comparison.methods[0], name)
    if gap.value == 0:
        return f"The {called} is the same."
    if not gap.known:
        return ""
    if not gap.excludes_zero:
        return f"The {called} does not differ by more than chance."
    better = (gap.value > 0) == comparison.comparing.metrics[name].higher
    return f"{'Its' if better else 'But its'} {called} is {with_interval(*in_words(gap))}."


CHEAP = 1.5
"""Plain predictions from which a cost is told."""


def networks_of(comparison: Comparison, method: str) -> int:
    """How many networks have to be trained for a method."""
    settings = comparison.kinds[method].settings if comparison.has_costs else {}
    return int(settings.get("members", 1)) if settings.get("name") == "ensemble" else 1


def price_of(comparison: Comparison, method: str) -> str:
    """The cost of a method, `5 plain predictions, of 5 networks`; empty if it is hardly more than one."""
    networks, cost = networks_of(comparison, method), comparison.costs[method]
    trained = (
        [f"of {networks} networks" if np.isfinite(cost) else f"{networks} networks"] if networks > 1 else []
    )
    spent = [predictions_in_words(cost)] if np.isfinite(cost) and cost >= CHEAP else []
    return ", ".join([*spent, *trained])


def predictions_in_words(cost: float) -> str:
    """A cost, `2.8 plain predictions`."""
    number = cost_in_words(cost)
    return f"{number} plain prediction{'' if number == '1' else 's'}"


def cost_in_words(cost: float) -> str:
    """A number of plain predictions: `5`, `2.8`, `163`."""
    return f"{cost:,.0f}" if cost >= 9.95 else f"{cost:.1f}".removesuffix(".0")
