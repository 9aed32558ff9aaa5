"""Decisions from labelled rows of numbers: abstention, intervals, rows for a person.

The score of a labelled row for intervals is |y − mean| / width, where its width is `std` (Papadopoulos and
others 2002; Lei and others 2018). `howsure.evaluation.conformal` states the promise of intervals. The tests
check them against the library MAPIE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.digits import exactly, significant
from howsure.errors import InputError
from howsure.evaluation.conformal import (
    TOLERANCE,
    check_enough,
    of_new_groups,
    rounded_down,
    size_of,
    surely_covered,
    threshold_of,
)
from howsure.evaluation.groups import ask_for_groups
from howsure.evaluation.handover import DIGITS, Columns
from howsure.evaluation.selective import Acceptance, decided
from howsure.inputs.rows import as_floats, in_rows, quoted
from howsure.inputs.targets import by_target
from howsure.results.origin import FittedToRows
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.tasks.regression.counts import is_counts
from howsure.tasks.regression.quantiles import pairs_of, widest_between
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.scores import scale_of
from howsure.tasks.regression.sentence import SHOWN
from howsure.tasks.truth import truth_of
from howsure.words import counted, listed

# --- abstention ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RegressionAbstention(Acceptance):
    """A fitted rule; called with a `RegressionCertainty`, it says which rows to hand to a person.

    Attributes:
        threshold: Rows whose tolerance is at most this many times their `std` are handed over, 0 for none;
            equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of accepted rows that are off by more than the tolerance.
        confidence: Probability over the labelled rows drawn that the promise is kept.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are off by more.
        tolerance: By name of each target, how far it may be off, in its unit. A row is off if any target is.
        ranked_by: `std`, or `width` between quantiles, or `spread` if neither is known, or `nothing`: then
            all rows go the same way.
    """

    tolerance: Mapping[str, float]
    ranked_by: str

    def __call__(self, result: RegressionCertainty) -> Booleans:
        """(N,) booleans, True for a row that a person should see.

        Args:
            result: Result of N ≥ 0 rows, with the targets of the fit.

        Raises:
            InputError: Not a `RegressionCertainty`, one of other targets, or without the `std` of the fit.
        """
        self._check(result, RegressionCertainty, tuple(self.tolerance))
        scale, ranked_by = scale_of(result)
        if len(result) and ranked_by != self.ranked_by:
            raise InputError(
                "These rows cannot be ranked as the labelled ones were",
                expected=f"rows that are ranked by `{self.ranked_by}`",
                received=f"ones that are ranked by `{ranked_by}`",
                hint="Give rows of the same method, calibrated alike",
            )
        return np.asarray(_allowed_stds(scale, np.array([*self.tolerance.values()])) <= self.threshold)

    def wrong(self, result: RegressionCertainty) -> Floats:
        """(N,) 1 for a row with a number that is off by more than `tolerance`, else 0."""
        return _off(result, result.truth, np.array([*self.tolerance.values()])).astype(np.float64)

    def in_words(self) -> str:
        """The promise and its evidence, in three sentences."""
        limits = [exactly(limit) for limit in self.tolerance.values()]
        if len(limits) > 1:
            limits = [f"{limit} in '{name}'" for name, limit in zip(self.tolerance, limits, strict=True)]
        off = f"off by more than {' or '.join(limits)}"
        return self.said(off, f"{self.mistakes:,} of them off by more")

    __str__ = in_words


def abstain(
    result: RegressionCertainty,
    labels: Any,
    *,
    risk: float,
    confidence: float,
    tolerance: Any,
    background: int | None = None,
    groups: Integers | None = None,
) -> RegressionAbstention:
    """The part `abstain` of numbers, ranked by tolerance / `std`, without a `background`.

    See `howsure.evaluation.selective`.
    """
    truth = truth_of(result, labels)
    limits = _limits_of(tolerance, result.target_names)
    scale, ranked_by = scale_of(result)
    wrong = _off(result, truth, limits)
    ask_for_groups(np.abs(truth - result.mean).max(axis=-1), *(truth - result.mean).T)
    decision = decided(_allowed_stds(scale, limits), wrong, risk, confidence, groups)
    by_name = dict(zip(result.target_names, limits.tolist(), strict=True))
    return RegressionAbstention(**decision, tolerance=by_name, ranked_by=ranked_by)


def _off(result: RegressionCertainty, truth: Any, limits: Floats) -> Booleans:
    """(N,) whether a number of a row is off by more than its limit."""
    return np.asarray((np.abs(truth - result.mean) > limits).any(axis=-1))


def _allowed_stds(scale: Floats, limits: Floats) -> Floats:
    """(N,) how many times its std a row may be off, in the target where that is least."""
    ratio = np.divide(limits, scale, out=np.full(scale.shape, np.inf), where=scale > 0)
    return np.asarray(ratio.min(axis=-1))


def _limits_of(tolerance: Any, names: tuple[str, ...]) -> Floats:
    """(K,) how far each target may be off, or an `InputError`."""
    if isinstance(tolerance, Mapping):
        if set(tolerance) != set(names):
            raise InputError(
                "`tolerance` does not fit the targets",
                expected=f"a number for each of {quoted(names)}",
                received=repr(tolerance)[:200],
            )
        tolerance = [tolerance[name] for name in names]
    expected = "a number above 0, in the unit of the target" + (
        "" if len(names) == 1 else f"; or one for each of {quoted(names)}"
    )
    if tolerance is None:
        what = "Numbers are never exactly right, so say in `tolerance` how far one may be off"
        raise InputError(what, expected=expected)
    limits = as_floats(by_target(tolerance, names, "The numbers of `tolerance`"), "`tolerance`")
    if limits.shape not in ((), (len(names),)) or not np.all((limits > 0) & np.isfinite(limits)):
        raise InputError("`tolerance` cannot be used", expected=expected, received=repr(tolerance)[:200])
    return np.broadcast_to(limits, len(names))


# --- intervals ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PredictionIntervals(FittedToRows):
    """Fitted intervals; called with a `RegressionCertainty`, they say between which numbers answers lie.

    Attributes:
        coverage: Promised share of rows whose interval holds the true number, for each target by itself
            unless `together`.
        by_std: Whether the width of a row is in proportion to its `std`. If that is unknown, all rows have
            equally wide intervals: `spread` alone says nothing of noise.
        threshold: The K largest scores that lie in the interval: how many times the width it reaches to
            either side.
        rows: Labelled rows that they were fitted on.
        target_names: K names; intervals are given for the same targets only.
        width: K mean widths of the intervals of the labelled rows, in the unit of the target.
        least: Share of rows whose intervals hold the true number, at least, in all targets at once, with
            95 % confidence over draws of the labelled rows.
        groups: As in `PredictionSets`.
        levels: Levels of the two quantiles that the intervals correct, by `threshold` in the unit of the
            target, or in widths of the row if `together`; None if the rows have no quantiles.
        together: Whether the coverage is that of all targets of a row at once; then all have one threshold.
    """

    coverage: float
    by_std: bool
    threshold: tuple[float, ...]
    rows: int
    target_names: tuple[str, ...]
    width: tuple[float, ...] = field(default=())
    least: float = np.nan
    groups: int | None = None
    together: bool = False
    levels: tuple[float, float] | None = None

    def __call__(self, result: RegressionCertainty) -> Floats:
        """(N, K, 2) lower and upper end of the interval of each number, in the unit of the target.

        Args:
            result: Result of N ≥ 0 rows, with the targets of the fit.

        Raises:
            InputError: Not a `RegressionCertainty`, or one of other targets or without the `std` of the fit.
        """
        self._check(result, RegressionCertainty, self.target_names)
        if self.levels is not None or is_counts(result):
            return self._corrected(result)
        if self.by_std and np.isnan(result.std).any():
            raise InputError(
                "The `std` of these rows is unknown, and the intervals are scaled by it",
                expected="rows of the same method, calibrated alike, as the labelled ones",
            )
        scale = result.std if self.by_std else np.ones_like(result.mean)
        # A number that was at the threshold stays in its interval, whatever rounding does.
        reach = np.array(self.threshold) * scale * (1 + TOLERANCE)
        return np.stack([result.mean - reach, result.mean + reach], axis=-1)

    def _corrected(self, result: RegressionCertainty) -> Floats:
        """(N, K, 2) quantiles moved outwards by the threshold; where they would cross, their middle.

        Ends of counts are the outermost counts between them, and none is below 0.
        """
        low, high = _ends_to_correct(result, self.levels, self.coverage)
        of_counts, width = is_counts(result), high - low if self.together else np.ones_like(low)
        width = result.std if of_counts else width
        reach = np.array(self.threshold) * width + TOLERANCE * (width if of_counts else high - low)
        middle = (low + high) / 2
        low, high = np.minimum(low - reach, middle), np.maximum(high + reach, middle)
        if of_counts:
            high = np.maximum(np.floor(high), 0.0)
            low = np.clip(np.ceil(low), 0.0, high)
        return np.stack([low, high], axis=-1)

    def columns(self, result: RegressionCertainty) -> dict[str, Any]:
        """The columns of decided rows."""
        return _low_and_high(self(result))

    def __str__(self) -> str:
        is_single = len(self.target_names) == 1
        which = "the true number" if is_single else "the true number of each target"
        which, them = ("all true numbers of a row", "them") if self.together else (which, "it")
        widths = [
            f"{significant(width, 3)}" + ("" if is_single else f" for '{name}'")
            for name, width in zip(self.target_names, self.width, strict=True)
        ]
        text = (
            f"Intervals hold {which} in at least {100 * self.coverage:g} % of the rows"
            f"{of_new_groups(self.groups)} on average. "
            f"With these {counted(self.rows, 'labelled row')} they hold {them} in "
            f"{rounded_down(self.least)} or more, with 95 % confidence. "
            f"On average they are {listed(widths)} wide"
        )
        if self.levels is not None:
            return f"{text}, corrected from quantiles {self.levels[0]:g} and {self.levels[1]:g} of the model."
        if self.by_std:
            return f"{text}, in proportion to the std of the row."
        return f"{text}, equally wide in every row, as the noise is unknown."

    in_words = __str__


def prediction_intervals(
    result: RegressionCertainty,
    labels: Any,
    *,
    coverage: float,
    groups: Integers | None = None,
    together: bool = False,
) -> PredictionIntervals:
    """The part `prediction_intervals` of numbers; see `howsure.evaluation.conformal.prediction_intervals`."""
    truth = truth_of(result, labels)
    size = size_of(truth, groups)
    check_enough([size], coverage, counted="rows" if groups is None else "groups")
    is_known, levels = not np.isnan(result.std).any(), None
    together = together and len(result.target_names) > 1
    scale = result.std if is_known else np.ones_like(result.mean)
    error = np.abs(truth - result.mean)
    scores = np.divide(error, scale, out=np.where(error > 0, np.inf, 0.0), where=scale > 0)
    ask_for_groups(error.max(axis=-1), *(truth - result.mean).T)
    if result.answer_quantiles is not None:  # Romano and others 2019; by width, Sesia and Candès 2020
        pairs = pairs_of(result.levels)
        share = min(pairs, key=lambda known: abs(known - coverage))
        low_level, high_level = (result.levels[place] for place in pairs[share])
        levels = (low_level, high_level)
    if levels is not None or is_counts(result):
        low, high = _ends_to_correct(result, levels, coverage)
        outside, width = np.maximum(low - truth, truth - high), high - low if levels else scale
        by_width = np.divide(outside, width, out=np.where(outside > 0, np.inf, 0.0), where=width > 0)
        scores = outside if levels and not together else by_width
    if together:  # the largest score of a row is at most the threshold where each is
        scores = np.broadcast_to(scores.max(axis=-1, keepdims=True), scores.shape)
    threshold = tuple(threshold_of(of_target, coverage, groups) for of_target in scores.T)
    if not np.isfinite(threshold).all():
        rows = np.flatnonzero((scale == 0).any(axis=1))
        raise InputError(
            f"No width would do: the `std` is 0 {in_rows(len(rows), rows[:5].tolist())}, and answers differ "
            "from the mean there",
            expected="a `std` above 0",
        )
    fitted = PredictionIntervals(
        coverage,
        is_known,
        threshold,
        len(truth),
        result.target_names,
        groups=None if groups is None else size,
        together=together,
        levels=levels,
    )
    low, high = np.moveaxis(fitted(result), -1, 0)
    return replace(
        fitted,
        width=tuple((high - low).mean(axis=0).tolist()),
        least=surely_covered(
            [size] * (1 if together else len(result.target_names)), coverage, by_group=groups is not None
        ),
    )


def _ends_to_correct(
    result: RegressionCertainty, levels: tuple[float, float] | None, coverage: float
) -> tuple[Floats, Floats]:
    """(N, K) twice: the quantiles of a result at two of its levels; of counts, those of the coverage.

    No count is below 0, so a lower end there holds whatever the reach is.
    """
    if levels is None:
        low, high = np.moveaxis(result.prediction_interval(coverage), -1, 0)
        return np.where(low > 0, low, -np.inf), high
    if result.answer_quantiles is None:
        raise InputError("The intervals correct quantiles, and these rows have none", expected="quantiles")
    low, high = (result.answer_quantiles[..., result.levels.index(level)] for level in levels)
    return low, high


# --- rows for a person --------------------------------------------------------------------------------


CHOSEN = ("all", "unfamiliar")
"""Words that mean rows of numbers."""


def handed_over(result: RegressionCertainty, sets: Any) -> Columns:
    """The part `hand_over` of numbers; see `howsure.evaluation.handover.hand_over`."""
    ends = _interval_ends(result, sets)
    by_column = _by_column_name(result, ends)
    width = np.ptp(list(ends.values()), axis=0) if ends else np.zeros_like(result.mean)
    columns = len(by_column) // len(result.target_names)
    return {
        name: _rounded_to_width(column, width[:, at // columns]).tolist()
        for at, (name, column) in enumerate(by_column.items())
    }


def choose(rows: RegressionCertainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word means, all rows for None, the least certain first.

    Args:
        rows: N of them.
        which: One of `CHOSEN`, or None.
        most: How many are wanted. With several targets all rows are given: the least certain target of a row
            depends on the other rows.

    Raises:
        InputError: A word for verdicts, which numbers do not have; or the familiarity is not measured.
    """
    if which is not None and which not in CHOSEN:
        raise InputError(
            f"Numbers have no verdicts, so no row of them is chosen by '{which}'",
            expected=f"one of {', '.join(CHOSEN)}",
            hint="`result.above(3.0)` asks whether each number is above 3; the answer has a verdict",
        )
    order = rows.widest()
    if which == "unfamiliar":
        rows.check_familiarity()
        order = order[rows.unfamiliar[order]]
    return np.asarray(order if len(rows.target_names) > 1 else order[:most])


def _rounded_to_width(numbers: Floats, widths: Floats) -> Floats:
    """Numbers (N,) with `DIGITS` of the width (N,) of their intervals; as they are where none is above 0."""
    decimals = [DIGITS - 1 - math.floor(math.log10(width)) if width > 0 else None for width in widths]
    pairs = zip(numbers.tolist(), decimals, strict=True)
    return np.array([number if some is None else round(number, some) for number, some in pairs])


def _interval_ends(result: RegressionCertainty, sets: Any) -> dict[str, Floats]:
    """(N, K) ends of intervals by the names of their columns."""
    if sets is not None:
        if not callable(sets):
            raise InputError(
                "`sets` cannot be used",
                expected="what howsure.prediction_intervals gives, or None",
                received=repr(sets)[:200],
            )
        ends = np.asarray(sets(result))
        if ends.shape != (*result.mean.shape, 2):
            raise InputError(
                "`sets` gives no intervals of these rows",
                expected="what howsure.prediction_intervals gives: an array of shape "
                f"{(*result.mean.shape, 2)}",
                received=f"one of shape {ends.shape}",
            )
        return _low_and_high(ends)
    if result.low is not None and result.high is not None:
        return {"low": result.low, "high": result.high}
    if result.answer_quantiles is not None:
        return _low_and_high(widest_between(result))
    known_rows = np.flatnonzero(np.isfinite(result.std).all(axis=-1))
    if len(known_rows):
        ends = np.full((*result.mean.shape, 2), np.nan)
        ends[known_rows] = result[known_rows].prediction_interval(SHOWN)
        return _low_and_high(ends)
    return {} if result.quantiles is None else _low_and_high(result.credible_interval(SHOWN), "network_")


def _low_and_high(ends: Floats, of: str = "") -> dict[str, Floats]:
    return {f"{of}low": ends[..., 0], f"{of}high": ends[..., 1]}


def _by_column_name(result: RegressionCertainty, ends: dict[str, Floats]) -> dict[str, Floats]:
    """(N,) by the names of columns: the numbers of one target beside each other."""
    wide = {"mean": result.mean, **ends}
    if result.truth is not None:
        wide["truth"] = result.truth
    called = {name: _column_names(name, result) for name in wide}
    return {called[name][k]: wide[name][:, k] for k in range(len(result.target_names)) for name in wide}


def _column_names(name: str, result: RegressionCertainty) -> list[str]:
    names = result.target_names
    return [name] if len(names) == 1 else [f"{name}.{target}" for target in names]
