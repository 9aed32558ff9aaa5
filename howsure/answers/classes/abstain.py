"""Which rows of one class each should a person see? The rule, and how it is read from labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.classes.result import Certainty
from howsure.answers.classes.truth import check_certainty, truth_of, warn_below_chance
from howsure.judge.accept import ShareOfRows, most_accepted
from howsure.sampling.outcome import Booleans
from howsure.statistics import proportion_interval


@dataclass(frozen=True)
class Abstention:
    """A fitted rule; called with a `Certainty`, it says which rows to hand to a person.

    Attributes:
        threshold: Rows with a top probability up to this are handed over, 0 for none; equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of mistakes among the accepted rows.
        confidence: With what confidence.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are wrong.
        class_names: K names; the rule is for the same classes only.
    """

    threshold: float
    handed_over: ShareOfRows
    risk: float
    confidence: float
    rows: int
    accepted: int
    mistakes: int
    class_names: tuple[str, ...]

    def __call__(self, certainty: Certainty) -> Booleans:
        """(N,) booleans, True for a row that a person should see.

        Args:
            certainty: Of N ≥ 0 rows, and the classes of the fit.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        check_certainty(certainty, self.class_names)
        return np.asarray(certainty.probability <= self.threshold)

    def in_words(self) -> str:
        """The promise and what it rests on, in two sentences."""
        wrong = "1 mistake" if self.mistakes == 1 else f"{self.mistakes:,} mistakes"
        return (
            f"Hand {self.handed_over} of the rows to a person: at most {100 * self.risk:g} % of the rest are "
            f"wrong, with {100 * self.confidence:g} % confidence. "
            f"Of {self.rows:,} labelled rows {self.accepted:,} are accepted, with {wrong} among them."
        )

    __str__ = in_words


def abstain(certainty: Certainty, labels: Any, *, risk: float, confidence: float) -> Abstention:
    """The part `abstain` of one class per row, ranked by the top probability; see `howsure.judge.abstain`."""
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    wrong = certainty.label != truth
    threshold, accepted, mistakes = most_accepted(certainty.probability, wrong, risk, confidence)
    rows = len(truth)
    left = ShareOfRows(1 - accepted / rows, *proportion_interval(rows - accepted, rows))
    return Abstention(threshold, left, risk, confidence, rows, accepted, mistakes, certainty.class_names)
