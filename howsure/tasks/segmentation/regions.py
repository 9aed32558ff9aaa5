"""Regions: connected positions that are coin flips, largest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from howsure.sampling.outcome import Booleans, Integers


@dataclass(frozen=True)
class Region:
    """Connected positions at which the model is flipping a coin.

    Attributes:
        size: Number of positions.
        bounds: For each axis the first position, and the one after the last.
        label: Number of the more frequent of the two classes between which most of its positions are.
        runner_up: Number of the other one.
        label_name: Name of `label`.
        runner_up_name: Name of `runner_up`.
    """

    size: int
    bounds: tuple[tuple[int, int], ...]
    label: int
    runner_up: int
    label_name: str
    runner_up_name: str

    @property
    def slices(self) -> tuple[slice, ...]:
        """The bounds as an index of a map."""
        return tuple(slice(*ends) for ends in self.bounds)


def regions_of(
    flips: Booleans, label: Integers, runner_up: Integers, names: tuple[str, ...], most: int | None = None
) -> list[Region]:
    """Regions of one row, largest first; of equals the one that begins first.

    Positions are connected where they share a side.

    Args:
        flips: (*P) whether a position is a coin flip.
        label: (*P) number of its most probable class.
        runner_up: (*P) number of the second most probable class.
        names: K names.
        most: Most regions to give. Default: all.
    """
    numbered = numbered_by_size(flips)
    sizes = np.bincount(numbered.reshape(-1))[1:]
    regions = []
    for number, place in enumerate(ndimage.find_objects(numbered)[:most], 1):
        inside = numbered[place] == number
        first, second = label[place][inside], runner_up[place][inside]
        low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second).astype(np.int64)
        pair = int(np.bincount(low * len(names) + high).argmax())
        first_class, other = divmod(pair, len(names))
        of_pair = low * len(names) + high == pair
        if 2 * int(np.sum(first[of_pair] == first_class)) < int(of_pair.sum()):
            first_class, other = other, first_class
        bounds = tuple((int(side.start), int(side.stop)) for side in place)
        regions.append(
            Region(int(sizes[number - 1]), bounds, first_class, other, names[first_class], names[other])
        )
    return regions


def numbered_by_size(positions: Booleans) -> Integers:
    """(*P) for each connected group of positions its number, the largest 1, the next 2; 0 elsewhere."""
    numbered, count = ndimage.label(positions)
    sizes = np.bincount(numbered.reshape(-1), minlength=count + 1)[1:]
    by_size = np.zeros(count + 1, dtype=numbered.dtype)
    by_size[1 + np.argsort(-sizes, kind="stable")] = np.arange(1, count + 1)
    return np.asarray(by_size[numbered])
