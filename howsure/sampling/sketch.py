"""Histograms of the passes of each row. No pass is stored, so memory does not grow with their number.

    a pass ── probability of a tracked class ── arcsin √p ── one of `BINS` equal bins, one more in it

Only at the end is it known which class is most probable, and histograms of all classes would take too much
memory. So howsure tracks the classes that lead after a row's first unit. If another class overtakes them, it
replaces the least probable tracked class, and is counted from then on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling import between_numbers
from howsure.sampling.between import (
    LEVELS,
    from_angles,
    largest,
    one_error_away,
    quantiles_error,
    spread_error,
)
from howsure.sampling.design import INDEPENDENT, DesignEffect
from howsure.sampling.outcome import Estimates, Outcome, Tally

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TRACKED = 3
"""Tracked classes of a row: the two that decide the verdict, and one that may still overtake them."""

BINS = 256
"""Bins of a row's histogram. They are 0.6 points wide at a probability of one half, and 0.04 points at 0.999.
Passes are assumed to lie evenly within a bin."""

_STEPS = 1 << 16
_EDGES = np.rint(_STEPS * from_angles(np.arange(BINS + 1) / BINS)).astype(np.int64)
_BIN_OF = np.append(np.repeat(np.arange(BINS), np.diff(_EDGES)), BINS - 1)
"""Bins begin at whole `_STEPS`, so that a table finds the bin of a probability."""


class Sketch:
    """Histograms for N rows.

    Args:
        rows: N.
        classes: M, number of tracked classes.
    """

    def __init__(self, rows: int, classes: int) -> None:
        self._classes: Integers = np.full((rows, classes), -1)
        self._counts = np.zeros((rows, classes, BINS), dtype=np.uint32)

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes of one unit.

        Args:
            values: (B, n, K) probabilities.
            mean: (n, K) mean over all passes of these rows so far, this unit's included.
            rows: (n,) row numbers, each at most once.
        """
        classes, tracked = self._track(mean, rows), self._counts.shape[1]
        places = (np.arange(len(rows))[:, None] * values.shape[-1] + classes).reshape(-1)
        steps = (_STEPS * values.reshape(len(values), -1)[:, places]).astype(np.intp)
        first = (rows[:, None] * tracked + np.arange(tracked)).reshape(-1) * BINS
        np.add.at(self._counts.reshape(-1), (np.take(_BIN_OF, steps) + first).reshape(-1), np.uint32(1))

    def quantiles(self, label: Integers, spread: Floats, effect: Floats) -> tuple[Floats, Floats]:
        """Quantiles (N, L) of the probability of a class at `LEVELS`, and their errors; NaN if unknown.

        Args:
            label: (N,) the class.
            spread: (N, 1) upper limit for the standard deviation of its probability between networks.
            effect: (N, L) design effect of the share of passes below each quantile.
        """
        tracked = self._classes == label[:, None]
        counts = self._counts[np.arange(len(label)), tracked.argmax(axis=-1)]
        counts *= tracked.any(axis=-1)[:, None]
        passes, levels = counts.sum(axis=-1, dtype=np.float64)[:, None], np.array(LEVELS)
        effective = np.maximum(passes, 1) / effect
        lower, upper = one_error_away(effective)
        shares = np.concatenate([np.broadcast_to(levels, lower.shape), lower, upper], axis=-1)
        ends, below, above = np.split(from_angles(quantiles_in_bins(counts, passes, shares)), 3, axis=-1)
        ends = np.where(np.minimum(levels, 1 - levels) * effective < 0.5 - 1e-9, np.nan, ends)
        width = np.pi / BINS * np.sqrt(ends * (1 - ends))
        return ends, quantiles_error(ends, below, above, spread, effective, width)

    def kurtosis(self, width: int) -> Floats:
        """Kurtosis (N, K) of the passes; 0 for classes not tracked or spread within one bin."""
        filled, weights = _filled(self._counts)
        places, size = filled // BINS, self._classes.size
        middles = from_angles((np.arange(BINS) + 0.5) / BINS)[filled % BINS]
        count = np.maximum(np.bincount(places, weights, size), 1)
        mean = np.bincount(places, weights * middles, size) / count
        squares = (middles - mean[places]) ** 2
        variance = np.bincount(places, weights * squares, size) / count
        fourth = np.bincount(places, weights * squares**2, size) / count
        narrow = variance <= (np.pi / BINS) ** 2 * mean * (1 - mean)
        kurtosis = np.where(narrow, 0.0, fourth / np.where(narrow, 1.0, variance) ** 2)
        of_all = np.zeros((len(self._classes), width))
        np.put_along_axis(
            of_all, np.maximum(self._classes, 0), kurtosis.reshape(self._classes.shape), axis=-1
        )
        return of_all

    def _track(self, mean: Floats, rows: Integers) -> Integers:
        """Tracked classes (n, M) of these rows; they include the most probable one."""
        classes, label = self._classes[rows], mean.argmax(axis=-1)
        new = classes[:, 0] < 0
        if new.any():
            classes[new] = np.argsort(-mean[new], axis=-1, kind="stable")[:, : classes.shape[1]]
        overtaken = np.flatnonzero((classes != label[:, None]).all(axis=-1))
        if len(overtaken):
            place = np.take_along_axis(mean[overtaken], classes[overtaken], axis=-1).argmin(axis=-1)
            classes[overtaken, place] = label[overtaken]
            self._counts[rows[overtaken], place] = 0
        self._classes[rows] = classes
        return classes


WIDER = 2.0
"""How many times as far as at first the passes of a row lie apart before its histogram is made wider."""

_SCORES = np.tan(np.pi * ((np.arange(BINS) + 0.5) / BINS - 0.5))
"""Middles of the bins of numbers, as distances from the location in scales."""


class NumberSketch:
    """Histograms for N rows of P numbers that have a unit.

    A number has no natural range. So bins are equal in ½ + arctan((y − location)/scale)/π, with the mean of a
    row's first unit, and the standard deviation of its passes around that mean: bins are 0.012 to 0.024
    standard deviations wide in the middle, and a thousand times larger unit gives the same ones. If later
    passes lie apart farther than `WIDER` times as much, the counts move to wider bins.

    A bin also holds the sum of the numbers in it, and of what goes with each. So what stands for it is their
    mean, which is the number of a pass where there is one, or where several are the same.

    Args:
        rows: N.
        numbers: P.
        width: C, a multiple of P: the numbers, and what goes with each, such as its variance; None for P.
    """

    def __init__(self, rows: int, numbers: int, width: int | None = None) -> None:
        width = numbers if width is None else width
        self._sums = np.zeros((rows, width // numbers, numbers, BINS))
        self._location, self._scale = np.full((rows, numbers), np.nan), np.zeros((rows, numbers))
        self._squares, self._passes = np.zeros((rows, numbers)), np.zeros((rows, 1))
        self._counts = np.zeros((rows, numbers, BINS), dtype=np.uint32)

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes (B, n, K) of one unit of rows (n,), each at most once; `mean` is not used."""
        numbers = self._counts.shape[1]
        values, others = np.split(values, [numbers], axis=-1)
        new, own = np.isnan(self._location[rows]), values.mean(axis=0)
        location = np.where(new, own, self._location[rows])
        self._location[rows] = location
        self._squares[rows] += ((values - location) ** 2).sum(axis=0)
        self._passes[rows] += len(values)
        # As long as all passes are the same, they are at the location, and any scale fits.
        apart = np.sqrt(self._squares[rows] / self._passes[rows])
        scale = np.where(apart > WIDER * self._scale[rows], apart, self._scale[rows])
        self._widen(rows, scale)
        score = (values - location) / np.where(scale > 0, scale, 1.0)
        # Passes with two values lie at ±1, edges of bins: in the upper bin, whatever rounding does.
        bins = np.minimum((BINS * (0.5 + np.arctan(score) / np.pi) + 1e-9).astype(np.int64), BINS - 1)
        first = (rows[:, None] * numbers + np.arange(numbers)) * BINS
        np.add.at(self._counts.reshape(-1), (bins + first).reshape(-1), np.uint32(1))
        summed = np.concatenate([score, others], axis=-1).reshape(*score.shape[:2], -1, numbers)
        of = (rows[:, None, None] * summed.shape[2] + np.arange(summed.shape[2])[:, None]) * numbers
        at = (of + np.arange(numbers)) * BINS + bins[:, :, None]
        np.add.at(self._sums.reshape(-1), at.reshape(-1), summed.reshape(-1))

    def _widen(self, rows: Integers, scale: Floats) -> None:
        """Set the scale (n, P) of rows. Counts move to the bin that holds the middle of theirs now."""
        before = self._scale[rows]
        self._scale[rows] = scale
        of_rows, numbers = np.nonzero((before > 0) & (scale > before))
        if len(of_rows):
            shrunk = before[of_rows, numbers] / scale[of_rows, numbers]
            bins = (BINS * (0.5 + np.arctan(_SCORES * shrunk[:, None]) / np.pi)).astype(np.int64)
            of, at = (rows[of_rows], slice(None), numbers), np.arange(len(of_rows))[:, None]
            self._sums[of[0], 0, numbers] *= shrunk[:, None]
            for binned in (self._counts[:, None], self._sums):
                moved = np.zeros((len(of_rows), binned.shape[1], BINS), dtype=binned.dtype)
                np.add.at(np.moveaxis(moved, 1, 2), (at, bins), np.moveaxis(binned[of], 1, 2))
                binned[of] = moved

    def network_fields(self, spread: Floats, passes: Floats, effect: Floats) -> dict[str, Any]:
        """Spread, quantiles and their errors, as `Estimates` has them.

        Args:
            spread: (N, P) standard deviation between networks.
            passes: (N,) how many independent passes tell the spread as well.
            effect: (N, L) design effect of the share of passes below each quantile.
        """
        error = spread_error(spread, passes, self._kurtosis())
        rows, numbers = spread.shape
        counts, levels = self._counts.reshape(rows * numbers, BINS), np.array(LEVELS)
        drawn = counts.sum(axis=-1, dtype=np.float64)[:, None]
        effective = np.maximum(drawn, 1) / np.repeat(effect, numbers, axis=0)
        lower, upper = one_error_away(effective)
        shares = np.concatenate([np.broadcast_to(levels, lower.shape), lower, upper], axis=-1)
        places = quantiles_in_bins(counts, drawn, shares)
        # Where a scale was never needed all passes are one number.
        location, scale = self._location.reshape(-1, 1), self._scale.reshape(-1, 1)
        score = np.tan(np.pi * (np.clip(places, 0.5 / BINS, 1 - 0.5 / BINS) - 0.5))
        quantiles, below, above = np.split(location + scale * score, 3, axis=-1)
        few = np.minimum(levels, 1 - levels) * effective < 0.5 - 1e-9
        quantiles = np.where(few, np.nan, quantiles)
        width = scale * (np.pi / BINS) * (1 + score[:, : len(levels)] ** 2)
        shape = (rows, numbers, len(levels))
        quantiles, below, above, width = (
            values.reshape(shape) for values in (quantiles, below, above, width)
        )
        most, effective = largest(spread, error), effective.reshape(shape)
        return {
            "spread": spread,
            "spread_error": error,
            "quantiles": quantiles,
            "quantiles_error": quantiles_error(
                quantiles, below, above, most, effective, width, has_range=False
            ),
            "networks": self._networks(counts, drawn),
        }

    def _networks(self, counts: NDArray[np.uint32], drawn: Floats) -> Floats:
        """(N, C, M) passes, or quantiles of more than M, from counts (N · P, BINS) of passes (N · P, 1)."""
        rows, numbers = self._location.shape
        kept = between_numbers.KEPT
        in_order = (np.arange(kept) + 0.5) / drawn
        quantiles = np.clip(between_numbers.MIDDLES, 0.5 / drawn, 1 - 0.5 / drawn)
        places = quantiles_in_bins(counts, drawn, np.where(drawn > kept, quantiles, in_order))
        bins = np.clip(np.ceil(np.nan_to_num(places) * BINS).astype(np.int64) - 1, 0, BINS - 1)
        bins = bins.reshape(rows, 1, numbers, kept)
        means = self._sums / np.maximum(self._counts, 1)[:, None]
        networks = np.take_along_axis(means, bins, axis=-1)
        networks[:, 0] = self._location[..., None] + self._scale[..., None] * networks[:, 0]
        networks[np.broadcast_to(np.isnan(places).reshape(bins.shape), networks.shape)] = np.nan
        return networks.reshape(rows, networks.shape[1] * numbers, kept)

    def _kurtosis(self) -> Floats:
        """(N, P) kurtosis of the passes; 0 where they are all the same."""
        count = np.maximum(self._counts.sum(axis=-1, dtype=np.float64), 1)
        first, second, third, fourth = (self._counts @ _SCORES**power / count for power in (1, 2, 3, 4))
        variance = second - first**2
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        varies = variance > (np.pi / BINS) ** 2
        return np.where(varies, central / np.where(varies, variance, 1.0) ** 2, 0.0)


def sketch_of(rows: int, outcome: Outcome) -> Sketch | NumberSketch | Tally | None:
    """The counter of the passes of this many rows of an outcome, or None if nothing is told of networks."""
    own = outcome.tally(rows)
    if own is not None:
        return own
    if outcome.has_unit:
        return NumberSketch(rows, outcome.answers, outcome.width)
    return Sketch(rows, min(TRACKED, outcome.width)) if outcome.has_one_top else None


def _filled(counts: NDArray[np.uint32]) -> tuple[Integers, Floats]:
    """Places of the bins that hold passes, and the number of passes in each."""
    every = counts.reshape(-1)
    filled = np.flatnonzero(every != 0)
    return filled, every[filled].astype(np.float64)


def quantiles_in_bins(counts: NDArray[np.uint32], passes: Floats, levels: Floats) -> Floats:
    """Quantiles (n, L), as shares of all bins, from counts (n, BINS) of passes (n, 1).

    NaN beyond the smallest and the largest pass.

    The k-th smallest of T passes is at the level (k − ½)/T (Hazen 1914).
    """
    target_counts = levels * passes
    inside = (target_counts >= 0.5 - 1e-9) & (target_counts <= passes - 0.5 + 1e-9)
    filled, here = _filled(counts)
    if not len(filled):
        return np.full(levels.shape, np.nan)
    # The bins of all rows follow one another: a row's passes begin after those of the row before.
    sums, before = np.cumsum(here), np.cumsum(passes, axis=0) - passes
    at = np.minimum(np.searchsorted(sums, before + np.where(inside, target_counts, 0.5)), len(filled) - 1)
    share = 1 - (sums[at] - before - target_counts) / here[at]
    return np.where(inside, (filled[at] % BINS + share) / BINS, np.nan)


def with_networks(
    estimates: Estimates,
    sketch: Sketch | NumberSketch | Tally | None,
    outcome: Outcome,
    effect: DesignEffect = INDEPENDENT,
    other: DesignEffect | None = None,
    is_other: NDArray[np.bool_] | None = None,
) -> Estimates:
    """Add the standard deviation and the quantiles between networks.

    Values that are neither probabilities nor numbers with a unit are returned unchanged.

    The squared standard deviation is the variance over the passes plus the squared error of their mean. The
    second term corrects for deviations being taken from the sample mean, which moves with the passes.

    Args:
        estimates: Estimates for n rows.
        sketch: The counter of their passes, or None.
        outcome: The outcome that defines the values.
        effect: Design effects of their passes.
        other: Design effects for the rows in `is_other`, or None for the same.
        is_other: (n,) which rows these are, or None.
    """
    if isinstance(sketch, Tally):
        return sketch.completed(estimates)
    if not (outcome.are_probabilities or outcome.has_unit):
        return estimates
    mean, variance, squared = (
        array[:, : outcome.answers] for array in (estimates.mean, estimates.variance, estimates.squared_error)
    )
    spread = np.sqrt(variance + squared)
    both = [effect, effect if other is None else other]
    which = np.zeros(len(mean), dtype=np.int64) if is_other is None else is_other.astype(np.int64)
    passes = estimates.passes / np.array([factor.spread for factor in both])[which]
    if isinstance(sketch, NumberSketch):
        of_quantiles = np.array([factor.quantiles for factor in both])[which]
        of_shares = np.array([max(*factor.quantiles, factor.spread) for factor in both])[which]
        fields = sketch.network_fields(spread, passes, of_quantiles)
        return replace(estimates, **fields, independent=estimates.passes / of_shares)
    kurtosis = np.zeros_like(mean) if sketch is None else sketch.kurtosis(outcome.width)
    error = spread_error(spread, passes, kurtosis, mean)
    known = replace(estimates, spread=spread, spread_error=error)
    if sketch is None:
        return known
    label, of_quantiles = mean.argmax(axis=-1), np.array([factor.quantiles for factor in both])[which]
    quantiles, error = sketch.quantiles(label, largest(spread, error, label), of_quantiles)
    return replace(known, quantiles=quantiles, quantiles_error=error)
