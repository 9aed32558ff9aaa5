"""Passes of a design: cells, each a tree of masks, balanced against each other in groups.

    round 1   cell 1            every row gets one cell, or a whole group at once
    round 2   cells 2 … S       the first group is complete, for rows that need more
    round 3   cells 1 … S       another group, with a stage of its own, and so on

To stop between the cells of a group would favour rows whose few early masks happen to agree.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.models.protocol import Array, Level, PassModel
from howsure.sampling.design import Design
from howsure.sampling.estimate import Sums, sum_up
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Estimates
from howsure.sampling.run import Run, padded
from howsure.sampling.sketch import with_networks

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FIRST_STAGE = 1
"""Stage of the masks of the first group of cells; flat passes are stage 0, the pilot's are far above."""

Cells = tuple[int, range]
"""A stage, and some of the cells of its group."""


class Tree:
    """The cells of a design, drawn for one model. What it keeps makes later chunks faster, no more.

    Args:
        design: What the cells are like.
        model: What they are passes of.
        seed: Seed of the masks.
    """

    def __init__(self, design: Design, model: PassModel, seed: int) -> None:
        self.design = design
        self._model, self._seed = model, seed
        self._masks: dict[int, list[list[Array]]] = {}
        self._thinned: OrderedDict[tuple[int, int], Any] = OrderedDict()

    @property
    def rows_per_call(self) -> int:
        """Rows that may run together in a cell: a power of two."""
        return rows_per_call(self._model, self.design.widths)

    def rounds(self, max_passes: int | None) -> Iterator[Cells]:
        """The cells of each round, at most as many as `max_passes` allows."""
        design = self.design
        most = design.cells * tuning.MOST_GROUPS
        if max_passes is not None or design.is_flat:
            most = (max_passes or tuning.MOST_FLAT) // design.passes
        yield FIRST_STAGE, range(design.first)
        had, stage = design.first, FIRST_STAGE
        while True:
            start = had % design.cells
            stage += start == 0
            had += design.cells - start
            if had > most:
                return
            yield stage, range(start, design.cells)

    def draw(
        self, cells: Cells, run: Run, sums: Sums, at: Integers, chunk: Integers, trunk: Any, rows: int
    ) -> None:
        """Add some cells to the sums of rows.

        Args:
            cells: Which.
            run: On what.
            sums: Where they are added.
            at: (n,) places of the rows in the sums.
            chunk: (n,) their positions in the run.
            trunk: Of these rows.
            rows: How many rows will get these cells, about.
        """
        for values in self.values(cells, run, chunk, trunk, rows):
            sums.add(sum_up(values, self.late, run.outcome), at)
            sums.count(values, at)

    def values(self, cells: Cells, run: Run, chunk: Integers, trunk: Any, rows: int) -> list[Floats]:
        """For each of these cells (W, n, K) of its passes over a chunk of so many rows."""
        stage, numbers = cells
        if len(numbers) == 1 or len(numbers) * padded(len(chunk)) > self.rows_per_call:
            return [run.values(self._of_cell(stage, number, rows)(trunk), chunk) for number in numbers]
        # Few rows: all cells at once, as one tree that branches at the first level too.
        masks = [self._masks_of(stage)[number] for number in numbers]
        together = [np.concatenate(of_site) for of_site in zip(*masks, strict=True)]
        return np.split(run.values(self._model.thin(together, len(chunk))(trunk), chunk), len(numbers))

    @property
    def late(self) -> tuple[int, ...]:
        """Sizes of the groups whose spread tells what the last branching leaves; none where all is pooled."""
        return () if self.design.is_flat else self.design.late

    def estimates(self, run: Run, sums: Sums, rows: Integers) -> Estimates:
        """What rows say that have all had as many cells: one, or whole groups."""
        design, outcome = self.design, run.outcome
        cells = int(sums.units[rows[0]]) if len(rows) else design.cells
        groups = max(1, cells // design.cells)
        mean, late = sums.mean[rows], sums.late[rows] / cells
        within = sums.within[rows] / (cells * design.passes)
        spread = np.zeros_like(mean)
        if cells > groups:
            spread = outcome.spread(sums.between[rows] / (design.passes * (cells - groups)))
        error = design.one if cells < design.cells else design.group
        own = error.own(mean, within, spread, cells - groups, outcome)
        squared = error.squared(mean, late * groups / cells, own, outcome) / groups
        return Estimates(
            mean,
            np.maximum(np.sqrt(squared), outcome.least_error),
            late / cells + own / groups,
            sums.variance(rows),
            np.full(len(rows), cells * design.passes),
        )

    def with_networks(self, run: Run, sums: Sums, estimates: Estimates) -> Estimates:
        """The same with how far single networks lie apart."""
        design, one_cell = self.design, sums.units < self.design.cells
        effects = design.group_effect, design.one_effect
        return with_networks(estimates, sums.sketch, run.outcome, *effects, one_cell)

    def _of_cell(self, stage: int, cell: int, rows: int) -> Any:
        """The thinned networks of a cell, kept for the chunks to come."""
        if (stage, cell) not in self._thinned:
            self._thinned[stage, cell] = self._model.thin(self._masks_of(stage)[cell], rows)
        if len(self._thinned) > self.design.cells:
            self._thinned.popitem(last=False)
        return self._thinned[stage, cell]

    def _masks_of(self, stage: int) -> list[list[Array]]:
        """The masks of each cell of one group, kept while they are small."""
        if stage in self._masks:
            return self._masks[stage]
        masks = masks_of(self.design, self._model.levels, seed=self._seed, stage=stage)
        if sum(mask.nbytes for cell in masks for mask in cell) <= tuning.KEPT_MASKS_OF_A_GROUP:
            self._masks[stage] = masks
        return masks


def masks_of(design: Design, levels: Sequence[Level], *, seed: int, stage: int) -> list[list[Array]]:
    """Masks of one group of cells.

    Before the first branching of a cell, the masks of all cells are a balanced group. The children of a
    branching are one; levels that do not branch are balanced over the branching above them. The last
    branching falls into the groups `design.late`, so that their spread tells its error.

    Returns:
        For each cell for each site (W_l, *site.shape).
    """
    widths = (1, *design.widths)
    cells: list[list[Array]] = [[] for _ in range(design.cells)]
    for site, level in [(site, number) for number, each in enumerate(levels) for site in each.sites]:
        branching = max((at for at in design.branchings if at <= level), default=None)
        if branching is None:
            together = draw(site, seed=seed, stage=stage, group=0, size=design.cells)
            for number, masks in enumerate(cells):
                masks.append(together[number : number + 1])
            continue
        parents, children = widths[branching - 1], widths[branching] // widths[branching - 1]
        sizes = design.late if branching == design.branchings[-1] else (children,)
        for number, masks in enumerate(cells):
            groups = [
                draw(
                    site,
                    seed=seed,
                    stage=stage,
                    group=(number * parents + parent) * len(sizes) + at,
                    size=size,
                )
                for parent in range(parents)
                for at, size in enumerate(sizes)
            ]
            masks.append(np.concatenate(groups))
    return cells


def rows_per_call(model: PassModel, widths: Sequence[int]) -> int:
    """Rows that may run together in passes of these widths: a power of two."""
    fold = model.limits.fold
    if fold is None:
        return 1
    largest = max(width * level.size for width, level in zip((1, *widths), model.levels, strict=True))
    return 1 << (max(1, fold // largest).bit_length() - 1)
