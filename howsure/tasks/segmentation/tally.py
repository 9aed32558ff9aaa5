"""Counts of each network over whole rows: shares of the classes, and how far two networks overlap.

maps of a balanced group (B, P) ── counts (B, K) ────────────────────────┐
                                └─ positions that a map shares (B, C, K) ┴─ `PassCounts` of a row, which add
                                   with the C before its group              up over the tiles of an image
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.between import exact, sampled
from howsure.sampling.error import Pairs, Units, seen
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, Tally
from howsure.statistics import ERROR_FLOOR, widening

COMPARED = 24
"""Passes before its group that a pass is compared with at most. Their maps are kept, so memory does not grow
with the number of passes, and all passes count: pairs of all with all would tell hardly more."""

Area = tuple[slice, ...]
"""Positions of a row, a slice for each axis."""


@dataclass(frozen=True, eq=False)
class PassCounts:
    """Counts of the passes over one row, or one tile of it.

    Attributes:
        units: For each balanced group (B, K): at how many positions each pass has each class.
        common: For each group (B, C, K): at how many positions each pass, and each of the last C before its
            group, both have a class.
        positions: How many positions count.
        pairs: As `howsure.sampling.error.Units` has it.
        all_there: As `PassesTally` has it.
    """

    units: tuple[Integers, ...]
    common: tuple[Integers, ...]
    positions: int
    pairs: Pairs | None = None
    all_there: bool = False

    @classmethod
    def added(cls, parts: Sequence[PassCounts]) -> PassCounts:
        """Those of several tiles as one row, for the passes that all of them have.

        Rounds are the same for all tiles, so the groups that all have are the first ones.
        """
        groups = min(len(part.units) for part in parts)
        units = tuple(np.sum([part.units[at] for part in parts], axis=0) for at in range(groups))
        common = tuple(np.sum([part.common[at] for part in parts], axis=0) for at in range(groups))
        return replace(parts[0], units=units, common=common, positions=sum(part.positions for part in parts))

    @property
    def passes(self) -> int:
        """T."""
        return sum(map(len, self.units))

    @property
    def overlap(self) -> tuple[Floats, Floats]:
        """(K,) mean Dice of pairs of networks, and (K,) its standard error.

        The mean of 2 |A ∩ B| / (|A| + |B|), with A and B the positions at which two independent networks
        have a class (Dice 1945), over the pairs of which at least one has it: a mean of ratios. Pairs are of
        different balanced groups. Within a group masks depend on each other, and two networks would overlap
        less.

        Pairs that share a pass depend on each other too. So the error is that of a jackknife over groups,
        (G − 1)/G Σ (mean without the pairs of a group − mean)² (Tukey 1958; Arvesen 1969 for such means),
        widened by Student's t. On average it is too large rather than too small (Efron and Stein 1981).

        Returns:
            NaN of a class that none of them has; the error also where all pairs have one group in common.
        """
        group = np.repeat(np.arange(len(self.units)), [len(unit) for unit in self.units])
        sizes = np.concatenate(self.units)
        # Σ Dice, and the number of pairs: those with a pass of each group, and all.
        sums = np.zeros((2, len(self.units), sizes.shape[1]))
        total, start = np.zeros((2, 1, sizes.shape[1])), 0
        for number, (unit, common) in enumerate(zip(self.units, self.common, strict=True)):
            before = slice(start - common.shape[1], start)
            sum_of_sizes = unit[:, None] + sizes[before]
            dice = 2 * common / np.maximum(sum_of_sizes, 1), sum_of_sizes > 0
            for of_groups, of_all, values in zip(sums, total, dice, strict=True):
                of_groups[number] += values.sum(axis=(0, 1))
                np.add.at(of_groups, group[before], values.sum(axis=0))
                of_all += values.sum(axis=(0, 1))
            start += len(unit)
        mean, without = (
            np.where(pairs > 0, dice / np.maximum(pairs, 1), np.nan) for dice, pairs in (total, total - sums)
        )
        (mean,) = mean
        if self.all_there:
            return mean, mean * 0
        count = len(self.units)
        squared = (count - 1) / count * np.sum((without - mean) ** 2, axis=0)
        return mean, np.maximum(np.sqrt(squared) * widening(count), ERROR_FLOOR)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Columns (1, K, …) of a result: the shares of the classes, and how far networks overlap.

        The error of a mean share comes from the variance between balanced groups. Spread and quantiles are
        between networks.
        """
        count = max(1, self.positions)  # in a part of a row none may count
        shares = np.concatenate(self.units)[:, None] / count
        mean = shares.mean(axis=0)
        error = nothing = np.zeros_like(mean)
        if self.all_there or self.passes == 1:
            columns = exact(shares, shares)
            if self.passes == 1:
                columns = {name: np.full_like(column, np.nan) for name, column in columns.items()}
        else:
            groups = np.array([unit.mean(axis=0) for unit in self.units]) / count
            sizes = np.array([len(unit) for unit in self.units])[:, None]
            between = np.sum(sizes * (groups - mean) ** 2, axis=0)
            within = self.passes * shares.var(axis=0)[0] - between
            of_groups = Units(len(groups), self.passes, mean[0], between, within, nothing, self.pairs)
            squared, count = seen(of_groups)
            columns = sampled(shares, shares)
            # Balanced passes lie farther apart than independent ones, so their number is the divisor.
            spread, alone = np.sqrt(shares.var(axis=0) + np.nan_to_num(squared)), columns["spread"]
            wider = np.where(alone > 0, spread / np.where(alone > 0, alone, 1.0), 1.0)
            columns |= {"spread": spread, "spread_error": columns["spread_error"] * wider}
            error = np.maximum(np.sqrt(squared)[None] * widening(count), ERROR_FLOOR)
        overlap, overlap_error = (column[None] for column in self.overlap)
        of_shares = {f"share_{name}": columns[name] for name in ("spread", "spread_error", "quantiles")}
        columns_of_shares = {"share": mean, "share_error": error, **of_shares}
        return {**columns_of_shares, "overlap": overlap, "overlap_error": overlap_error}


class PassesTally(Tally):
    """Counts of N rows of K classes.

    The share of a class in a network is the number of positions at which that network gives it the largest
    probability, divided by all positions that count.

    Args:
        classes: K.
        there: (N, *P) which positions count.
        all_there: True if the passes are the members of an ensemble, so that nothing is left to sample.
    """

    def __init__(self, classes: int, counts: Booleans, *, all_there: bool = False) -> None:
        self._classes, self._all_there = classes, all_there
        self._places = [
            slice(None) if row_counts.all() else np.flatnonzero(row_counts) for row_counts in counts
        ]
        self._units: list[list[Integers]] = [[] for _ in counts]
        self._common: list[list[Integers]] = [[] for _ in counts]
        self._precision: type[np.unsignedinteger[Any]] = np.uint8 if classes <= 1 << 8 else np.uint16
        self._before = [np.empty((0, row_counts.sum()), self._precision) for row_counts in counts]

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes (B, n, *P, K) of one unit, where positions count."""
        shape = (*values.shape[:2], math.prod(values.shape[2:-1]))
        labels = values.argmax(axis=-1).astype(self._precision).reshape(shape)
        for number, row in enumerate(rows.tolist()):
            maps = labels[:, number, self._places[row]]
            self._units[row].append(_counts(maps, self._classes))
            before = self._before[row]
            self._common[row].append(_common(maps, before, self._classes))
            maps_before = np.concatenate([before, maps])
            self._before[row] = maps_before if self._all_there else maps_before[-COMPARED:]

    def completed(self, estimates: Estimates) -> Estimates:
        """The estimates with `of_rows` (N,): the `PassCounts` of each row."""
        of_rows = np.empty(len(self._units), dtype=object)
        for row, (units, common) in enumerate(zip(self._units, self._common, strict=True)):
            positions = self._before[row].shape[1]
            of_rows[row] = PassCounts(tuple(units), tuple(common), positions, self.pairs, self._all_there)
        return replace(estimates, of_rows=of_rows)


def columns_of(rows: Sequence[PassCounts], classes: int) -> dict[str, Any]:
    """Columns (N, K, …) of N rows; see `PassCounts.columns`."""
    none = PassCounts((np.ones((1, classes), int),), (np.ones((1, 0, classes), int),), 1)
    of_rows = [row.columns for row in rows] or [none.columns]
    return {name: np.concatenate([row[name] for row in of_rows])[: len(rows)] for name in of_rows[0]}


def _counts(maps: NDArray[np.unsignedinteger[Any]], classes: int) -> Integers:
    number = maps + classes * np.arange(len(maps))[:, None]
    return np.bincount(number.reshape(-1), minlength=len(maps) * classes).reshape(len(maps), classes)


def _common(
    maps: NDArray[np.unsignedinteger[Any]], before: NDArray[np.unsignedinteger[Any]], classes: int
) -> Integers:
    """(B, C, K) at how many positions one of the maps (B, P) and one of those before (C, P) have a class.

    Positions at which all agree, which are most, are counted once.
    """
    differ = (maps != maps[0]).any(axis=0) | (before != maps[0]).any(axis=0)
    alike = np.bincount(maps[0, ~differ], minlength=classes)
    common = np.broadcast_to(alike, (len(maps), len(before), classes)).copy()
    for k in range(classes):
        here, has_class_before = ((labels[:, differ] == k).astype(np.float32) for labels in (maps, before))
        common[..., k] += np.rint(here @ has_class_before.T).astype(np.int64)  # up to 2²⁴ are counted exactly
    return common
