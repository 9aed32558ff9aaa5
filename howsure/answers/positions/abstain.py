"""Which rows with a class at each position should a person see? The rule, and how it is read from labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.positions.counts import dice_of_rows
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.truth import truths_of
from howsure.answers.registry import POSITIONS, check_kind
from howsure.arguments import as_share
from howsure.errors import InputError
from howsure.judge.abstain import Acceptance, ShareOfRows, decided
from howsure.sampling.outcome import Booleans, Floats


@dataclass(frozen=True)
class DenseAbstention(Acceptance):
    """A fitted rule; called with a `DenseCertainty`, it says which rows to hand to a person.

    The Dice of a row is the mean of 2 TP / (2 TP + FP + FN) over the classes that its truth or its label has,
    at the positions that count, without `background`. A row that has none of these classes in either has no
    Dice: the promise is about the others.

    Attributes:
        threshold: Rows whose e^−`doubt` is at most this are handed over, 0 for none; equals go the same way.
        handed_over: Share that this hands over of the labelled rows with a position that counts, with its
            95 % interval.
        risk: Promised largest share of accepted rows whose Dice is below 1 − tolerance.
        confidence: Probability over the labelled rows drawn that the promise is kept.
        rows: Labelled rows with a Dice, on which it was decided.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted have a lower Dice.
        tolerance: By how much the Dice of a row may be below 1.
        class_names: K names; the rule is for the same classes only.
        background: Name of the class that the Dice leaves out, or None.
    """

    tolerance: float
    class_names: tuple[str, ...]
    background: str | None = None

    def __call__(self, result: DenseCertainty) -> Booleans:
        """(N,) booleans, True for a row that a person should see.

        Args:
            result: Result of N ≥ 0 rows, with the classes of the fit.

        Raises:
            InputError: Not a `DenseCertainty`, or one of other classes.
        """
        check_kind(result, POSITIONS, self.class_names)
        return np.asarray(_certain(result) <= self.threshold)

    def in_words(self) -> str:
        """The promise, its evidence, and of which classes the Dice is, in three sentences."""
        promise = self.said(
            f"below a Dice of {1 - self.tolerance:.6g}", f"{self.mistakes:,} of them below it"
        )
        if self.background is None:
            return f"{promise} The Dice of a row is the mean over all its classes, a background too."
        return (
            f"{promise} The Dice of a row is the mean over its classes but '{self.background}'. "
            "Rows with no other class have none, and nothing is promised of them."
        )

    __str__ = in_words


def abstain(
    result: DenseCertainty,
    labels: Any,
    *,
    risk: float,
    confidence: float,
    tolerance: Any,
    background: int | None = None,
) -> DenseAbstention:
    """The part `abstain` of positions, ranked by `doubt`; see `howsure.judge.abstain`."""
    counted, dice = dice_of_rows(result, truths_of(result, labels), background)
    if tolerance is None:
        raise InputError(
            "A row is hardly ever right at every position, so say how far its Dice may be below 1",
            expected="tolerance=0.2 for a Dice of 0.8, for example",
        )
    limit = as_share(tolerance, "tolerance")
    known, certain, names = np.isfinite(dice), _certain(result), result.class_names
    low = dice[known] < 1 - limit - np.finfo(float).eps  # 1 − 0.2 is not 0.8
    found = decided(certain[known], low, risk, confidence)
    there = certain[counted > 0]
    found["handed_over"] = ShareOfRows.of(int(np.sum(there <= found["threshold"])), len(there))
    left_out = None if background is None else names[background]
    return DenseAbstention(**found, tolerance=limit, class_names=names, background=left_out)


def _certain(result: DenseCertainty) -> Floats:
    """(N,) from 0 to 1, e^−doubt: 1 where nothing is in doubt."""
    return np.asarray(np.exp(-result.doubt))
