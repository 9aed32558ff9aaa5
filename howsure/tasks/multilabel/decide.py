"""Decisions from labelled rows of several labels each: sets of labels, and rows for a person.

The loss of a set is the share of a row's true labels that it misses, 0 where none holds. It rises with the
threshold, so the largest threshold at which (n R + 1) / (n + 1) ≤ 1 − coverage, for R the mean loss of n
labelled rows, keeps the promise (Angelopoulos and others 2022, Conformal risk control, theorem 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.evaluation.conformal import TOLERANCE, check_enough, of_new_groups, size_of
from howsure.evaluation.selective import Acceptance, check_no_tolerance, decided
from howsure.results.origin import FittedToRows
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.truth import truth_of


@dataclass(frozen=True)
class MultilabelPredictionSets(FittedToRows):
    """Fitted sets; called with a `MultilabelCertainty`, they say which labels could hold.

    Attributes:
        coverage: Promised share of the labels true of a row that its set holds, on average over rows.
        threshold: 0 to 1, the least probability of a label in a set.
        rows: Labelled rows they were fitted on.
        label_names: K names; sets are given for the same labels only.
        size: Mean number of labels in the sets of the labelled rows.
        groups: As in `PredictionSets`.
    """

    coverage: float
    threshold: float
    rows: int
    label_names: tuple[str, ...]
    size: float
    groups: int | None = None

    def __call__(self, certainty: MultilabelCertainty) -> Booleans:
        """(N, K) booleans: which labels are in the set of each row; `yes` always is.

        Raises:
            InputError: Not a `MultilabelCertainty`, or one of other labels or another origin.
        """
        self._check(certainty, MultilabelCertainty, self.label_names)
        return np.asarray((certainty.probabilities >= self.threshold - TOLERANCE) | certainty.yes)

    def columns(self, certainty: MultilabelCertainty) -> dict[str, Any]:
        """The columns of decided rows."""
        return {"in_set": self(certainty)}

    def __str__(self) -> str:
        return (
            f"Sets hold {100 * self.coverage:g} % or more of the labels that are true of a row"
            f"{of_new_groups(self.groups)}, on average over rows. They are all labels with a probability of "
            f"at least {self.threshold:.3g}. On average they hold {self.size:.2g} of "
            f"{len(self.label_names)} labels."
        )


def label_sets(
    certainty: MultilabelCertainty, labels: Any, *, coverage: float, groups: Integers | None
) -> MultilabelPredictionSets:
    """The part `coverage` of several labels per row; see `howsure.evaluation.rules.fit_rules`."""
    truth = np.asarray(truth_of(certainty, labels), dtype=bool)
    size = size_of(truth, groups)
    check_enough([size], coverage, counted="rows" if groups is None else "groups")
    share = np.ones(len(truth)) if groups is None else 1 / np.bincount(groups)[groups]
    # A label that is true is missed by each threshold above its probability, unless it is said to hold.
    missable = truth & ~certainty.yes
    weight = missable * (share / np.maximum(truth.sum(axis=1), 1))[:, None]
    thresholds, place = np.unique(certainty.probabilities[missable], return_inverse=True)
    losses = np.cumsum(np.bincount(place, weights=weight[missable], minlength=len(thresholds)))
    allowed = (1 - coverage) * (size + 1) - 1
    missed = int(np.searchsorted(losses, allowed + 1e-9, side="right"))  # 1e-9: rounding of sums
    threshold = float(thresholds[missed]) if missed < len(thresholds) else 0.5
    held = float(((certainty.probabilities >= threshold) | certainty.yes).sum(axis=1).mean())
    of_groups = None if groups is None else size
    return MultilabelPredictionSets(coverage, threshold, len(truth), certainty.label_names, held, of_groups)


@dataclass(frozen=True)
class MultilabelAbstention(Acceptance):
    """A fitted rule; called with a `MultilabelCertainty`, it says which rows to hand to a person.

    Attributes:
        threshold: Rows whose smallest `gap` is at most this are handed over, 0 for none; equals go alike.
        label_names: K names; the rule is for the same labels only.
    """

    label_names: tuple[str, ...]

    def __call__(self, certainty: MultilabelCertainty) -> Booleans:
        """(N,) booleans, True for a row that a person should see.

        Raises:
            InputError: Not a `MultilabelCertainty`, or one of other labels or another origin.
        """
        self._check(certainty, MultilabelCertainty, self.label_names)
        return np.asarray(_least_gap(certainty) <= self.threshold)

    def wrong(self, certainty: MultilabelCertainty) -> Floats:
        """(N,) 1 for a row with a wrong label, else 0."""
        return np.asarray(np.any(certainty.yes != certainty.truth, axis=1), dtype=np.float64)

    def in_words(self) -> str:
        """The promise and its evidence, in three sentences."""
        return self.said("wrong in a label or more", f"{self.mistakes:,} of them with a wrong label")

    __str__ = in_words


def abstain(
    certainty: MultilabelCertainty,
    labels: Any,
    *,
    risk: float,
    confidence: float,
    tolerance: Any,
    background: int | None = None,
    groups: Integers | None = None,
) -> MultilabelAbstention:
    """The part `abstain` of several labels per row: a row is wrong if any label is; its gaps rank it."""
    check_no_tolerance(tolerance, "A label")
    wrong = np.any(certainty.yes != truth_of(certainty, labels), axis=1)
    decision = decided(_least_gap(certainty), wrong, risk, confidence, groups)
    return MultilabelAbstention(**decision, label_names=certainty.label_names)


def _least_gap(certainty: MultilabelCertainty) -> Floats:
    """(N,) 0 to 1, how far yes and no are apart in the label where that is least."""
    return np.asarray(certainty.gap.min(axis=1))
