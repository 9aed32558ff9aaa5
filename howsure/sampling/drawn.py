"""Cells that a pilot drew: they are the first cells of its rows, so the run takes them from here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.run import places

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

KEPT_PASSES = 1 << 27
"""Bytes of passes that are kept for the run, at most; others are drawn again."""

Cells = tuple[int, range]
"""A stage, and some of the cells of its group."""


class Drawn:
    """The passes of cells over some rows, as far as they take little memory.

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
        wanted = [self._cells.get((stage, cell)) for stage, cells in what for cell in cells]
        if any(found is None for found in wanted):
            return np.zeros(len(rows), dtype=bool)
        there = [np.isin(rows, found[0]) for found in wanted if found is not None]
        return np.asarray(np.all(there, axis=0))

    def values(self, stage: int, cell: int, rows: Integers) -> Floats:
        """(W, n, K) passes of a cell over rows of which it is held."""
        held, values = self._cells[stage, cell]
        return values[:, places(held, rows)]
