"""Which rows of one class each a person may be asked about, by a word; the most undecided first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from howsure.answers.classes.result import Certainty
from howsure.answers.verdict import COIN_FLIP, SURE
from howsure.sampling.outcome import Integers

CHOSEN: dict[str, Callable[[Certainty], NDArray[np.bool_]]] = {
    "coin-flips": lambda rows: rows.verdict == COIN_FLIP,
    "not-sure": lambda rows: rows.verdict != SURE,
    "not-settled": lambda rows: ~rows.settled,
    "unfamiliar": lambda rows: rows.unfamiliar,
    "all": lambda rows: np.ones(len(rows), dtype=bool),
}
"""Which rows a word means."""


def choose(rows: Certainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word of `CHOSEN` means, coin flips for None; the most undecided first.

    Args:
        rows: N of them.
        which: The word, or None.
        most: How many are wanted at the most; None for all.

    Raises:
        InputError: How familiar the rows are was not measured.
    """
    if which == "unfamiliar":
        rows.check_familiarity()
    order = rows.most_undecided()
    return np.asarray(order[CHOSEN["coin-flips" if which is None else which](rows)[order]][:most])
