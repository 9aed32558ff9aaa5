"""The rows divided into parts: one range of rows of one file each, and one file of results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from howsure import tuning
from howsure.data.typed import FROM_0
from howsure.sampling.pilot import CANDIDATES, SHARE_OF_ROWS
from howsure.scale.sources import SourceFile

PIECES = 32
"""Parts into which few rows are divided at least, so that a few workers end at about the same time."""

MOST_PARTS = 4096
"""Parts into which many rows are divided at most: as many files as a folder holds well."""

SAMPLE = int(CANDIDATES / SHARE_OF_ROWS)
"""Rows from which a plan is made: of so many, a pilot looks at as many as it ever does."""

PLACES = 32
"""Places from which they are taken, spread evenly, as rows may be sorted by class."""


@dataclass(frozen=True)
class Part:
    """One unit of work.

    Attributes:
        file: Number of the file of rows, in the order in which they were found.
        start: Its first row in that file.
        stop: The row after its last one.
        first_row: Number of its first row in the whole input.
    """

    file: Annotated[int, FROM_0]
    start: Annotated[int, FROM_0]
    stop: Annotated[int, FROM_0]
    first_row: Annotated[int, FROM_0]

    @property
    def name(self) -> str:
        """Name of the file of its results; the same whatever else there is."""
        return f"part-{self.file:05}-{self.start:012}.parquet"

    def within(self, start: int, stop: int) -> Part:
        """Rows start … stop − 1 of the file, which are among these."""
        return Part(self.file, start, stop, self.first_row + start - self.start)

    def __len__(self) -> int:
        return self.stop - self.start


def rows_at_once(result: Any) -> int:
    """Rows of such a result that are held at once.

    Args:
        result: Result of a few rows; if they have maps, `tuning.BLOCK_AT_POSITIONS` says how many numbers
            these may hold.
    """
    numbers = sum(math.prod(each.shape[1:]) for each in result._maps.values())
    return max(1, tuning.BLOCK_AT_POSITIONS // numbers) if numbers else tuning.BLOCK


def usual_size(rows: int, block: int = tuning.BLOCK) -> int:
    """Rows in a part where nothing else was asked for: a power of two times what runs together.

    Few rows are divided into `PIECES` or more, unless these had fewer than `tuning.KEPT_ROWS` rows, whose
    trunk is kept at once. Many are divided into parts of a block, and beyond `MOST_PARTS` of these into
    larger ones.

    Args:
        rows: How many there are.
        block: Rows that are held at once, see `rows_at_once`.

    Example:
        >>> [usual_size(rows) for rows in (1000, 100_000, 10**6, 10**9)]
        [512, 2048, 8192, 262144]
        >>> usual_size(1000, block=8)
        8
    """
    size = min(tuning.KEPT_ROWS, block)
    while 2 * size <= block and rows >= 2 * size * PIECES:
        size *= 2
    while rows > size * MOST_PARTS:
        size *= 2
    return size


def divided(files: Sequence[SourceFile], size: int) -> list[Part]:
    """All parts, in order; of files that cannot be read there are none, and they count no rows."""
    return list(_parts(files, size))


def _parts(files: Sequence[SourceFile], size: int) -> Iterator[Part]:
    for number, before, rows in by_name(files):
        for start in range(0, rows, size):
            yield Part(number, start, min(start + size, rows), before + start)


def by_name(files: Sequence[SourceFile]) -> Iterator[tuple[int, int, int]]:
    """The files in the order of their names, in which rows are counted: number, first row, and how many rows.

    A file keeps its number, and so the names of its parts, when others are added.
    """
    before = 0
    for number in sorted(range(len(files)), key=lambda number: files[number].name):
        rows = files[number].rows or 0
        yield number, before, rows
        before += rows


def spread(files: Sequence[SourceFile], count: int = SAMPLE, places: int = PLACES) -> list[Part]:
    """Ranges of rows spread evenly over all, `count` rows together, or all rows where there are fewer.

    Args:
        files: Those that can be read count.
        count: How many rows.
        places: From how many places.
    """
    total = sum(file.rows or 0 for file in files)
    if total <= count:
        return divided(files, -(-total // places))
    length = count // places
    wanted = [place * (total - length) // (places - 1) for place in range(places)]
    found = list[Part]()
    for number, before, rows in by_name(files):
        for first in wanted:
            start, stop = max(0, first - before), min(rows, first + length - before)
            if start < stop and first < before + rows and first + length > before:
                found.append(Part(number, start, stop, before + start))
    return found
