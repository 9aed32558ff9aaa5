"""The value of a calibration in sentences, and warnings about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from howsure.answers.classes import maps
from howsure.answers.classes.evaluate import Evaluation
from howsure.answers.classes.maps import Parameters
from howsure.answers.classes.truth import BELOW_CHANCE
from howsure.judge.scores import LEAST_MISTAKES, Score
from howsure.sampling.outcome import Integers

EXPECTED = 100
"""Labelled rows below which a warning says how few they are."""

HANDFUL = 5
"""Labelled rows of a class below which a warning names the class."""


def supported_in_words(rows: int) -> str:
    """The largest probability that so many labelled rows support, in per cent, never rounded up."""
    decimals = max(1, len(str(rows + 2)) - 2)  # few enough that it stays below 100
    most = (rows + 1) * 10 ** (decimals + 2) // (rows + 2) / 10**decimals
    return f"{most:.{decimals}f}\u00a0%"


def too_few_mistakes(mistakes: int, rows: int) -> str:
    """That so few mistakes among so many labelled rows cannot tell what becomes of percentages."""
    how_many = "no mistake" if not mistakes else "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"
    return (
        f"The {rows:,} labelled rows contain {how_many}. With fewer than {LEAST_MISTAKES}, they cannot tell "
        "whose percentages are truer, nor whether calibration improves them."
    )


def mistakes_of(scores: Evaluation) -> int:
    """How many rows were wrong."""
    return round((1 - scores.accuracy.value) * scores.rows)


def off_in_words(ece: Score) -> str:
    """How far percentages are off, and whether that is more than chance."""
    value, low, high = (f"{100 * end:.1f}" for end in (ece.value, ece.low, ece.high))
    if ece.low > 0:
        return f"{value} points on average ({low} to {high})"
    return f"{value} points (0 to {high}, so it may be chance)"


def temperature_in_words(low: float, high: float, shown: str) -> str:
    """The change by a temperature with these 95 % ends, in words; `shown` tells it."""
    if not (low > 1 or high < 1):
        return f"The model's percentages need no change that these rows could show {shown}."
    much, changed = ("much", "lowered") if low > 1 else ("little", "raised")
    return f"The model claimed too {much}, so its highest percentages are {changed} {shown}."


def helps(differences: Mapping[str, Score]) -> str:
    """`better`, `worse` or `cannot tell`, by the interval of the difference in NLL."""
    nll = differences["nll"]
    return "better" if nll.high < 0 else "worse" if nll.low > 0 else "cannot tell"


def listed(names: Iterable[str]) -> str:
    """The first five names, and how many more there are."""
    given = [f"'{name}'" for name in names]
    return ", ".join(given[:5]) + (f" and {len(given) - 5} more" if len(given) > 5 else "")


def warnings_of(
    parameters: Parameters,
    counts: Integers,
    class_names: tuple[str, ...],
    before: Evaluation,
    after: Evaluation,
) -> list[str]:
    """Warnings about a calibration, in sentences.

    100 rows are a rule of thumb, ten times those of Peduzzi and others (1996) for one number.
    """
    rows, classes = int(counts.sum()), len(counts)
    sentences = []
    if rows < EXPECTED:
        sentences.append(f"There are {rows:,} labelled rows; there should be {EXPECTED} or more.")
    for some, text in (
        (counts == 0, "No labelled row is of"),
        ((counts > 0) & (counts < HANDFUL), f"Fewer than {HANDFUL} labelled rows each are of"),
    ):
        if some.any():
            sentences.append(f"{text} {listed(class_names[k] for k in np.flatnonzero(some))}.")
    if before.accuracy.high < 1 / classes:
        sentences.append(BELOW_CHANCE)
    mistakes = mistakes_of(before)
    if mistakes < LEAST_MISTAKES:
        sentences.append(too_few_mistakes(mistakes, rows))
    elif abs(np.log(parameters["temperature"])) > np.log(maps.LIMIT) - 1e-6:
        sentences.append(
            "The fit ended at its limit, as where every answer is right, or none is: "
            "these rows cannot say how far percentages should change."
        )
    if helps(after.minus(before)) == "worse":
        sentences.append(
            "Calibration made rows worse that it had not learnt from, as it does where there is nothing to "
            "correct: keep the model's own percentages."
        )
    return sentences
