"""Intervals that hold the true number as often as promised (split conformal), around the means of a result.

The score of a labelled row is |y − mean| / width, where its width is `std` (Papadopoulos and others 2002; Lei
and others 2018). `howsure.evaluation.conformal` states the promise. The tests check the intervals against the
library MAPIE.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.digits import significant
from howsure.errors import InputError
from howsure.evaluation.conformal import TOLERANCE, check_enough, rounded_down, surely_covered, threshold_of
from howsure.inputs.rows import in_rows
from howsure.results.check import check_result
from howsure.sampling.outcome import Floats
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.truth import truth_of
from howsure.words import counted, listed


@dataclass(frozen=True)
class PredictionIntervals:
    """Fitted intervals; called with a `RegressionCertainty`, they say between which numbers answers lie.

    Attributes:
        coverage: Promised share of rows whose interval holds the true number, for each target by itself.
        by_std: Whether the width of a row is in proportion to its `std`. If that is unknown, all rows have
            equally wide intervals: `spread` alone says nothing of noise.
        threshold: The K largest scores that lie in the interval: how many times the width it reaches to
            either side.
        rows: Labelled rows that they were fitted on.
        target_names: K names; intervals are given for the same targets only.
        width: K mean widths of the intervals of the labelled rows, in the unit of the target.
        least: Share of rows whose intervals hold the true number, at least, in all targets at once, with
            95 % confidence over draws of the labelled rows.
    """

    coverage: float
    by_std: bool
    threshold: tuple[float, ...]
    rows: int
    target_names: tuple[str, ...]
    width: tuple[float, ...] = field(default=())
    least: float = np.nan

    def __call__(self, result: RegressionCertainty) -> Floats:
        """(N, K, 2) lower and upper end of the interval of each number, in the unit of the target.

        Args:
            result: Result of N ≥ 0 rows, with the targets of the fit.

        Raises:
            InputError: Not a `RegressionCertainty`, or one of other targets or without the `std` of the fit.
        """
        check_result(result, RegressionCertainty, self.target_names)
        if self.by_std and np.isnan(result.std).any():
            raise InputError(
                "The `std` of these rows is unknown, and the intervals are scaled by it",
                expected="rows of the same method, calibrated alike, as the labelled ones",
            )
        scale = result.std if self.by_std else np.ones_like(result.mean)
        # A number that was at the threshold stays in its interval, whatever rounding does.
        reach = np.array(self.threshold) * scale * (1 + TOLERANCE)
        return np.stack([result.mean - reach, result.mean + reach], axis=-1)

    def __str__(self) -> str:
        is_single = len(self.target_names) == 1
        which = "the true number" if is_single else "the true number of each target"
        widths = [
            f"{significant(width, 3)}" + ("" if is_single else f" for '{name}'")
            for name, width in zip(self.target_names, self.width, strict=True)
        ]
        text = (
            f"Intervals that hold {which} in at least {100 * self.coverage:g} % of the rows on average. "
            f"With these {counted(self.rows, 'labelled row')} they hold it in {rounded_down(self.least)} or "
            f"more, with 95 % confidence. On average they are {listed(widths)} wide"
        )
        if self.by_std:
            return f"{text}, in proportion to the std of the row."
        return f"{text}, equally wide in every row, as the noise is unknown."

    in_words = __str__


def prediction_intervals(result: RegressionCertainty, labels: Any, *, coverage: float) -> PredictionIntervals:
    """The part `prediction_intervals` of numbers; see `howsure.evaluation.conformal.prediction_intervals`."""
    truth = truth_of(result, labels)
    check_enough([len(truth)], coverage, (), "")
    is_known = not np.isnan(result.std).any()
    scale = result.std if is_known else np.ones_like(result.mean)
    error = np.abs(truth - result.mean)
    scores = np.divide(error, scale, out=np.where(error > 0, np.inf, 0.0), where=scale > 0)
    threshold = tuple(threshold_of(of_target, coverage) for of_target in scores.T)
    if not np.isfinite(threshold).all():
        rows = np.flatnonzero((scale == 0).any(axis=1))
        raise InputError(
            f"No width would do: the `std` is 0 {in_rows(len(rows), rows[:5].tolist())}, and answers differ "
            "from the mean there",
            expected="a `std` above 0",
        )
    fitted = PredictionIntervals(coverage, is_known, threshold, len(truth), result.target_names)
    low, high = np.moveaxis(fitted(result), -1, 0)
    return replace(
        fitted,
        width=tuple((high - low).mean(axis=0).tolist()),
        least=surely_covered([len(truth)] * len(result.target_names), coverage),
    )
