"""Estimates from one cell or balanced group, and their running sums for each row.

    passes (W, n, C) ── sum_up ──> Estimate: mean, late, variance of one cell        (n, C) each
                                      │ add
                                      ▼
                                   RunningMoments: over all cells, or balanced groups, of a row (N, C) each

A unit is what is added in one step: a cell, or a balanced group of flat passes. Only these sums are stored,
so memory does not grow with the number of passes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.design import Design
from howsure.sampling.error import Estimate, Pairs, Units, error_of, replicated
from howsure.sampling.outcome import Estimates, Outcome, Tally
from howsure.sampling.sketch import NumberSketch, Sketch, sketch_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def sum_up(values: Floats, late: Sequence[int], outcome: Outcome) -> Estimate:
    """The estimate from one cell.

    Args:
        values: (W, n, K) values of its passes.
        late: Sizes of the balanced groups of masks at the last branching; the variance between these groups
            gives their error. Empty if the pilot pools the whole error: a row has too few groups of its own.
        outcome: The outcome that defines the values.
    """
    parts = values, outcome.derived(values, values.mean(axis=0))
    of_parts = [mean_late_variance(part, late) for part in parts]
    mean, remaining, variance = (np.concatenate(both, axis=-1) for both in zip(*of_parts, strict=True))
    return Estimate(mean, remaining, variance, len(values))


def mean_late_variance(values: Floats, late: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    """(n, …, C) mean, squared error from the last branching, and variance of one cell; see `sum_up`."""
    mean = values.mean(axis=0)
    variance = ((values - mean) ** 2).mean(axis=0)  # as `var`, which computes the mean again
    if not late:
        return mean, np.zeros_like(mean), variance
    runs, total = len(values) // sum(late), sum(late)
    grouped = values.reshape(runs, total, *values.shape[1:])
    of_run = grouped.mean(axis=1)
    between, start = np.zeros_like(of_run), 0
    for size, alike in itertools.groupby(late):
        stop = start + size * len(list(alike))
        groups = grouped[:, start:stop].reshape(runs, (stop - start) // size, size, *values.shape[1:])
        between = between + size * np.sum((groups.mean(axis=2) - of_run[:, None]) ** 2, axis=1)
        start = stop
    # For each run of the late masks; then the mean over the runs.
    remaining = replicated(between, len(late), total).mean(axis=0) / runs
    return of_run.mean(axis=0), remaining, variance


class RunningMoments:
    """Running sums over the units of N rows. Rows may have different numbers of units.

    Args:
        rows: N.
        columns: Shape of the columns of one row, (…, C).
        sketch: Counts the passes, or None.
        precision: Type of number of the sums.

    Attributes:
        passes: (N,) passes added so far.
        units: (N,) units added so far.
        mean, between, within, late: (N, …, C) as `Units` has them.
        sketch: Counts the passes, or None.
    """

    def __init__(
        self,
        rows: int,
        columns: tuple[int, ...],
        sketch: Sketch | NumberSketch | Tally | None = None,
        precision: type[np.floating[Any]] = np.float64,
    ) -> None:
        self.passes: Integers = np.zeros(rows, dtype=np.int64)
        self.units: Integers = np.zeros(rows, dtype=np.int64)
        self.mean, self.between, self.within, self.late = (
            np.zeros((rows, *columns), dtype=precision) for _ in range(4)
        )
        self.sketch = sketch

    @classmethod
    def of(cls, rows: int, outcome: Outcome) -> RunningMoments:
        """Empty sums for this many rows of an outcome."""
        return cls(rows, outcome.columns, sketch_of(rows, outcome), outcome.precision)

    def count(self, values: Floats, rows: Integers | slice = slice(None)) -> None:
        """Add the passes (B, n, …, K) of the unit that was just added to the histogram."""
        if self.sketch is not None:
            at = np.arange(len(self.passes))[rows]
            self.sketch.add(values, self.mean[rows][..., : values.shape[-1]], at)

    def add(self, unit: Estimate, rows: Integers | slice = slice(None)) -> None:
        """Add one unit to these rows, each row at most once."""
        now = self.of_rows(rows).plus(unit)
        self.mean[rows], self.between[rows] = now.mean, now.between
        self.within[rows], self.late[rows] = now.within, now.late
        self.passes[rows] += unit.passes
        self.units[rows] += 1

    def add_group(self, values: Floats, outcome: Outcome, rows: Integers | slice = slice(None)) -> None:
        """Add one balanced group of flat passes (B, n, …, K); the variance between groups gives the error.

        The entropy column of a pass is −Σ p log(mean). The mean so far, including this group, replaces the
        final mean; the resulting error is of second order.
        """
        rows = _as_slice(rows)
        mean, before = values.mean(axis=0), self._wide(self.passes[rows])
        so_far = self.mean[rows][..., : mean.shape[-1]]
        reference = so_far + (mean - so_far) * (len(values) / (before + len(values)))
        parts = values, outcome.derived(values, reference)
        means = np.concatenate([part.mean(axis=0) for part in parts], axis=-1)
        variances = np.concatenate([part.var(axis=0) for part in parts], axis=-1)
        self.add(Estimate(means, np.zeros_like(means), variances, len(values)), rows)
        self.count(values, rows)

    def of_rows(self, rows: Integers | slice = slice(None), pairs: Pairs | None = None) -> Units:
        """The statistics of the units of these rows."""
        return Units(
            self._wide(self.units[rows]),
            self._wide(self.passes[rows]),
            self.mean[rows],
            self.between[rows],
            self.within[rows],
            self.late[rows],
            pairs,
        )

    def variance(self, rows: Integers | slice = slice(None)) -> Floats:
        """(n, …, C) variance over all passes, with divisor T as in `numpy.var`."""
        total = self.within[rows] + self.between[rows]
        return np.asarray(total / self._wide(np.maximum(self.passes[rows], 1)))

    def estimates(
        self,
        outcome: Outcome,
        rows: Integers | slice = slice(None),
        design: Design | None = None,
        pairs: Pairs | None = None,
        rare: bool = False,
    ) -> Estimates:
        """Estimates for these rows.

        Args:
            outcome: The outcome that defines the columns.
            rows: Which rows. With a design, all of them have had the same number of cells: less than a group,
                or whole groups.
            design: Design of the cells; None if the variance between the units of a row gives its error.
            pairs: As `Units` has it.
            rare: Likewise.
        """
        units = replace(self.of_rows(rows, pairs), rare=rare)
        if design is not None:
            cells = int(units.count.flat[0]) if units.count.size else design.cells
            units = replace(units, count=cells, passes=cells * design.passes)
        squared, error = error_of(units, outcome, design)
        if design is None:
            squared = np.nan_to_num(squared)  # NaN for a single unit
        return Estimates(self.mean[rows], error, squared, self.variance(rows), self.passes[rows])

    def _wide(self, of_rows: Integers) -> Floats:
        """(n, …, 1) of (n,), beside columns (n, …, C) and in their type, so that sums keep it."""
        return of_rows.reshape(-1, *[1] * (self.mean.ndim - 1)).astype(self.mean.dtype)


def _as_slice(rows: Integers | slice) -> Integers | slice:
    """Consecutive rows as a slice, whose sums need not be copied; others as they are."""
    if isinstance(rows, slice) or not len(rows) or np.any(np.diff(rows) != 1):
        return rows
    return slice(int(rows[0]), int(rows[-1]) + 1)
