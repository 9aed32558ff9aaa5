"""A Parquet file that is read forwards, some rows at a time, from the group of rows where they begin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from howsure.data.reading import open_native

if TYPE_CHECKING:
    import pyarrow as pa

_READ_AHEAD = 2**16
"""Bytes of each column that Arrow reads at a time: a table may have a thousand columns."""

_ROWS_AHEAD = 1024
"""Rows that are decoded at a time."""


class Cursor:
    """A place in a Parquet file, from which it is read forwards."""

    def __init__(self, source: Path, start: int) -> None:
        import pyarrow.parquet as pq

        self._source = source
        self._file = pq.ParquetFile(
            open_native(source), page_checksum_verification=True, buffer_size=_READ_AHEAD, pre_buffer=False
        )
        counts = [self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups)]
        begins = np.concatenate([[0], np.cumsum(counts)])
        first = max(0, int(np.searchsorted(begins, start, side="right")) - 1)
        self._begins = begins.tolist()
        self._place = self._begins[min(first, len(counts))]
        self._batches: Iterator[pa.RecordBatch] = itertools.chain.from_iterable(
            self._file.iter_batches(batch_size=_ROWS_AHEAD, row_groups=[number])  # a batch may span groups
            for number in range(first, len(counts))
        )
        self._left: pa.RecordBatch | None = None

    def can_reach(self, source: Path, start: int) -> bool:
        """Whether the row lies ahead, and no group of rows between here and there could be jumped over."""
        ahead = [begin for begin in self._begins[:-1] if self._place < begin <= start]
        return source == self._source and start >= self._place and not ahead

    def take(self, start: int, stop: int) -> pa.Table:
        """Rows start … stop − 1; what lies before them is passed over."""
        import pyarrow as pa

        taken = []
        while self._place < stop:
            batch = self._left if self._left is not None else next(self._batches, None)
            if batch is None:
                raise ValueError(f"it ends after {self._place} rows, and its footer says more")
            first, last = max(0, start - self._place), min(len(batch), stop - self._place)
            if last > first:
                taken.append(batch.slice(first, last - first))
            self._left = batch.slice(last) if last < len(batch) else None
            self._place += last
        return pa.Table.from_batches(taken, self._file.schema_arrow)
