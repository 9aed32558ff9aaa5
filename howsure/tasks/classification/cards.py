"""One row of a `Certainty` as its page shows it, and which rows it shows as cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howsure.report.looks import Look, Looks
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.sentence import Row
from howsure.tasks.sentences import percent
from howsure.tasks.verdict import SURE
from howsure.words import counted, rate

_MOST_CLASSES = 5
_LEAST_PROBABILITY = 0.01
_MOST_COIN_FLIPS = 24
_FEW_COIN_FLIPS = 10
_FILLED_UP_TO = 12
_MOST_OTHERS = 12


@dataclass(frozen=True)
class ClassBar:
    """One class of a card.

    Attributes:
        name: Name of the class.
        number: Its probability in words, `51 ± 1 %`.
        length: Probability in per cent.
        low: Lower end of the 95 % interval in per cent, or None if the error is not known.
        high: Upper end, or None.
        first: Whether it is the label.
        true: Whether it is the true class.
    """

    name: str
    number: str
    length: float
    low: float | None
    high: float | None
    first: bool
    true: bool


@dataclass(frozen=True)
class Card:
    """One row, ready to be shown.

    Attributes:
        row: The row.
        bars: Its most probable classes, and the true one.
        rest: Sum of the other classes, or None if it is less than half a per cent.
        look: Its picture or its values.
        truth: Name of the true class, or None.
        right: Whether the label is the true class.
        asked: Name of the label that the card is about, where a row has several.
    """

    row: Row
    bars: tuple[ClassBar, ...]
    rest: str | None
    look: Look
    truth: str | None
    right: bool
    asked: str | None = None


def coin_flip_positions(certainty: Certainty) -> tuple[NDArray[np.int64], str]:
    """The rows for the gallery of coin flips, the most undecided first, and what is said of the choice."""
    positions, note = _flips_first(certainty)
    unclear = int(np.sum(certainty.no_clear_answer[positions]))
    if unclear:
        which = "All that are shown" if unclear == len(positions) else f"{unclear:,} of them"
        note += (
            f" {which} {'has' if unclear == 1 else 'have'} no clear answer: a third class is as likely, or "
            "the two most probable ones hold less than half together."
        )
    return positions, note


def _flips_first(certainty: Certainty) -> tuple[NDArray[np.int64], str]:
    flips, kind = certainty.coin_flips(), certainty.kind
    if certainty.no_clear_answer[flips].all() and len(flips):
        shown = flips[:_MOST_COIN_FLIPS]
        return shown, f"The {len(shown)} most undecided of {counted(len(certainty), kind)}."
    if len(flips) > _MOST_COIN_FLIPS:
        return flips[:_MOST_COIN_FLIPS], (
            f"The {_MOST_COIN_FLIPS} most undecided of {len(flips):,} coin flips, the most undecided first."
        )
    if len(flips) >= _FEW_COIN_FLIPS:
        return flips, f"All {len(flips)} coin flips, the most undecided first."
    shown = certainty.most_undecided(_FILLED_UP_TO)
    others = len(shown) - len(flips)
    if not len(flips):
        if len(shown) == 1:
            return shown, f"There are no coin flips. The one {kind} is shown all the same."
        return shown, f"There are no coin flips. These are the {counted(others, kind)} nearest to one."
    note = "There is one coin flip" if len(flips) == 1 else f"There are {len(flips)} coin flips"
    if not others:
        return shown, f"{note}, the most undecided first." if len(flips) > 1 else f"{note}."
    after = "the next most undecided is" if others == 1 else f"the {others} next most undecided are"
    return shown, f"{note}; {after} shown after {'it' if len(flips) == 1 else 'them'}."


def mistake_positions(certainty: Certainty) -> tuple[NDArray[np.int64], int]:
    """The rows that are sure and wrong, the most certain first and at most 12, and how many there are."""
    wrong = np.flatnonzero((certainty.verdict == SURE) & (certainty.label != certainty.truth))
    order = np.argsort(-certainty.probability[wrong], kind="stable")
    return wrong[order][:_MOST_OTHERS], len(wrong)


def unfamiliar_positions(certainty: Certainty) -> NDArray[np.int64]:
    """The unfamiliar rows, the least familiar first and at most 12."""
    strange = np.flatnonzero(certainty.unfamiliar)
    if certainty.familiarity is not None:
        strange = strange[np.argsort(certainty.familiarity[strange], kind="stable")]
    return strange[:_MOST_OTHERS]


def cards(
    answers: Certainty, looks: Looks, positions: Sequence[int], budget: int, asked: Sequence[str] = ()
) -> list[Card]:
    """Cards for some rows, or for some answers about labels.

    Args:
        answers: The result that the page shows.
        looks: Pictures or values of the rows.
        positions: Places in `answers`.
        budget: Most characters that all pictures may take together.
        asked: Names of the labels if rows have several: answers of all rows for the first label come first.
    """
    places = [row_and_label(int(position), answers, asked) for position in positions]
    shown_looks = looks.of([row for row, _ in places], budget)
    return [
        _card(answers[int(position)], answers.class_names, look, label)
        for position, (_, label), look in zip(positions, places, shown_looks, strict=True)
    ]


def row_and_label(position: int, answers: Certainty, asked: Sequence[str]) -> tuple[int, str | None]:
    """Position of the row that an answer is about, and the name of the label, or None if there is one."""
    if not asked:
        return position, None
    label, row = divmod(position, len(answers) // len(asked))
    return row, asked[label]


def _card(row: Row, names: tuple[str, ...], look: Look, asked: str | None) -> Card:
    order = np.argsort(-row.probabilities, kind="stable")[:_MOST_CLASSES]
    worth = [
        int(k) for place, k in enumerate(order) if place < 2 or row.probabilities[k] >= _LEAST_PROBABILITY
    ]
    if row.truth is not None and row.truth not in worth:
        worth.append(row.truth)
    rest = 1.0 - float(row.probabilities[worth].sum())
    others = len(names) - len(worth)
    return Card(
        row=row,
        bars=tuple(_bar(row, names, k) for k in worth),
        rest=f"{counted(others, 'other')}{' together' if others > 1 else ''} {rate(rest, 0)}"
        if others and rest >= 0.005
        else None,
        look=look,
        truth=None if row.truth is None else names[row.truth],
        right=row.truth == row.label,
        asked=asked,
    )


def _bar(row: Row, names: tuple[str, ...], k: int) -> ClassBar:
    probability, error = float(row.probabilities[k]), float(row.mc_error[k])
    known = np.isfinite(error) and error > 0
    return ClassBar(
        name=names[k],
        number=percent(probability, error),
        length=100 * probability,
        low=max(100 * (probability - 1.96 * error), 0.0) if known else None,
        high=min(100 * (probability + 1.96 * error), 100.0) if known else None,
        first=k == row.label,
        true=k == row.truth,
    )
