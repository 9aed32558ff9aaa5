"""Passes of a design: cells (outer samples), each a tree of masks, balanced against each other in groups.

    round 1   cell 1            every row gets one cell, or a whole group at once
    round 2   cells 2 … S       the first group is complete, for rows that need more
    round 3   cells 1 … S       another group, with a stage of its own, and so on

A row never stops inside a group: that would favour rows whose few early masks happen to agree.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.networks import NetworkCache, thinned
from howsure.adapters.protocol import Array, Level, PassModel
from howsure.sampling.design import Design
from howsure.sampling.estimate import RunningMoments, sum_up
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Estimates
from howsure.sampling.run import Run, padded, places
from howsure.sampling.sketch import with_networks

KEPT_MASKS = NetworkCache(1 << 26)
"""Masks of groups of cells, for the next chunk of rows or the next call: over 20 rows of a small BERT,
drawing them takes a tenth of a call. 64 MiB at most."""

KEPT_PASSES = 1 << 27
"""Bytes of passes that are kept for the run, at most; others are drawn again."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

Cells = tuple[int, range]
"""A stage, and some of the cells of its group."""

FIRST_STAGE = 1
"""Stage of the first group of cells. Flat passes have stage 0."""


def cells_of(design: Design, start_cell: int, until: int) -> list[Cells]:
    """The cells of a row from `start_cell` to `until`, by groups."""
    size, cells = design.cells, []
    while start_cell < until:
        group, start = divmod(start_cell, size)
        stop = min(size, start + until - start_cell)
        cells.append((FIRST_STAGE + group, range(start, stop)))
        start_cell += stop - start
    return cells


class PassCache:
    """The passes of cells that a pilot drew, as far as they take little memory.

    They are the first cells of its rows, so the run takes them from here.

    Attributes:
        rows: (n,) numbers of the rows that have at least their first cell here.
    """

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], tuple[Integers, Floats]] = {}
        self._bytes = 0
        self.rows: Integers = np.arange(0)

    def keep(self, stage: int, cell: int, rows: Integers, values: Floats) -> None:
        """Keep the passes (W, n, K) of a cell over these rows (n,), unless they take too much memory."""
        if self._bytes + values.nbytes > KEPT_PASSES:
            return
        self._bytes += values.nbytes
        self._cells[stage, cell] = rows, values
        if len(rows) > len(self.rows):
            self.rows = rows

    def holds(self, what: Iterable[Cells], rows: Integers) -> Booleans:
        """(n,) whether all these cells of rows with these numbers (n,) are here."""
        stored = [self._cells.get((stage, cell)) for stage, cells in what for cell in cells]
        if any(cell_passes is None for cell_passes in stored):
            return np.zeros(len(rows), dtype=bool)
        has_cell = [np.isin(rows, cell_passes[0]) for cell_passes in stored if cell_passes is not None]
        return np.asarray(np.all(has_cell, axis=0))

    def values(self, stage: int, cell: int, rows: Integers) -> Floats:
        """(W, n, K) passes of a cell over rows of which it is held."""
        stored_rows, values = self._cells[stage, cell]
        return values[:, places(stored_rows, rows)]


class Tree:
    """The cells of a design for one model. Stored masks only make later chunks faster.

    Args:
        design: The design of the cells.
        model: The model.
        seed: Seed of the masks.
        cache: Cells that a pilot drew.
    """

    def __init__(self, design: Design, model: PassModel, seed: int, cache: PassCache | None = None) -> None:
        self.design, self.cache = design, PassCache() if cache is None else cache
        self._model, self._seed = model, seed
        self._thinned: OrderedDict[tuple[int, int], Any] = OrderedDict()

    @property
    def rows_per_call(self) -> int:
        """Rows that may run together in a cell: a power of two."""
        return rows_per_call(self._model, self.design.widths)

    def rounds(self, max_passes: int | None) -> Iterator[list[Cells]]:
        """The cells of each round, at most as many as `max_passes` allows."""
        design, most = self.design, self._most(max_passes)
        drawn_cells, until = 0, min(design.first, max(most, design.cells))
        while True:
            yield cells_of(design, drawn_cells, until)
            drawn_cells, until = until, (until // design.cells + 1) * design.cells
            if until > most:
                return

    def _most(self, max_passes: int | None) -> int:
        """Cells of a row at most."""
        if max_passes is not None or self.design.is_flat:
            return (max_passes or tuning.MOST_FLAT) // self.design.passes
        return self.design.cells * tuning.MOST_GROUPS

    def cost(self, what: Sequence[Cells]) -> float:
        """Plain predictions that a round costs a row."""
        shared = self._model.levels[0].cost
        return shared + sum(len(numbers) for _, numbers in what) * (self.design.cost - shared)

    def holds(self, what: Sequence[Cells], rows: Integers) -> Booleans:
        """(n,) whether a pilot drew a round of rows with these numbers."""
        return self.cache.holds(what, rows)

    def recall(
        self, what: Sequence[Cells], run: Run, moments: RunningMoments, at: Integers, rows: Integers
    ) -> None:
        """Add the passes of a round that a pilot drew to the sums of rows; see `draw`."""
        for stage, cells in what:
            for cell in cells:
                self._add(self.cache.values(stage, cell, rows), run, moments, at, rows)

    def draw(
        self,
        what: Sequence[Cells],
        run: Run,
        moments: RunningMoments,
        at: Integers,
        chunk: Integers,
        trunk: Any,
        rows: int,
    ) -> None:
        """Add the passes of a round to the sums of rows.

        Args:
            what: The cells of the round, by groups.
            run: The model, the rows and the outcome.
            moments: The sums to which the passes are added.
            at: (n,) places of the rows in the sums.
            chunk: (n,) positions of the rows in the run.
            trunk: The trunk of these rows.
            rows: Approximate number of rows that will get these cells.
        """
        for cells in what:
            for values in self.values(cells, run, chunk, trunk, rows):
                self._add(values, run, moments, at, run.numbers[chunk])

    def _add(self, values: Floats, run: Run, moments: RunningMoments, at: Integers, rows: Integers) -> None:
        """Add the passes (W, n, K) of one cell to the sums of rows with these numbers."""
        moments.add(sum_up(values, self.late, run.outcome), at)
        moments.count(values, at)
        if run.on_pass is not None:
            branchings = self.design.branchings
            run.on_pass(rows, values, self.design.widths[branchings[0] - 1] if branchings else 1)

    def values(self, cells: Cells, run: Run, chunk: Integers, trunk: Any, rows: int) -> list[Floats]:
        """For each of these cells, its passes (W, n, K) over a chunk."""
        stage, numbers = cells
        if len(numbers) == 1 or len(numbers) * padded(len(chunk)) > self.rows_per_call:
            return [run.values(self._of_cell(stage, number, rows)(trunk), chunk) for number in numbers]

        def together() -> list[Array]:
            masks = [self._masks_of(stage)[number] for number in numbers]
            return [np.concatenate(of_random_op) for of_random_op in zip(*masks, strict=True)]

        # Few rows: all cells at once, as one tree that branches at level 1 too.
        networks = thinned(self._model, self._key(stage, numbers), together, of_all=rows)
        return np.split(run.values(networks(trunk), chunk), len(numbers))

    @property
    def late(self) -> tuple[int, ...]:
        """Group sizes for estimating the error of the last branching; empty if the pilot pools it."""
        return () if self.design.is_flat else self.design.late

    def estimates(self, run: Run, moments: RunningMoments, rows: Integers) -> Estimates:
        """Estimates for rows that have all had the same number of cells: one, or whole groups."""
        return moments.estimates(run.outcome, rows, self.design)

    def with_networks(self, run: Run, moments: RunningMoments, estimates: Estimates) -> Estimates:
        """Add the standard deviation and the quantiles between networks."""
        design, one_cell = self.design, moments.units < self.design.cells
        effects = design.group_effect, design.one_effect
        return with_networks(estimates, moments.sketch, run.outcome, *effects, one_cell)

    def _of_cell(self, stage: int, cell: int, rows: int) -> Any:
        """The thinned networks of a cell, stored for later chunks."""
        if (stage, cell) not in self._thinned:
            key = self._key(stage, range(cell, cell + 1))
            self._thinned[stage, cell] = thinned(
                self._model, key, lambda: self._masks_of(stage)[cell], of_all=rows
            )
        if len(self._thinned) > self.design.cells:
            self._thinned.popitem(last=False)
        return self._thinned[stage, cell]

    def _key(self, stage: int, numbers: range) -> Hashable:
        """All that the masks of some cells follow from."""
        return self.design.unmeasured, self._seed, stage, numbers

    def _masks_of(self, stage: int) -> list[list[Array]]:
        """The masks of each cell of one group, drawn once."""
        key = (
            self.design.unmeasured,
            tuple(level.random_ops for level in self._model.levels),
            self._seed,
            stage,
        )

        def drawn() -> list[Array]:
            cells = masks_of(self.design, self._model.levels, seed=self._seed, stage=stage)
            return [mask for masks in cells for mask in masks]

        masks = KEPT_MASKS.thinned(key, drawn, list)
        count = len(masks) // self.design.cells
        return [masks[at : at + count] for at in range(0, len(masks), count)]


def masks_of(design: Design, levels: Sequence[Level], *, seed: int, stage: int) -> list[list[Array]]:
    """Masks of one group of cells.

    Before the first branching of a cell, the masks of all cells form one balanced group. The children of one
    mask at a branching form one balanced group. Levels that do not branch are balanced over the branching
    above them. The masks of the last branching fall into the groups `design.late`, and the variance between
    these groups gives their error.

    Returns:
        For each cell, for each random op, an array (W_l, *op.shape).
    """
    widths = (1, *design.widths)
    cells: list[list[Array]] = [[] for _ in range(design.cells)]
    for op, level in [
        (op, number) for number, level_info in enumerate(levels) for op in level_info.random_ops
    ]:
        branching = max((at for at in design.branchings if at <= level), default=None)
        if branching is None:
            together = draw(op, seed=seed, stage=stage, group=0, size=design.cells)
            for number, masks in enumerate(cells):
                masks.append(together[number : number + 1])
            continue
        parents, children = widths[branching - 1], widths[branching] // widths[branching - 1]
        sizes = design.late if branching == design.branchings[-1] else (children,)
        for number, masks in enumerate(cells):
            groups = [
                draw(
                    op,
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
