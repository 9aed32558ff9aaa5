"""Flat passes: each has its own masks at all levels. The variance between balanced groups gives the error.

round 1   group 1 │ group 2 │ …     exactly `passes` of them, or about `FIRST_FLAT`
round 2   as many again, for rows that need more, until `max_passes`
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import Array, PassModel
from howsure.errors import InputError
from howsure.sampling.balance import first_groups
from howsure.sampling.estimate import RunningMoments
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Estimates, Outcome, Tally
from howsure.sampling.run import Run
from howsure.sampling.sketch import with_networks

KEPT_MASKS = 1 << 28
"""Bytes of masks kept for the next chunk of rows instead of being drawn again."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Groups:
    """The groups of one round.

    Attributes:
        first: Number of the first group.
        sizes: Passes in each group.
    """

    first: int
    sizes: tuple[int, ...]


class Flat:
    """Balanced groups of flat passes for one model.

    Args:
        model: The model.
        seed: Seed of the masks.
        outcome: The outcome of the passes.
        passes: T, the exact number for every row; None for as many as each row needs.
        most: Most passes for one row; None for those of the outcome.
        balanced: False for independent passes.
        budget: Plain predictions for a row on average. The first round costs no more.

    Attributes:
        price: Plain predictions that one pass costs.

    Raises:
        InputError: The budget is less than two passes.
    """

    rows_per_call = np.iinfo(np.int64).max
    """No limit: the passes can run one at a time, so any number of rows can run together."""

    def __init__(
        self,
        model: PassModel,
        seed: int,
        outcome: Outcome,
        *,
        passes: int | None,
        most: int | None = None,
        balanced: bool = True,
        budget: float = math.inf,
    ) -> None:
        self._model, self._seed, self._passes = model, seed, passes
        self._random_ops = [op for level in model.levels for op in level.random_ops]
        self._sizes, self._pairs, self._most = first_groups(self._random_ops, outcome, passes, most)
        shared, *others = model.levels
        self._shared, self.price = shared.cost, sum(level.cost for level in others)
        if passes is None and self._shared + sum(self._sizes) * self.price > budget:
            affordable = int((budget - self._shared) / self.price + 1e-9)
            if affordable < 2:
                least = self._shared + 2 * self.price
                raise InputError(
                    "`budget` is too small for this model: the error of a mean needs two passes",
                    expected=f"at least {math.ceil(100 * least) / 100:g} plain predictions a row",
                    received=f"{budget:g}",
                )
            self._sizes, self._pairs, _ = first_groups(self._random_ops, outcome, passes, affordable)
        if not balanced:
            self._sizes, self._pairs = (1,) * sum(self._sizes), None
        self._kept: dict[int, list[Array]] = {}

    def rounds(self) -> Iterator[Groups]:
        """The groups of each round."""
        sizes = self._sizes
        done = groups = 0
        while sizes:
            self._kept.clear()
            yield Groups(groups, sizes)
            done, groups = done + sum(sizes), groups + len(sizes)
            again = 0 if self._passes is not None else min(done, self._most - done) // sizes[-1]
            sizes = (sizes[-1],) * again

    def cost(self, groups: Groups) -> float:
        """Plain predictions that a round costs a row."""
        return self._shared + sum(groups.sizes) * self.price

    def holds(self, groups: Groups, rows: Integers) -> Booleans:
        """(n,) all False: no pilot draws such groups."""
        return np.zeros(len(rows), dtype=bool)

    def recall(self, groups: Groups, run: Run, moments: RunningMoments, at: Integers, rows: Integers) -> None:
        """Nothing: see `holds`."""

    def draw(
        self,
        groups: Groups,
        run: Run,
        moments: RunningMoments,
        at: Integers,
        chunk: Integers,
        trunk: Any,
        rows: int,
    ) -> None:
        """Add the passes of some groups to the sums of rows; see `howsure.sampling.tree.Tree.draw`."""
        for sizes, values in self.values(groups, run, chunk, trunk):
            for group in np.split(values, np.cumsum(sizes)[:-1]):
                moments.add_group(group, run.outcome, at)
                if run.on_pass is not None:
                    run.on_pass(run.numbers[chunk], group, len(group))

    def values(
        self, groups: Groups, run: Run, chunk: Integers, trunk: Any
    ) -> Iterator[tuple[list[int], Floats]]:
        """Sizes of some groups, and their passes (W, n, K) over a chunk; covers all groups in order."""
        fold = self._model.limits.fold
        largest = max((level.size for level in self._model.levels[1:]), default=1)
        together = 1 if fold is None else max(1, fold // (len(chunk) * largest))
        for bunch in _bunches(groups.sizes, together):
            masks = self._masks_of(groups, bunch)
            parts = -(-len(masks[0]) // min(len(masks[0]), together))
            slices = zip(*(np.array_split(mask, parts) for mask in masks), strict=True)
            values = [run.values(self._model.thin(list(part))(trunk), chunk) for part in slices]
            yield [groups.sizes[number] for number in bunch], np.concatenate(values)

    def estimates(self, run: Run, moments: RunningMoments, rows: Integers) -> Estimates:
        """Estimates for these rows, each with the error from the variance between its groups."""
        return moments.estimates(run.outcome, rows, pairs=self._pairs, rare=run.outcome.misses_rare_passes)

    def with_networks(self, run: Run, moments: RunningMoments, estimates: Estimates) -> Estimates:
        """Add the standard deviation and the quantiles between networks, treating passes as independent.

        Balanced passes are more precise than that, but for what no single mask brings about: of each balanced
        group, one pass follows from the others, such as the opposite of a mask of rate 0.5.
        """
        if isinstance(moments.sketch, Tally):
            moments.sketch.pairs = self._pairs
        estimated = with_networks(estimates, moments.sketch, run.outcome)
        if estimated.independent is None or max(self._sizes) == 1:
            return estimated
        in_groups = moments.passes >= 2 * moments.units  # and not one by one, as where no group would balance
        return replace(
            estimated, independent=np.where(in_groups, moments.passes - moments.units, moments.units * 1.0)
        )

    def _masks_of(self, groups: Groups, numbers: Sequence[int]) -> list[Array]:
        """For each random op the masks of these groups, one group after the other."""
        of_groups = [self._of_group(groups, number) for number in numbers]
        return [np.concatenate(parts) for parts in zip(*of_groups, strict=True)]

    def _of_group(self, groups: Groups, number: int) -> list[Array]:
        """For each random op the masks of one group, stored if a round's masks are small, or drawn again."""
        if number in self._kept:
            return self._kept[number]
        group, size = groups.first + number, groups.sizes[number]
        masks: list[Array] = [draw(op, seed=self._seed, group=group, size=size) for op in self._random_ops]
        units = sum(int(np.prod(op.shape)) for op in self._random_ops)
        if units * sum(groups.sizes) * 4 <= KEPT_MASKS:
            self._kept[number] = masks
        return masks


def _bunches(sizes: Sequence[int], fold: int) -> Iterator[list[int]]:
    """Consecutive groups that fit into `fold` passes together; at least one group at a time."""
    bunch: list[int] = []
    bytes_held = 0
    for group, size in enumerate(sizes):
        if bunch and bytes_held + size > fold:
            yield bunch
            bunch, bytes_held = [], 0
        bunch.append(group)
        bytes_held += size
    yield bunch
