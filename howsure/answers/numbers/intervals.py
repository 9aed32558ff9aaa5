"""Intervals that hold the true number as often as promised (split conformal), around the means of a result.

The score of a labelled row is |y − mean| / width, where its width is `std` (Papadopoulos and others 2002; Lei
and others 2018). `howsure.judge.sets` states the promise. The tests check the intervals against the
library MAPIE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.registry import NUMBERS, check_kind
from howsure.answers.truth import truth_of
from howsure.arguments import as_array
from howsure.data.align import aligned
from howsure.data.rows import check_unmasked, in_rows, quoted
from howsure.digits import significant
from howsure.errors import InputError
from howsure.judge.sets import TOLERANCE, check_enough, rounded_down, surely_covered, threshold_of
from howsure.sampling.outcome import Floats, Integers
from howsure.words import counted, listed


@dataclass(frozen=True)
class PredictionIntervals:
    """Fitted intervals; called with a `RegressionCertainty`, they say between which numbers answers lie.

    Attributes:
        coverage: Promised share of rows whose interval holds the true number, for each target by itself.
        by_std: Whether the width of a row is in proportion to its `std`. If that is unknown, all rows have
            equally wide intervals: `spread` alone says nothing of noise.
        threshold: By group, the K largest scores that lie in the interval: how many times the width it
            reaches to either side. One group, None, if no groups were asked for.
        rows: By group, labelled rows that they were fitted on.
        target_names: K names; intervals are given for the same targets only.
        width: K mean widths of the intervals of the labelled rows, in the unit of the target.
        least: Share of rows whose intervals hold the true number, at least, in all groups and targets at
            once, with 95 % confidence over draws of the labelled rows.
    """

    coverage: float
    by_std: bool
    threshold: Mapping[Any, tuple[float, ...]]
    rows: Mapping[Any, int]
    target_names: tuple[str, ...]
    width: tuple[float, ...] = field(default=())
    least: float = np.nan

    @property
    def by_group(self) -> bool:
        """Whether the coverage is promised of the rows of every group."""
        return None not in self.threshold

    def __call__(self, result: RegressionCertainty, by: Any = None) -> Floats:
        """(N, K, 2) lower and upper end of the interval of each number, in the unit of the target.

        Args:
            result: Result of N ≥ 0 rows, with the targets of the fit.
            by: (N,) group of each row, where the intervals were fitted by group; None otherwise.

        Raises:
            InputError: Not a `RegressionCertainty`, one of other targets or without the `std` of the fit,
                or groups that were not among the labelled rows.
        """
        check_kind(result, NUMBERS, self.target_names)
        if self.by_std and np.isnan(result.std).any():
            raise InputError(
                "The `std` of these rows is unknown, and the intervals are scaled by it",
                expected="rows of the same method, calibrated alike, as the labelled ones",
            )
        scale = result.std if self.by_std else np.ones_like(result.mean)
        reach = np.empty_like(result.mean)
        if self.by_group != (by is not None):
            raise InputError(
                "These intervals were fitted by group" if self.by_group else "These intervals know no groups",
                expected="by=groups, one per row" if self.by_group else "by=None",
                hint=None if self.by_group else "Give `by` to `howsure.prediction_intervals` too",
            )
        groups = _groups_of(by, result)
        unknown = [str(name) for name in groups if name not in self.threshold]
        if unknown:
            raise InputError(
                "There are groups among these rows that the labelled rows did not have",
                expected=f"among {quoted(list(map(str, self.threshold)))}",
                received=quoted(unknown),
            )
        for name, members in groups.items():
            # A number that was at the threshold stays in its interval, whatever rounding does.
            reach[members] = np.array(self.threshold[name]) * scale[members] * (1 + TOLERANCE)
        return np.stack([result.mean - reach, result.mean + reach], axis=-1)

    def __str__(self) -> str:
        one = len(self.target_names) == 1
        of_each = " of every group" if self.by_group else ""
        rows, which = sum(self.rows.values()), "the true number" if one else "the true number of each target"
        widths = [
            f"{significant(width, 3)}" + ("" if one else f" for '{name}'")
            for name, width in zip(self.target_names, self.width, strict=True)
        ]
        said = (
            f"Intervals that hold {which} in at least {100 * self.coverage:g} % of the rows{of_each} "
            "on average. "
            f"With these {counted(rows, 'labelled row')} they hold it in {rounded_down(self.least)} or more, "
            f"with 95 % confidence. On average they are {listed(widths)} wide"
        )
        if self.by_std:
            return f"{said}, in proportion to the std of the row."
        return f"{said}, equally wide in every row, as the noise is unknown."

    in_words = __str__


def prediction_intervals(
    result: RegressionCertainty, labels: Any, *, coverage: float, by: Any
) -> PredictionIntervals:
    """The part `prediction_intervals` of numbers; see `howsure.judge.sets.prediction_intervals`."""
    truth = truth_of(result, labels)
    groups = _groups_of(by, result)
    sizes = {name: len(members) for name, members in groups.items()}
    check_enough(list(sizes.values()), coverage, () if by is None else list(map(str, sizes)), "group")
    is_known = not np.isnan(result.std).any()
    scale = result.std if is_known else np.ones_like(result.mean)
    error = np.abs(truth - result.mean)
    scores = np.divide(error, scale, out=np.where(error > 0, np.inf, 0.0), where=scale > 0)
    threshold = {
        name: tuple(threshold_of(of_target, coverage) for of_target in scores[members].T)
        for name, members in groups.items()
    }
    if not np.isfinite(list(threshold.values())).all():
        rows = np.flatnonzero((scale == 0).any(axis=1))
        raise InputError(
            f"No width would do: the `std` is 0 {in_rows(len(rows), rows[:5].tolist())}, and answers differ "
            "from the mean there",
            expected="a `std` above 0",
        )
    fitted = PredictionIntervals(coverage, is_known, threshold, sizes, result.target_names)
    low, high = np.moveaxis(fitted(result, by), -1, 0)
    return replace(
        fitted,
        width=tuple((high - low).mean(axis=0).tolist()),
        least=surely_covered([*sizes.values()] * len(result.target_names), coverage),
    )


def _groups_of(by: Any, result: RegressionCertainty) -> dict[Any, Integers]:
    """By name of each group, positions of its rows; without groups, None has all."""
    if by is None:
        return {None: np.arange(len(result))}
    check_unmasked(by, "The groups")
    given = as_array(aligned(by, result, "The groups", "by"), "The groups")
    if given.shape != (len(result),):
        raise InputError(
            "The groups do not fit the rows",
            expected=f"{len(result)} names or numbers, one per row",
            received=f"an array of shape {given.shape}",
        )
    places: dict[Any, list[int]] = {}
    for position, name in enumerate(given.tolist()):
        if not isinstance(name, (str, int, float)) or name != name:
            raise InputError(f"Row {position} has no group", expected="texts or numbers", received=repr(name))
        places.setdefault(name, []).append(position)
    return {name: np.array(positions) for name, positions in places.items()}
