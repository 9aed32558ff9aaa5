"""How the passes of a row are distributed, counted on a grid: no pass is kept, whatever their number.

    a pass ── probability of a tracked class ── arcsin √p ── one of `BINS` equal bins, one more in it

The class that turns out to be the most probable is known at the end, and all classes would be many. So those
are tracked that lead after a row's first unit. A class that comes to the top later takes the place of the
least of them, and is counted from then on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.between import (
    LEVELS,
    from_angles,
    largest,
    one_error_away,
    quantiles_error,
    spread_error,
)
from howsure.sampling.design import INDEPENDENT, DesignEffect
from howsure.sampling.outcome import Estimates, Outcome

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TRACKED = 3
"""Classes of a row that are counted: the two that a verdict goes by, and one that may still overtake them."""

BINS = 256
"""Bins of a row's grid, 0.6 points wide at a probability of one half and 0.04 points at 0.999. Within a bin
passes are taken to lie evenly."""

_STEPS = 1 << 16
_EDGES = np.rint(_STEPS * from_angles(np.arange(BINS + 1) / BINS)).astype(np.int64)
_BIN_OF = np.append(np.repeat(np.arange(BINS), np.diff(_EDGES)), BINS - 1)
"""Bins begin at whole `_STEPS`, so that a table finds the bin of a probability."""


class Sketch:
    """The counts of N rows.

    Args:
        rows: N.
        classes: How many are tracked, M.
    """

    def __init__(self, rows: int, classes: int) -> None:
        self._classes: Integers = np.full((rows, classes), -1)
        self._counts = np.zeros((rows, classes, BINS), dtype=np.uint32)

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes of one unit.

        Args:
            values: (B, n, K) probabilities.
            mean: (n, K) over all passes of these rows so far, this unit's included.
            rows: (n,) each at most once.
        """
        classes, tracked = self._track(mean, rows), self._counts.shape[1]
        wanted = (np.arange(len(rows))[:, None] * values.shape[-1] + classes).reshape(-1)
        steps = (_STEPS * values.reshape(len(values), -1)[:, wanted]).astype(np.intp)
        first = (rows[:, None] * tracked + np.arange(tracked)).reshape(-1) * BINS
        np.add.at(self._counts.reshape(-1), (np.take(_BIN_OF, steps) + first).reshape(-1), np.uint32(1))

    def quantiles(self, label: Integers, spread: Floats, effect: Floats) -> tuple[Floats, Floats]:
        """(N, L) quantiles of the probability of a class at `LEVELS`, and their errors; NaN where unknown.

        Args:
            label: (N,) the class.
            spread: (N, 1) how large that of its probability may be.
            effect: (N, L) design effect of the share of passes below each quantile.
        """
        tracked = self._classes == label[:, None]
        counts = self._counts[np.arange(len(label)), tracked.argmax(axis=-1)]
        counts *= tracked.any(axis=-1)[:, None]
        passes, levels = counts.sum(axis=-1, dtype=np.float64)[:, None], np.array(LEVELS)
        effective = np.maximum(passes, 1) / effect
        lower, upper = one_error_away(effective)
        wanted = np.concatenate([np.broadcast_to(levels, lower.shape), lower, upper], axis=-1)
        found, below, above = np.split(_quantiles(counts, passes, wanted), 3, axis=-1)
        found = np.where(np.minimum(levels, 1 - levels) * effective < 0.5 - 1e-9, np.nan, found)
        width = np.pi / BINS * np.sqrt(found * (1 - found))
        return found, quantiles_error(found, below, above, spread, effective, width)

    def kurtosis(self, width: int) -> Floats:
        """(N, K) of the passes of tracked classes, up to the width of a bin; 0 for others."""
        filled, weights = _filled(self._counts)
        places, size = filled // BINS, self._classes.size
        middles = from_angles((np.arange(BINS) + 0.5) / BINS)[filled % BINS]
        count = np.maximum(np.bincount(places, weights, size), 1)
        mean = np.bincount(places, weights * middles, size) / count
        squares = (middles - mean[places]) ** 2
        variance = np.bincount(places, weights * squares, size) / count
        fourth = np.bincount(places, weights * squares**2, size) / count
        narrow = variance <= (np.pi / BINS) ** 2 * mean * (1 - mean)
        found = np.where(narrow, 0.0, fourth / np.where(narrow, 1.0, variance) ** 2)
        of_all = np.zeros((len(self._classes), width))
        np.put_along_axis(of_all, np.maximum(self._classes, 0), found.reshape(self._classes.shape), axis=-1)
        return of_all

    def _track(self, mean: Floats, rows: Integers) -> Integers:
        """(n, M) the tracked classes of these rows, the most probable one among them."""
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


def _filled(counts: NDArray[np.uint32]) -> tuple[Integers, Floats]:
    """Places of the bins that hold passes, and how many these are."""
    every = counts.reshape(-1)
    filled = np.flatnonzero(every != 0)
    return filled, every[filled].astype(np.float64)


def _quantiles(counts: NDArray[np.uint32], passes: Floats, levels: Floats) -> Floats:
    """(n, L) quantiles from counts (n, BINS) of passes (n, 1); NaN beyond the smallest and the largest pass.

    The k-th smallest of T passes is at the level (k − ½)/T (Hazen 1914).
    """
    wanted = levels * passes
    known = (wanted >= 0.5 - 1e-9) & (wanted <= passes - 0.5 + 1e-9)
    filled, here = _filled(counts)
    if not len(filled):
        return np.full(levels.shape, np.nan)
    # The bins of all rows one after the other: a row's passes begin where those before it end.
    sums, before = np.cumsum(here), np.cumsum(passes, axis=0) - passes
    at = np.minimum(np.searchsorted(sums, before + np.where(known, wanted, 0.5)), len(filled) - 1)
    share = 1 - (sums[at] - before - wanted) / here[at]
    return np.where(known, from_angles((filled[at] % BINS + share) / BINS), np.nan)


def with_networks(
    estimates: Estimates,
    sketch: Sketch | None,
    outcome: Outcome,
    effect: DesignEffect = INDEPENDENT,
    other: DesignEffect | None = None,
    is_other: NDArray[np.bool_] | None = None,
) -> Estimates:
    """The same with how far single networks lie apart; unchanged where values are no probabilities.

    The squared spread is the variance over the passes, plus the squared error of their mean: what they miss
    as the mean moves with them.

    Args:
        estimates: Of n rows.
        sketch: Of their passes, or None.
        outcome: What they are estimates of.
        effect: Of the design of their passes.
        other: Of that of some rows.
        is_other: (n,) of which.
    """
    if not outcome.are_probabilities:
        return estimates
    mean, variance, squared = (
        array[:, : outcome.width] for array in (estimates.mean, estimates.variance, estimates.squared_error)
    )
    spread = np.sqrt(variance + squared)
    both = [effect, effect if other is None else other]
    which = np.zeros(len(mean), dtype=np.int64) if is_other is None else is_other.astype(np.int64)
    passes = estimates.passes / np.array([each.spread for each in both])[which]
    kurtosis = np.zeros_like(mean) if sketch is None else sketch.kurtosis(outcome.width)
    error = spread_error(mean, spread, passes, kurtosis)
    told = replace(estimates, spread=spread, spread_error=error)
    if sketch is None:
        return told
    label, of_quantiles = mean.argmax(axis=-1), np.array([each.quantiles for each in both])[which]
    quantiles, error = sketch.quantiles(label, largest(spread, error, label), of_quantiles)
    return replace(told, quantiles=quantiles, quantiles_error=error)
