"""Which rows of one class each should a person see? The rule, and how it is read from labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.evaluation.selective import Acceptance, decided
from howsure.results.check import check_result
from howsure.sampling.outcome import Booleans
from howsure.tasks.classification.result import Certainty
from howsure.tasks.truth import truth_of, warn_below_chance
from howsure.words import counted


@dataclass(frozen=True)
class Abstention(Acceptance):
    """A fitted rule; called with a `Certainty`, it says which rows to hand to a person.

    Attributes:
        threshold: Rows with a top probability up to this are handed over, 0 for none; equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of mistakes among the accepted rows.
        confidence: Probability over the labelled rows drawn that the promise is kept.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are wrong.
        class_names: K names; the rule is for the same classes only.
    """

    class_names: tuple[str, ...]

    def __call__(self, certainty: Certainty) -> Booleans:
        """(N,) booleans, True for a row that a person should see.

        Args:
            certainty: Result of N ≥ 0 rows, with the classes of the fit.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        check_result(certainty, Certainty, self.class_names)
        return np.asarray(certainty.probability <= self.threshold)

    def in_words(self) -> str:
        """The promise and its evidence, in two sentences."""
        return self.said("wrong", f"with {counted(self.mistakes, 'mistake')} among them")

    __str__ = in_words


def abstain(
    certainty: Certainty,
    labels: Any,
    *,
    risk: float,
    confidence: float,
    tolerance: Any,
    background: int | None = None,
) -> Abstention:
    """The part `abstain` of one class per row, by the top probability, without a `background`.

    See `howsure.evaluation.selective`.
    """
    if tolerance is not None:
        raise InputError(
            "A class is right or wrong, so there is no tolerance",
            expected="tolerance=None",
            received=repr(tolerance),
            hint="`tolerance` is for numbers: how far one may be off",
        )
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    decision = decided(certainty.probability, certainty.label != truth, risk, confidence)
    return Abstention(**decision, class_names=certainty.class_names)
