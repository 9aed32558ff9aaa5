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


def regions_of(flips: Booleans, label: Integers, runner_up: Integers, names: tuple[str, ...]) -> list[Region]:
    """Regions of one row, largest first; of equals the one that begins first.

    Positions are connected where they share a side.

    Args:
        flips: (*P) whether a position is a coin flip.
        label: (*P) number of its most probable class.
        runner_up: (*P) number of the second most probable class.
        names: K names.
    """
    numbered, count = ndimage.label(flips)
    if not count:
        return []
    sizes = np.bincount(numbered.reshape(-1), minlength=count + 1)[1:]
    places = ndimage.find_objects(numbered)
    found = []
    for number in np.argsort(-sizes, kind="stable").tolist():
        inside = numbered[places[number]] == number + 1
        first, second = label[places[number]][inside], runner_up[places[number]][inside]
        low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second).astype(np.int64)
        pair = int(np.bincount(low * len(names) + high).argmax())
        one, other = divmod(pair, len(names))
        of_pair = low * len(names) + high == pair
        if 2 * int(np.sum(first[of_pair] == one)) < int(of_pair.sum()):
            one, other = other, one
        bounds = tuple((int(each.start), int(each.stop)) for each in places[number])
        found.append(Region(int(sizes[number]), bounds, one, other, names[one], names[other]))
    return found
