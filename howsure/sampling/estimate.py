"""Estimates from one cell or balanced group, and their running sums for each row.

    passes (W, n, C) ── sum_up ──> Estimate: mean, late, variance of one cell        (n, C) each
                                      │ add
                                      ▼
                                   Sums: over all cells, or balanced groups, of a row (N, C) each

A unit is what is added in one step: a cell, or a balanced group of flat passes. Only these sums are stored,
so memory does not grow with the number of passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.outcome import Estimates, Outcome
from howsure.sampling.sketch import TRACKED, Sketch
from howsure.statistics import widening

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the passes of one unit (cell or balanced group) say about n rows.

    Attributes:
        mean: (n, C) mean of the passes.
        late: (n, C) squared error of `mean` from the masks of the last branching (the inner samples); 0 if it
            is not estimated separately.
        variance: (n, C) variance over the passes.
        passes: Number of passes.
    """

    mean: Floats
    late: Floats
    variance: Floats
    passes: int


def sum_up(values: Floats, late: Sequence[int], outcome: Outcome) -> Estimate:
    """The estimate from one cell.

    Args:
        values: (W, n, K) values of its passes.
        late: Sizes of the balanced groups of masks at the last branching; the variance between these groups
            gives their error. Empty if the pilot pools the whole error: a row has too few groups of its own.
        outcome: The outcome that defines the values.
    """
    parts = values, outcome.derived(values, values.mean(axis=0))
    of_parts = [_mean_late_variance(part, late) for part in parts]
    mean, left, variance = (np.concatenate(both, axis=-1) for both in zip(*of_parts, strict=True))
    return Estimate(mean, left, variance, len(values))


def _mean_late_variance(values: Floats, late: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    if not late:
        return values.mean(axis=0), np.zeros(values.shape[1:]), values.var(axis=0)
    runs = len(values) // sum(late)
    grouped = values.reshape(runs, -1, *values.shape[1:])
    of_run = grouped.mean(axis=1)
    between = np.zeros_like(of_run)
    start = 0
    for size in late:
        between += size * (grouped[:, start : start + size].mean(axis=1) - of_run) ** 2
        start += size
    # For each run of the late masks as in `Sums.replicated_error`; then the mean over the runs.
    left = between / ((len(late) - 1) * sum(late))
    return of_run.mean(axis=0), left.mean(axis=0) / runs, values.var(axis=0)


class Sums:
    """Running sums over the units of N rows. Rows may have different numbers of units.

    Args:
        rows: N.
        columns: C.
        tracked: Number of values whose distribution over passes is kept as a histogram; 0 for none.

    Attributes:
        passes: (N,) passes added so far.
        units: (N,) units added so far.
        mean: (N, C) mean over all passes.
        between: (N, C) Σ B (m − mean)² over units of B passes with mean m: between-unit sum of squares.
        within: (N, C) Σ B · variance over units: within-unit sum of squares.
        late: (N, C) Σ of the units' squared errors from the last branching.
        sketch: Histogram of the passes, or None.
    """

    def __init__(self, rows: int, columns: int, tracked: int = 0) -> None:
        self.passes: Integers = np.zeros(rows, dtype=np.int64)
        self.units: Integers = np.zeros(rows, dtype=np.int64)
        self.mean = np.zeros((rows, columns))
        self.between = np.zeros((rows, columns))
        self.within = np.zeros((rows, columns))
        self.late = np.zeros((rows, columns))
        self.sketch = Sketch(rows, tracked) if tracked else None

    @classmethod
    def of(cls, rows: int, outcome: Outcome) -> Sums:
        """Empty sums for this many rows of an outcome."""
        tracked = min(TRACKED, outcome.width) if outcome.has_one_top else 0
        return cls(rows, len(outcome.families), tracked)

    def count(self, values: Floats, rows: Integers | slice = slice(None)) -> None:
        """Add the passes (B, n, K) of the unit that was just added to the histogram."""
        if self.sketch is not None:
            at = np.arange(len(self.passes))[rows]
            self.sketch.add(values, self.mean[at][:, : values.shape[-1]], at)

    def add(self, estimate: Estimate, rows: Integers | slice = slice(None)) -> None:
        """Add one unit to these rows, each row at most once (Chan, Golub & LeVeque 1979)."""
        size, before = estimate.passes, self.passes[rows][:, None]
        step = estimate.mean - self.mean[rows]
        self.between[rows] += step**2 * (before * size / (before + size))
        self.mean[rows] += step * (size / (before + size))
        self.within[rows] += size * estimate.variance
        self.late[rows] += estimate.late
        self.passes[rows] += size
        self.units[rows] += 1

    def add_group(self, values: Floats, outcome: Outcome, rows: Integers | slice = slice(None)) -> None:
        """Add one balanced group of flat passes (B, n, K); the variance between groups gives the error.

        The entropy column of a pass is −Σ p log(mean). The mean so far, including this group, replaces the
        final mean; the resulting error is of second order.
        """
        mean, before = values.mean(axis=0), self.passes[rows][:, None]
        so_far = self.mean[rows][:, : mean.shape[-1]]
        reference = so_far + (mean - so_far) * (len(values) / (before + len(values)))
        derived = outcome.derived(values, reference)
        both: Any = [(part.mean(axis=0), part.var(axis=0)) for part in (values, derived)]
        means, variances = (np.concatenate(parts, axis=-1) for parts in zip(*both, strict=True))
        self.add(Estimate(means, np.zeros_like(means), variances, len(values)), rows)
        self.count(values, rows)

    def replicated_error(self, rows: Integers | slice = slice(None)) -> Floats:
        """(n, C) squared standard error of `mean`, from the variance between the means of R units.

        Σ B (m − mean)² / ((R − 1) T) for units of B passes with mean m, T passes in all. NaN with fewer than
        two units: one unit shows no error.
        """
        units = self.units[rows][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            error = self.between[rows] / ((units - 1) * self.passes[rows][:, None])
        error[units[:, 0] < 2] = np.nan
        return np.asarray(error)

    def variance(self, rows: Integers | slice = slice(None)) -> Floats:
        """(n, C) variance over all passes, with divisor T as in `numpy.var`."""
        total = self.within[rows] + self.between[rows]
        return np.asarray(total / np.maximum(self.passes[rows], 1)[:, None])

    def estimates(self, outcome: Outcome, rows: Integers | slice = slice(None)) -> Estimates:
        """Estimates for these rows, each with the error from the variance between its units."""
        squared = self.replicated_error(rows)
        error = np.sqrt(squared) * widening(self.units[rows])[:, None]
        return Estimates(
            self.mean[rows],
            np.maximum(error, outcome.least_error),
            np.nan_to_num(squared),  # NaN for a single unit
            self.variance(rows),
            self.passes[rows],
        )
