"""What each network says of whole rows: shares of the classes, and how far two networks overlap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling import between_numbers
from howsure.sampling.between import LEVELS
from howsure.sampling.error import replicated
from howsure.sampling.outcome import Estimates, Floats, Integers, Tally
from howsure.statistics import widening

COMPARED = 24
"""Passes of a row that are compared with each other at most, which are 276 pairs."""


class PassesTally(Tally):
    """Counts of N rows of K classes.

    The share of a class in a network is the number of positions at which that network gives it the largest
    probability, divided by all positions.

    Args:
        rows: N.
        classes: K.
        all_there: True if the passes are the members of an ensemble, so that nothing is left to sample.
    """

    def __init__(self, rows: int, classes: int, *, all_there: bool = False) -> None:
        self._classes, self._all_there = classes, all_there
        self._shares: list[list[Floats]] = [[] for _ in range(rows)]
        self._maps: list[list[NDArray[np.uint16]]] = [[] for _ in range(rows)]

    def add(self, values: Floats, mean: Floats, rows: Integers) -> None:
        """Count the passes (B, n, *P, K) of one unit; `mean` is not used."""
        labels = values.argmax(axis=-1).astype(np.uint16)
        labels = labels.reshape(*labels.shape[:2], -1)
        for number, row in enumerate(rows.tolist()):
            maps = labels[:, number]
            self._shares[row].append(_shares(maps, self._classes))
            if sum(map(len, self._maps[row])) < COMPARED:
                self._maps[row].append(maps)

    def told(self, estimates: Estimates) -> Estimates:
        """The estimates with `of_rows` (N, 3, K): mean share, its standard error, mean overlap.

        The error comes from the variance between balanced groups. Spread and quantiles are between networks.
        """
        rows = [self._of_row(number) for number in range(len(self._shares))]
        found: dict[str, Any] = {
            name: np.concatenate([row[name] for row in rows]) for name in (rows[0] if rows else ())
        }
        if not rows:
            none, levels = np.zeros((0, self._classes)), len(LEVELS)
            found = {"of_rows": np.zeros((0, 3, self._classes)), "spread": none, "spread_error": none}
            found["quantiles"] = found["quantiles_error"] = np.zeros((0, self._classes, levels))
        return replace(estimates, **found)

    def _of_row(self, row: int) -> dict[str, Floats]:
        units = self._shares[row]
        shares = np.concatenate(units)[:, None]
        mean, passes, count = shares.mean(axis=0), len(shares), len(units)
        overlap = _overlap(self._maps[row], self._classes)
        if self._all_there or passes == 1:
            told = between_numbers.of_members(shares)
            error = np.zeros_like(mean)
            if passes == 1:
                told = {name: np.full_like(each, np.nan) for name, each in told.items()}
            return {"of_rows": np.stack([mean, error, overlap[None]], axis=1), **told}
        groups = np.array([unit.mean(axis=0) for unit in units])
        sizes = np.array([len(unit) for unit in units])[:, None]
        squared = replicated(np.sum(sizes * (groups - mean) ** 2, axis=0), count, passes)
        told = between_numbers.of_passes(shares)
        # Balanced passes lie farther apart than independent ones, so the divisor is not one less.
        spread = np.sqrt(shares.var(axis=0) + np.nan_to_num(squared))
        told["spread_error"] = told["spread_error"] * _ratio(spread, told["spread"])
        told["spread"] = spread
        error = np.sqrt(squared)[None] * widening(count)
        return {"of_rows": np.stack([mean, error, overlap[None]], axis=1), **told}


def _ratio(one: Floats, other: Floats) -> Floats:
    return np.where(other > 0, one / np.where(other > 0, other, 1.0), 1.0)


def _shares(maps: NDArray[np.uint16], classes: int) -> Floats:
    """(B, K) share of the positions of maps (B, P) that have each class."""
    number = maps + classes * np.arange(len(maps))[:, None]
    counts = np.bincount(number.reshape(-1), minlength=len(maps) * classes)
    return np.asarray(counts.reshape(len(maps), classes) / maps.shape[1])


def _overlap(units: list[NDArray[np.uint16]], classes: int) -> Floats:
    """(K,) mean Dice of pairs of networks; NaN of a class that none of them has.

    2 |A ∩ B| / (|A| + |B|) with A and B the positions at which two networks have a class (Dice 1945), over
    pairs from different balanced groups, at least one of which has it. Within a group masks depend on each
    other, and two networks would overlap less.
    """
    maps = np.concatenate(units)
    unit = np.repeat(np.arange(len(units)), [len(each) for each in units])
    pairs = unit[:, None] < unit[None]
    found = np.full(classes, np.nan)
    for k in range(classes):
        there = (maps == k).astype(np.float32)
        size = there.sum(axis=1, dtype=np.float64)
        both = size[:, None] + size[None]
        some = pairs & (both > 0)
        if some.any():
            common = (there @ there.T).astype(np.float64)
            found[k] = np.mean(2 * common[some] / both[some])
    return found
