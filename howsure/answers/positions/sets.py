"""What else could a position be? Sets of classes that rarely miss, image by image (conformal risk control).

The loss of a row is the share of its positions that count whose true class is not in their set. It falls as
the threshold falls, and its mean over n labelled rows, R, gives the threshold: the largest at which
(n R + 1) / (n + 1) ≤ 1 − coverage. A new row of the same kind then has an expected loss of at most
1 − coverage (Angelopoulos and others 2022, Conformal risk control, theorem 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from howsure.answers.positions.counts import DROPPED, MOST, check_known, known_probabilities
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.truth import truths_of
from howsure.answers.registry import POSITIONS, check_kind
from howsure.errors import InputError
from howsure.judge.sets import check_enough
from howsure.results.row_index import one_position
from howsure.sampling.outcome import Booleans, Floats


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
        p = _singles(known_probabilities(self._result, at))
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
        return np.array([each[each > 0].mean() for each in sizes], dtype=np.float64)


@dataclass(frozen=True)
class DensePredictionSets:
    """Fitted sets; called with a `DenseCertainty`, they say which classes each position could be of.

    Attributes:
        coverage: Promised share of a row's positions whose set holds the true class, on average over rows.
        threshold: 0 to 1, the least probability of a class in a set.
        rows: Labelled rows with a position that counts.
        class_names: K names; sets are given for the same classes only.
        size: Mean number of classes in the sets of the labelled rows.
    """

    coverage: float
    threshold: float
    rows: int
    class_names: tuple[str, ...]
    size: float

    def __call__(self, result: DenseCertainty) -> DenseSets:
        """The sets of N ≥ 0 rows, made as they are asked for. The most probable class is always in.

        Raises:
            InputError: Not a `DenseCertainty`, or of other classes, or without all probabilities.
        """
        check_kind(result, POSITIONS, self.class_names)
        check_known(result)
        return DenseSets(result, self.threshold)

    def __str__(self) -> str:
        return (
            f"Sets that hold the true class at {100 * self.coverage:g} % or more of the positions of a row, "
            f"on average over rows: all classes with a probability of at least {self.threshold:.3g}, and the "
            f"most probable one. Learnt from {self.rows:,} labelled rows, where they hold {self.size:.2g} of "
            f"{len(self.class_names)} classes on average."
        )


def prediction_sets(
    result: DenseCertainty, labels: Any, *, coverage: float, score: str, by_class: bool, seed: int
) -> DensePredictionSets:
    """The part `prediction_sets` of positions; see `howsure.judge.sets.prediction_sets`."""
    del seed  # nothing is drawn
    if score != "lac" or by_class:
        raise InputError(
            "Sets of classes at positions are made by one threshold of the probability",
            expected='score="lac" and by_class=False',
            received=f"score={score!r} and by_class={by_class}",
        )
    truths = truths_of(result, labels)
    check_known(result)
    missed, rows = np.zeros(int(MOST) + 1), 0
    for at, truth in enumerate(truths):
        counts = truth >= 0
        if not counts.any():
            continue
        rows += 1
        true, label = truth[counts], np.asarray(result.label[at]).reshape(-1)[counts]
        p = _singles(known_probabilities(result, at)[counts])
        of_true = np.take_along_axis(p, true[:, None], axis=1)[label != true, 0]
        place = of_true.view(np.int32) >> DROPPED  # the largest threshold that each reaches
        np.add.at(missed, place, 1 / len(true))
    check_enough([rows], coverage)
    # What is in a place is missed by all thresholds after it, and not by its own.
    losses = np.cumsum(missed) - missed
    allowed = round((1 - coverage) * (rows + 1) - 1, 9)
    place = int(np.flatnonzero(losses <= allowed + 1e-9)[-1])  # 1e-9: rounding of sums; losses[0] is 0
    threshold = float(np.int32(place << DROPPED).view(np.float32))
    size = float(DenseSets(result, threshold).size.mean())
    return DensePredictionSets(coverage, threshold, rows, result.class_names, size)


def _singles(p: Floats) -> NDArray[np.float32]:
    return np.clip(p, 0, 1).astype(np.float32)
