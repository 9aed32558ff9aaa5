"""What else could it be? Sets of classes that hold the true one as often as promised (split conformal).

`howsure.evaluation.conformal` states the promise. The tests check the thresholds against the library MAPIE.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.evaluation.conformal import TOLERANCE, check_enough, rounded_down, surely_covered, threshold_of
from howsure.results.check import check_result
from howsure.sampling.outcome import Booleans
from howsure.tasks.classification.result import Certainty
from howsure.tasks.truth import truth_of, warn_below_chance
from howsure.words import rate


@dataclass(frozen=True)
class PredictionSets:
    """Fitted prediction sets; called with a `Certainty`, they say which classes a row could be of.

    Attributes:
        coverage: Promised share of rows whose set holds the true class.
        by_class: Whether that is promised of the rows of every class.
        threshold: K largest scores 1 − p that are in the set, the same for all classes unless `by_class`.
        rows: Labelled rows they were fitted on.
        class_names: K names; sets are given for the same classes only.
        size: Mean number of classes in the sets of the labelled rows.
        least: Share of rows whose sets hold the true class, at least, with 95 % confidence over draws of the
            labelled rows; with `by_class`, for the rows of every class.
        full: Share of these sets that hold all K classes, and so say nothing.
    """

    coverage: float
    by_class: bool
    threshold: tuple[float, ...]
    rows: int
    class_names: tuple[str, ...]
    size: float = np.nan
    least: float = np.nan
    full: float = np.nan

    def __call__(self, certainty: Certainty) -> Booleans:
        """(N, K) booleans: which classes are in the set of each row.

        The most probable class is always in: a set without a class says nothing to its reader, and one class
        more can only raise the coverage.

        Args:
            certainty: Result of N ≥ 0 rows, with the classes of the fit.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        check_result(certainty, Certainty, self.class_names)
        sets = 1 - certainty.probabilities <= np.array(self.threshold) + TOLERANCE
        sets[np.arange(len(certainty)), certainty.label] = True
        return np.asarray(sets)

    def in_words(self, certainty: Certainty) -> list[str]:
        """The set of each row as text, the most probable class first: `{8, 6}`.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        sets = self(certainty)
        order = np.argsort(-certainty.probabilities, axis=1, kind="stable")
        return [
            "{" + ", ".join(self.class_names[k] for k in ranked if inside[k]) + "}"
            for ranked, inside in zip(order, sets, strict=True)
        ]

    def __str__(self) -> str:
        of_each = " of every class" if self.by_class else ""
        sentence = (
            f"Sets that hold the true class of at least {100 * self.coverage:g} % of the rows{of_each} on "
            f"average. With these {self.rows:,} labelled rows they hold it for {rounded_down(self.least)} "
            f"or more, with 95 % confidence. On average they hold {self.size:.2g} of "
            f"{len(self.class_names)} classes."
        )
        if self.full > 0:
            sentence += (
                f" On {rate(self.full)} of these rows they hold all classes, which says nothing: the model's "
                "percentages do not tell there what else it could be. Ask for less coverage, or improve "
                "the model."
            )
        return sentence


def prediction_sets(certainty: Certainty, labels: Any, *, coverage: float, by_class: bool) -> PredictionSets:
    """The part `prediction_sets` of one class per row; see `howsure.evaluation.conformal.prediction_sets`."""
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    names = certainty.class_names
    scores_of_truth = 1 - certainty.probabilities[np.arange(len(truth)), truth]
    groups = [scores_of_truth[truth == k] for k in range(len(names))] if by_class else [scores_of_truth]
    sizes = [len(group) for group in groups]
    check_enough(sizes, coverage, names if by_class else (), "class")
    threshold = tuple(threshold_of(group, coverage) for group in groups) * (1 if by_class else len(names))
    fitted = PredictionSets(coverage, bool(by_class), threshold, len(truth), names)
    held = fitted(certainty).sum(axis=1)
    return replace(
        fitted,
        size=float(held.mean()),
        least=surely_covered(sizes, coverage),
        full=float(np.mean(held == len(names))),
    )
