"""Which rows of numbers a person may be asked about, by a word; the least certain first."""

from __future__ import annotations

import numpy as np

from howsure.answers.numbers.result import RegressionCertainty
from howsure.errors import InputError
from howsure.sampling.outcome import Integers

CHOSEN = ("all", "unfamiliar")
"""Words that mean rows of numbers."""


def choose(rows: RegressionCertainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word means, all rows for None, the least certain first.

    Args:
        rows: N of them.
        which: One of `CHOSEN`, or None.
        most: How many are wanted. Of several targets all are given, as which of them is the least certain
            depends on the other rows.

    Raises:
        InputError: A word for verdicts, which numbers do not have; or the familiarity of the rows was not
            measured.
    """
    if which is not None and which not in CHOSEN:
        raise InputError(
            f"Numbers have no verdicts, so no row of them is chosen by '{which}'",
            expected=f"one of {', '.join(CHOSEN)}",
            hint="`result.above(3.0)` asks whether each number is above 3; the answer has a verdict",
        )
    order = rows.widest()
    if which == "unfamiliar":
        rows.check_familiarity()
        order = order[rows.unfamiliar[order]]
    return np.asarray(order if len(rows.target_names) > 1 else order[:most])
