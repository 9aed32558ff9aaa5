"""Decisions from labelled rows with a class at each position: abstention, sets of classes, rows for a person.

Sets of classes rarely miss, image by image (conformal risk control). The loss of a row is the share of its
positions that count whose true class is not in their set. It falls as the threshold falls, and its mean over
n labelled rows, R, gives the threshold: the largest at which (n R + 1) / (n + 1) ≤ 1 − coverage. A new row of
the same kind then has an expected loss of at most 1 − coverage (Angelopoulos and others 2022, Conformal risk
control, theorem 1). If rows depend on each other within groups, these are counted, with their mean losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import as_share, check_type
from howsure.errors import InputError
from howsure.evaluation.conformal import check_enough, of_new_groups
from howsure.evaluation.groups import ask_for_groups, one_of_each
from howsure.evaluation.handover import DIGITS, Columns
from howsure.evaluation.selective import Acceptance, ShareOfRows, decided
from howsure.results.origin import FittedToRows
from howsure.results.row_index import one_position
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.scores import check_known, counted_of, known_probabilities, truths_of

DROPPED = 12
"""Bits in single precision that thresholds leave out: 2,048 are left in each octave."""

MOST = np.float32(1.0).view(np.int32) >> DROPPED

CHOSEN = ("all",)
"""Words that mean rows with a class at each position."""


# --- abstention -----------------------------------------------------------------------------------------


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
        self._check(result, DenseCertainty, self.class_names)
        return np.asarray(_certainty_of_rows(result) <= self.threshold)

    def wrong(self, result: DenseCertainty) -> Floats:
        """(N,) 1 for a row with a lower Dice, else 0; NaN for one that has none."""
        background = None if self.background is None else self.class_names.index(self.background)
        dice = counted_of(result, None).without(background).dice
        return np.where(np.isfinite(dice), _is_low(dice, self.tolerance), np.nan)

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
    groups: Integers | None = None,
) -> DenseAbstention:
    """The part `abstain` of positions, ranked by `doubt`; see `howsure.evaluation.selective`."""
    counts = counted_of(result, labels)
    if tolerance is None:
        raise InputError(
            "A row is hardly ever right at every position, so say how far its Dice may be below 1",
            expected="tolerance=0.2 for a Dice of 0.8, for example",
        )
    limit = as_share(tolerance, "tolerance")
    dice, certain, names = counts.without(background).dice, _certainty_of_rows(result), result.class_names
    known_rows = np.isfinite(dice)
    ask_for_groups(dice[known_rows])
    low = _is_low(dice[known_rows], limit)
    decision = decided(
        certain[known_rows], low, risk, confidence, None if groups is None else groups[known_rows]
    )
    counted_rows = np.flatnonzero(counts.counted > 0)
    if groups is not None:
        counted_rows = counted_rows[one_of_each(groups[counted_rows])]
    certain_of_counted = certain[counted_rows]
    decision["handed_over"] = ShareOfRows.of(
        int(np.sum(certain_of_counted <= decision["threshold"])), len(certain_of_counted)
    )
    left_out = None if background is None else names[background]
    return DenseAbstention(**decision, tolerance=limit, class_names=names, background=left_out)


def _is_low(dice: Floats, tolerance: float) -> Booleans:
    return np.asarray(dice < 1 - tolerance - np.finfo(float).eps)  # 1 − 0.2 is not 0.8


def _certainty_of_rows(result: DenseCertainty) -> Floats:
    """(N,) from 0 to 1, e^−doubt: 1 where nothing is in doubt."""
    return np.asarray(np.exp(-result.doubt))


# --- sets of classes ------------------------------------------------------------------------------------


class DenseSets(Sequence[Booleans]):
    """Sets of classes at each position of N rows, made row by row: `sets[3]` is (*P, K) booleans.

    Attributes:
        size: (N,) mean number of classes in the sets of each row.
    """

    def __init__(self, result: DenseCertainty, threshold: float) -> None:
        self._result, self._threshold = result, threshold

    def __len__(self) -> int:
        return len(self._result)

    @overload
    def __getitem__(self, row: int) -> Booleans: ...
    @overload
    def __getitem__(self, row: slice) -> DenseSets: ...
    def __getitem__(self, row: int | slice) -> Booleans | DenseSets:
        """(*P, K) whether each class is in the set of each position of one row; fewer rows for a slice.

        The set of a position that does not count is empty.
        """
        if isinstance(row, slice):
            return DenseSets(self._result[row], self._threshold)
        at = one_position(row, len(self))
        if at is None:
            raise InputError("This is not the number of a row", expected="a whole number", received=repr(row))
        p = _in_single_precision(known_probabilities(self._result, at))
        inside = p >= np.float32(self._threshold)
        label = np.asarray(self._result.label[at]).reshape(-1, 1).astype(np.int64)
        np.put_along_axis(inside, label, label >= 0, axis=1)
        return np.asarray(inside.reshape(*self._result.positions, -1))

    def __iter__(self) -> Iterator[Booleans]:
        return (self[at] for at in range(len(self)))

    @cached_property
    def size(self) -> Floats:
        """(N,) mean number of classes in the sets of each row, of the positions that count."""
        sizes = (inside.sum(axis=-1) for inside in self)
        return np.array([size[size > 0].mean() for size in sizes], dtype=np.float64)


@dataclass(frozen=True)
class DensePredictionSets(FittedToRows):
    """Fitted sets; called with a `DenseCertainty`, they say which classes each position could be of.

    Attributes:
        coverage: Promised share of a row's positions whose set holds the true class, on average over rows.
        threshold: 0 to 1, the least probability of a class in a set.
        rows: Labelled rows with a position that counts.
        class_names: K names; sets are given for the same classes only.
        size: Mean number of classes in the sets of the labelled rows.
        groups: As in `PredictionSets`.
    """

    coverage: float
    threshold: float
    rows: int
    class_names: tuple[str, ...]
    size: float
    groups: int | None = None

    def __call__(self, result: DenseCertainty) -> DenseSets:
        """The sets of N ≥ 0 rows, made as they are asked for. The most probable class is always in.

        Raises:
            InputError: Not a `DenseCertainty`, or of other classes, or without all probabilities.
        """
        self._check(result, DenseCertainty, self.class_names)
        check_known(result)
        return DenseSets(result, self.threshold)

    def __str__(self) -> str:
        return (
            f"Sets hold the true class at {100 * self.coverage:g} % or more of the positions of a row, "
            f"on average over rows{of_new_groups(self.groups)}. They are all classes with a probability of "
            f"at least {self.threshold:.3g}, and the most probable one. Learnt from {self.rows:,} labelled "
            f"rows, where they hold {self.size:.2g} of {len(self.class_names)} classes on average."
        )


def prediction_sets(
    result: DenseCertainty,
    labels: Any,
    *,
    coverage: float,
    by_class: bool,
    groups: Integers | None = None,
) -> DensePredictionSets:
    """The part `prediction_sets` of positions; see `howsure.evaluation.conformal.prediction_sets`."""
    if by_class:
        raise InputError(
            "Sets of classes at positions are made by one threshold of the probability",
            expected="by_class=False",
            received="by_class=True",
        )
    ask_for_groups(result.doubt)
    truths = truths_of(result, labels)
    check_known(result)
    missed, rows, size = np.zeros(int(MOST) + 1), 0, np.ones(len(result), dtype=np.int64)
    if groups is not None:  # the rows of a group share its weight
        has_positions = np.array([bool((truth >= 0).any()) for truth in truths_of(result, labels)])
        size = np.bincount(groups[has_positions], minlength=len(groups))[groups]
    for at, truth in enumerate(truths):
        counts = truth >= 0
        if not counts.any():
            continue
        rows += 1
        true, label = truth[counts], np.asarray(result.label[at]).reshape(-1)[counts]
        p = _in_single_precision(known_probabilities(result, at)[counts])
        of_true = np.take_along_axis(p, true[:, None], axis=1)[label != true, 0]
        place = of_true.view(np.int32) >> DROPPED  # the largest threshold that each reaches
        np.add.at(missed, place, 1 / (len(true) * size[at]))
    draws = rows if groups is None else len(np.unique(groups[has_positions]))
    check_enough([draws], coverage, counted="rows" if groups is None else "groups")
    # What is in a place is missed by all thresholds after it, and not by its own.
    losses = np.cumsum(missed) - missed
    allowed = round((1 - coverage) * (draws + 1) - 1, 9)
    place = int(np.flatnonzero(losses <= allowed + 1e-9)[-1])  # 1e-9: rounding of sums; losses[0] is 0
    threshold = float(np.int32(place << DROPPED).view(np.float32))
    mean_size = float(DenseSets(result, threshold).size.mean())
    of_groups = None if groups is None else draws
    return DensePredictionSets(coverage, threshold, rows, result.class_names, mean_size, of_groups)


def _in_single_precision(p: Floats) -> NDArray[np.float32]:
    return np.clip(p, 0, 1).astype(np.float32)


# --- rows for a person ----------------------------------------------------------------------------------


def handed_over(result: DenseCertainty, sets: Any) -> Columns:
    """The part `hand_over` of positions; see `howsure.evaluation.handover.hand_over`."""
    check_type(sets, (DensePredictionSets, type(None)), "sets", "what howsure.prediction_sets gives, or None")
    shares = [f"share.{name}" for name in result.class_names]
    numbers = {"undecided": result.undecided, "doubt": result.doubt}
    numbers |= dict(zip(shares, result.share.T, strict=True))
    numbers |= {} if sets is None else {"classes": sets(result).size}
    return {name: [round(float(number), DIGITS) for number in column] for name, column in numbers.items()}


def choose(rows: DenseCertainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word means, all rows for None, the most doubtful first.

    Args:
        rows: N of them.
        which: One of `CHOSEN`, or None.
        most: Most rows to choose. Default: all.

    Raises:
        InputError: A word for verdicts, which a row with a class at each position does not have.
    """
    if which is not None and which not in CHOSEN:
        raise InputError(
            f"Each {rows.position_name} has a verdict, and no {rows.kind} has one, so none is chosen by "
            f"'{which}'",
            expected="all, the most doubtful first",
        )
    return rows.most_undecided(most)
