"""Counts of each network over whole rows: shares of the classes, and how far two networks overlap.

maps of a balanced group (B, P) ── counts (B, K) ──────────────────────┐
                                └─ positions two maps share (T, T, K) ─┴─ `PassCounts` of a row, which add up
                                                                          over the tiles of an image
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling import between_numbers
from howsure.sampling.error import Pairs, Units, seen
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, Tally
from howsure.statistics import ERROR_FLOOR, widening

COMPARED = 24
"""Passes of a row that are compared with each other at most, which are 276 pairs; of a group at most half, as
only passes of different groups make a pair."""

Area = tuple[slice, ...]
"""Positions of a row, a slice for each axis."""


@dataclass(frozen=True, eq=False)
class PassCounts:
    """Counts of the passes over one row, or one tile of it.

    Attributes:
        units: For each balanced group (B, K): at how many positions each pass has each class.
        common: (C, C, K) at how many positions two of C passes both have a class: the first passes, but of a
            group no more than half of `COMPARED`.
        positions: How many positions count.
        pairs: As `howsure.sampling.error.Units` has it.
        all_there: As `PassesTally` has it.
    """

    units: tuple[Integers, ...]
    common: Floats
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
        compared = min(len(part.common) for part in parts)
        common = np.sum([part.common[:compared, :compared] for part in parts], axis=0)
        return replace(parts[0], units=units, common=common, positions=sum(part.positions for part in parts))

    @property
    def passes(self) -> int:
        """T."""
        return sum(map(len, self.units))

    @property
    def overlap(self) -> Floats:
        """(K,) mean Dice of pairs of networks; NaN of a class that none of them has.

        2 |A ∩ B| / (|A| + |B|) with A and B the positions at which two networks have a class (Dice 1945),
        over pairs from different balanced groups, at least one of which has it. Within a group masks depend
        on each other, and two networks would overlap less.
        """
        first = [each[: COMPARED // 2] for each in self.units]
        group = np.repeat(np.arange(len(first)), [len(each) for each in first])[: len(self.common)]
        sizes = np.concatenate(first)[: len(group)].astype(float)
        both = sizes[:, None] + sizes[None]
        pairs = (group[:, None] < group[None])[..., None] & (both > 0)
        dice = np.where(pairs, 2 * self.common / np.where(both > 0, both, 1.0), 0.0)
        count = pairs.sum(axis=(0, 1))
        return np.where(count > 0, dice.sum(axis=(0, 1)) / np.maximum(count, 1), np.nan)

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
            found = between_numbers.of_members(shares)
            if self.passes == 1:
                found = {name: np.full_like(each, np.nan) for name, each in found.items()}
        else:
            groups = np.array([unit.mean(axis=0) for unit in self.units]) / count
            sizes = np.array([len(unit) for unit in self.units])[:, None]
            between = np.sum(sizes * (groups - mean) ** 2, axis=0)
            within = self.passes * shares.var(axis=0)[0] - between
            of_groups = Units(len(groups), self.passes, mean[0], between, within, nothing, self.pairs)
            squared, count = seen(of_groups)
            found = between_numbers.of_passes(shares)
            # Balanced passes lie farther apart than independent ones, so their number is the divisor.
            spread, alone = np.sqrt(shares.var(axis=0) + np.nan_to_num(squared)), found["spread"]
            wider = np.where(alone > 0, spread / np.where(alone > 0, alone, 1.0), 1.0)
            found |= {"spread": spread, "spread_error": found["spread_error"] * wider}
            error = np.maximum(np.sqrt(squared)[None] * widening(count), ERROR_FLOOR)
        told = {f"share_{name}": found[name] for name in ("spread", "spread_error", "quantiles")}
        return {"share": mean, "share_error": error, **told, "overlap": self.overlap[None]}


class PassesTally(Tally):
    """Counts of N rows of K classes.

    The share of a class in a network is the number of positions at which that network gives it the largest
    probability, divided by all positions that count.

    Args:
        classes: K.
        there: (N, *P) which positions count.
        all_there: True if the passes are the members of an ensemble, so that nothing is left to sample.
    """

    def __init__(self, classes: int, there: Booleans, *, all_there: bool = False) -> None:
        self._classes, self._all_there = classes, all_there
        self._places = [slice(None) if each.all() else np.flatnonzero(each) for each in there]
        self._units: list[list[Integers]] = [[] for _ in there]
        self._maps: list[list[NDArray[np.uint16]]] = [[] for _ in there]

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes (B, n, *P, K) of one unit, where positions count."""
        shape = (*values.shape[:2], math.prod(values.shape[2:-1]))
        labels = values.argmax(axis=-1).astype(np.uint16).reshape(shape)
        for number, row in enumerate(rows.tolist()):
            maps = labels[:, number, self._places[row]]
            self._units[row].append(_counts(maps, self._classes))
            if (left := COMPARED - sum(map(len, self._maps[row]))) > 0:
                self._maps[row].append(maps[: min(left, COMPARED // 2)])

    def told(self, estimates: Estimates) -> Estimates:
        """The estimates with `of_rows` (N,): the `PassCounts` of each row."""
        found = np.empty(len(self._units), dtype=object)
        for row, (units, maps) in enumerate(zip(self._units, self._maps, strict=True)):
            together = np.concatenate(maps)
            common = _common(together, self._classes)
            found[row] = PassCounts(tuple(units), common, together.shape[1], self.pairs, self._all_there)
        return replace(estimates, of_rows=found)


def columns_of(rows: Sequence[PassCounts], classes: int) -> dict[str, Any]:
    """Columns (N, K, …) of N rows; see `PassCounts.columns`."""
    none = PassCounts((np.ones((1, classes), dtype=int),), np.ones((1, 1, classes)), 1)
    found = [each.columns for each in rows] or [none.columns]
    return {name: np.concatenate([row[name] for row in found])[: len(rows)] for name in found[0]}


def _counts(maps: NDArray[np.uint16], classes: int) -> Integers:
    number = maps + classes * np.arange(len(maps))[:, None]
    return np.bincount(number.reshape(-1), minlength=len(maps) * classes).reshape(len(maps), classes)


def _common(maps: NDArray[np.uint16], classes: int) -> Floats:
    """(C, C, K) at how many positions two maps (C, P) both have a class; one class at a time."""
    found = np.zeros((len(maps), len(maps), classes))
    for k in range(classes):
        there = (maps == k).astype(np.float32)  # up to 2²⁴ positions are counted exactly
        found[..., k] = there @ there.T
    return found
