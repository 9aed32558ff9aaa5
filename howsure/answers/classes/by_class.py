"""Does it find the rare ones? Right answers class by class, and what one and the same answer would get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howsure.judge.scores import Score, share_of_rows

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Constant:
    """What always answering the most frequent class would get, whatever the row.

    Attributes:
        label: The class that most of these rows are of; of equals the lower number.
        right: On how many rows that is right.
        gain: Share of right answers less that of this one, on the same rows: McNemar's interval.
    """

    label: int
    right: int
    gain: Score


def constant_of(correct: NDArray[np.bool_], truth: Integers) -> Constant:
    """What always answering the most frequent of the true classes (N,) gets, N ≥ 1.

    Args:
        correct: (N,) whether the answers that it is held against are right.
        truth: (N,) true classes.
    """
    most = int(np.bincount(truth).argmax())
    gain = share_of_rows(correct).minus(share_of_rows(truth == most))
    return Constant(most, int(np.sum(truth == most)), gain)


def found_of(label: Integers, truth: Integers, classes: int) -> tuple[Integers, Integers]:
    """(K,) how many rows of each true class get it as their label, and (K,) how many there are."""
    there = np.bincount(truth, minlength=classes)
    return np.bincount(truth[label == truth], minlength=classes), there
