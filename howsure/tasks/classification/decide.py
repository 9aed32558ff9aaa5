"""Decisions from labelled rows of one class each: abstention, sets of classes, rows for a person.

`howsure.evaluation.conformal` states the promise of sets. The tests check the thresholds against the library
MAPIE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_type
from howsure.evaluation.conformal import (
    TOLERANCE,
    check_enough,
    of_new_groups,
    rounded_down,
    size_of,
    surely_covered,
    threshold_of,
)
from howsure.evaluation.groups import ask_for_groups, renumbered
from howsure.evaluation.handover import DIGITS, Columns
from howsure.evaluation.selective import Acceptance, check_no_tolerance, decided
from howsure.results.export import sets_in_words
from howsure.results.origin import FittedToRows
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.sentence import names_of
from howsure.tasks.truth import truth_of, warn_below_chance
from howsure.tasks.verdict import COIN_FLIP, SURE
from howsure.words import counted, rate

# --- abstention ---------------------------------------------------------------------------------------


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
        self._check(certainty, Certainty, self.class_names)
        return np.asarray(certainty.probability <= self.threshold)

    def wrong(self, certainty: Certainty) -> Floats:
        """(N,) 1 for a row that has another label than its truth, else 0."""
        return np.asarray(certainty.label != certainty.truth, dtype=np.float64)

    def in_words(self) -> str:
        """The promise and its evidence, in three sentences."""
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
    groups: Integers | None = None,
) -> Abstention:
    """The part `abstain` of one class per row, by the top probability, without a `background`.

    See `howsure.evaluation.selective`.
    """
    check_no_tolerance(tolerance, "A class")
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    of_truth = certainty.probabilities[np.arange(len(truth)), truth]
    ask_for_groups(of_truth, truth=truth)
    decision = decided(certainty.probability, certainty.label != truth, risk, confidence, groups)
    return Abstention(**decision, class_names=certainty.class_names)


# --- sets of classes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class PredictionSets(FittedToRows):
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
        groups: Number of groups of the labelled rows, whose rows depend on each other; None without. Then the
            promise is one for rows of new groups, of which each counts the same.
    """

    coverage: float
    by_class: bool
    threshold: tuple[float, ...]
    rows: int
    class_names: tuple[str, ...]
    size: float = np.nan
    least: float = np.nan
    full: float = np.nan
    groups: int | None = None

    def __call__(self, certainty: Certainty) -> Booleans:
        """(N, K) booleans: which classes are in the set of each row.

        The most probable class is always in: a set without a class says nothing to its reader, and one class
        more can only raise the coverage.

        Args:
            certainty: Result of N ≥ 0 rows, with the classes of the fit.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        self._check(certainty, Certainty, self.class_names)
        sets = 1 - certainty.probabilities <= np.array(self.threshold) + TOLERANCE
        sets[np.arange(len(certainty)), certainty.label] = True
        return np.asarray(sets)

    def columns(self, certainty: Certainty) -> dict[str, Any]:
        """The columns of decided rows."""
        return {"in_set": self(certainty)}

    def in_words(self, certainty: Certainty) -> list[str]:
        """The set of each row as text, the most probable class first: `{8, 6}`.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        return sets_in_words(certainty, self(certainty))

    def __str__(self) -> str:
        of_each = " of every class" if self.by_class else ""
        sentence = (
            f"Sets hold the true class of at least {100 * self.coverage:g} % of the rows{of_each}"
            f"{of_new_groups(self.groups)} on average. With these {self.rows:,} labelled rows "
            f"they hold it for {rounded_down(self.least)} or more, with 95 % confidence. On average "
            f"they hold {self.size:.2g} of {len(self.class_names)} classes."
        )
        if self.full > 0:
            sentence += (
                f" On {rate(self.full)} of these rows they hold all classes, which says nothing. There the "
                "percentages do not tell what else it could be. Ask for less coverage, or improve the model."
            )
        return sentence


def prediction_sets(
    certainty: Certainty,
    labels: Any,
    *,
    coverage: float,
    by_class: bool,
    groups: Integers | None = None,
) -> PredictionSets:
    """The part `prediction_sets` of one class per row; see `howsure.evaluation.conformal.prediction_sets`."""
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    names = certainty.class_names
    scores_of_truth = 1 - certainty.probabilities[np.arange(len(truth)), truth]
    ask_for_groups(scores_of_truth, truth=truth)
    parts = [truth == k for k in range(len(names))] if by_class else [np.ones(len(truth), dtype=bool)]
    scores = [(scores_of_truth[part], None if groups is None else renumbered(groups[part])) for part in parts]
    sizes = [size_of(*of_part) for of_part in scores]
    check_enough(sizes, coverage, names if by_class else (), "class", "rows" if groups is None else "groups")
    threshold = tuple(threshold_of(of_part, coverage, its_groups) for of_part, its_groups in scores)
    fitted = PredictionSets(
        coverage,
        bool(by_class),
        threshold * (1 if by_class else len(names)),
        len(truth),
        names,
        groups=None if groups is None else size_of(truth, groups),
    )
    held = fitted(certainty).sum(axis=1)
    return replace(
        fitted,
        size=float(held.mean()),
        least=surely_covered(sizes, coverage, by_group=groups is not None),
        full=float(np.mean(held == len(names))),
    )


def coverage(
    certainty: Certainty, labels: Any, *, coverage: float, groups: Integers | None
) -> PredictionSets:
    """The part `coverage` of one class per row; see `howsure.evaluation.rules.fit_rules`."""
    return prediction_sets(certainty, labels, coverage=coverage, by_class=False, groups=groups)


# --- rows for a person --------------------------------------------------------------------------------


CHOSEN: dict[str, Callable[[Certainty], NDArray[np.bool_]]] = {
    "coin-flips": lambda rows: rows.verdict == COIN_FLIP,
    "not-sure": lambda rows: rows.verdict != SURE,
    "not-settled": lambda rows: ~rows.settled,
    "unfamiliar": lambda rows: rows.unfamiliar,
    "all": lambda rows: np.ones(len(rows), dtype=bool),
}
"""The words that choose rows, and their meaning."""


def handed_over(certainty: Certainty, sets: PredictionSets | None) -> Columns:
    """The part `hand_over` of one class per row; see `howsure.evaluation.handover.hand_over`."""
    check_type(sets, (PredictionSets, type(None)), "sets", "what howsure.prediction_sets gives, or None")
    rows, names = list(certainty), certainty.class_names
    second = [float(row.probabilities[row.runner_up]) for row in rows]
    columns: Columns = {
        "label": [row.label_name for row in rows],
        "probability": np.round(certainty.probability, DIGITS).tolist(),
        "runner_up": [row.runner_up_name for row in rows],
        "runner_up_probability": np.round(second, DIGITS).tolist(),
        "candidates": [names_of(row, row.candidates) for row in rows],
        "verdict": [row.verdict for row in rows],
        "reason": [row.reason for row in rows],
    }
    if sets is not None:
        columns["set"] = sets.in_words(certainty)
    elif certainty.in_set is not None:
        columns["set"] = sets_in_words(certainty, certainty.in_set)
    if certainty.truth is not None:
        columns["truth"] = [names[k] for k in certainty.truth]
    return columns


def choose(rows: Certainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word of `CHOSEN` means, coin flips for None; the most undecided first.

    Args:
        rows: N of them.
        which: The word, or None.
        most: Most rows to choose. Default: all.

    Raises:
        InputError: How familiar the rows are was not measured.
    """
    if which == "unfamiliar":
        rows.check_familiarity()
    order = rows.most_undecided()
    return np.asarray(order[CHOSEN["coin-flips" if which is None else which](rows)[order]][:most])
