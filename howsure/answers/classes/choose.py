"""Which rows of one class each a person may be asked about, by a word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from howsure.answers.classes.result import Certainty
from howsure.answers.verdict import COIN_FLIP, SURE
from howsure.errors import InputError

CHOSEN: dict[str, Callable[[Certainty], NDArray[np.bool_]]] = {
    "coin-flips": lambda rows: rows.verdict == COIN_FLIP,
    "not-sure": lambda rows: rows.verdict != SURE,
    "not-settled": lambda rows: ~rows.settled,
    "unfamiliar": lambda rows: rows.unfamiliar,
    "all": lambda rows: np.ones(len(rows), dtype=bool),
}
"""Which rows a word means."""


def choose(rows: Certainty, which: str) -> NDArray[np.bool_]:
    """(N,) whether each row is among those that a word of `CHOSEN` means.

    Raises:
        InputError: How familiar the rows are was not measured.
    """
    if which == "unfamiliar" and rows.familiarity is None:
        raise InputError(
            "How familiar these rows are was not measured",
            expected="a table with a column 'familiarity'",
            hint="Save one in Python: certainty.with_familiarity(…).save(path), see howsure.familiarity",
        )
    return np.asarray(CHOSEN[which](rows))
