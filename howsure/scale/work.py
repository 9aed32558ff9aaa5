"""The rows divided into parts: one range of rows of one file each, and one file of results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from howsure import tuning
from howsure.data.reading import open_native
from howsure.data.sealed_json import plain_json
from howsure.data.typed import FROM_0, FileName, typed
from howsure.errors import probing
from howsure.results.maps import Maps
from howsure.results.result import save_sealed
from howsure.results.saved import METADATA_KEY, maps_of
from howsure.results.seal import check_seal
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
    return [
        Part(number, start, min(start + size, rows), before + start)
        for number, before, rows in by_name(files)
        for start in range(0, rows, size)
    ]


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


# --- the file of a part: results, and beside them what only this part knows -----------------------------


PART_KEY = b"howsure.part"


@dataclass(frozen=True)
class About:
    """The description of a part in its file.

    Attributes:
        first_row: The number of its first row in the whole input, also where that row was left out.
        left_out: Why rows were left out, by their places in the file of rows.
        content: For images, a mark of their content; else empty.
    """

    first_row: int
    left_out: Mapping[int, str] = field(default_factory=dict)
    content: str = ""


def save_part(folder: Path, part: Part, result: Any, about: About) -> None:
    """Write the file of a part.

    Args:
        folder: Of results.
        part: Which.
        result: Result of its rows, except those that were left out.
        about: Its description.

    Raises:
        FileError: It cannot be written.
    """
    save_sealed(result, folder / part.name, {PART_KEY: json.dumps(vars(about)).encode()})


def about_of(path: Path) -> About:
    """The description of a part in its file, which has to be there."""
    import pyarrow.parquet as pq

    with open_native(path) as file:
        told = plain_json(pq.read_schema(file).metadata[PART_KEY])
    left_out = typed(Mapping[str, FileName], told["left_out"], "left_out")
    first_row = typed(Annotated[int, FROM_0], told["first_row"], "first_row")
    by_place = {int(place): why for place, why in left_out.items()}
    return About(first_row, by_place, typed(str, told["content"], "content"))


@probing()
def is_whole(path: Path, settings: Mapping[str, Any]) -> bool:
    """Whether there is a part with these settings, as its seal says; a damaged one is as good as none.

    The whole part is read for its seal, and so are its maps for their checksums.
    """
    import pyarrow.parquet as pq

    try:
        if not check_seal(path):
            return False
        with open_native(path) as file:
            found = json.loads(pq.read_schema(file).metadata[METADATA_KEY])
        about_of(path)  # which a table that was saved in its place has not
    except Exception:  # whatever a reader meets in a file that is none, or is not there
        return False
    same = _without_version(found) == _without_version(settings)
    return same and Maps.of(found).are_whole(path)


def remove_part(path: Path) -> None:
    """Remove the file of a part and its maps, where they are."""
    maps = maps_of(path)
    path.unlink(missing_ok=True)
    if maps is not None:
        maps.remove(path)


def _without_version(settings: Mapping[str, Any]) -> str:
    return json.dumps({**settings, "version": None, "maps": None}, sort_keys=True)
