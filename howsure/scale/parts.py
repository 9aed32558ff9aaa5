"""A folder of results: parts that are complete or absent, and a manifest that says what made them.

manifest.json                              what made all parts, the files of rows, and all parts
plan.json                                  the plan, where it was made for this folder
part-000000000000-000000008192-….parquet   results of rows 0 to 8191, and the digest of what made them
part-000000000000-000000008192.….maps      their maps of positions, where they have any

The name of a part says which rows it holds and what made it, and it moves into place when it is whole. So a
part that is there is done, and two processes that write the same part write the same numbers: nothing is
locked.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from howsure import tuning
from howsure.atomic import TEMPORARY
from howsure.errors import FileError, InputError, warn
from howsure.inputs.reading import open_native, reading
from howsure.inputs.typed_json import (
    FROM_0,
    FileName,
    plain_json,
    read_sealed,
    short,
    typed,
    write_sealed,
    wrong,
)
from howsure.results.result import save_sealed
from howsure.sampling.pilot import CANDIDATES, SHARE_OF_ROWS

MANIFEST, PLAN = "manifest.json", "plan.json"

FORMAT = 4
"""Version of the format of a manifest."""

PIECES = 32
"""Parts into which few rows are divided at least, so that a few workers end at about the same time."""

MOST_PARTS = 4096
"""Parts into which many rows are divided at most: as many files as a folder holds well."""

SAMPLE = int(CANDIDATES / SHARE_OF_ROWS)
"""Rows from which a plan is made: of so many, a pilot looks at as many as it ever does."""

PLACES = 32
"""Places from which they are taken, spread evenly, as rows may be sorted by class."""

_DIGITS = 16
"""Digits of the SHA-256 in the name of a part."""

_LEFT_OUT = b"howsure.left_out"
"""Key of the images that were left out, in the metadata of a part."""

_GO_ON = "The command that began it continues a stopped run"


@dataclass(frozen=True)
class RowFile:
    """One file of rows, or a whole folder of images.

    Attributes:
        name: Name of the file.
        rows: How many it holds.
        content: A mark of its content; see `howsure.scale.read`.
    """

    name: FileName
    rows: Annotated[int, FROM_0]
    content: str


@dataclass(frozen=True)
class Part:
    """One unit of work, a range of rows of one file.

    Attributes:
        file: Number of the file of rows, in the order of their names.
        start: Its first row in that file.
        stop: The row after its last one.
        first_row: Number of its first row in the whole input.
        digest: Digest of what makes its results: rows, model, plan, method and options.
    """

    file: Annotated[int, FROM_0]
    start: Annotated[int, FROM_0]
    stop: Annotated[int, FROM_0]
    first_row: Annotated[int, FROM_0]
    digest: str = ""

    def __post_init__(self) -> None:
        if self.start >= self.stop:
            raise wrong("stop", f"more than {self.start}", self.stop)
        if re.fullmatch(f"[0-9a-f]{{0,{_DIGITS}}}", self.digest) is None:
            raise wrong("digest", f"up to {_DIGITS} hexadecimal digits", self.digest)

    @property
    def name(self) -> str:
        """Name of the file of its results."""
        return f"part-{self.first_row:012}-{self.first_row + len(self):012}-{self.digest}.parquet"

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder of results.

    Attributes:
        made_with: Settings that all parts share, by their names in messages.
        files: Of rows.
        parts: All of them, in the order of the rows, whether they are there or not.
    """

    made_with: Mapping[str, Any]
    files: tuple[RowFile, ...]
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows in the input, also those without results."""
        return sum(file.rows for file in self.files)

    def save(self, folder: Path) -> None:
        """Write it; an earlier one stays until this is complete.

        Raises:
            FileError: It cannot be written.
        """
        write_sealed(folder / MANIFEST, {"format": FORMAT, **asdict(self)})


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder of results; None if there is none.

    Raises:
        FileError: It is damaged.
    """
    if not is_results(folder):
        return None
    manifest: Manifest = read_sealed(
        folder / MANIFEST,
        "manifest of results",
        FORMAT,
        lambda content: typed(Manifest, content, ""),
        written_by="`howsure assess --out FOLDER`",
        again="Assess the rows again, into another folder",
    )
    return manifest


def is_results(folder: Path) -> bool:
    """Whether this is a folder of results."""
    return os.path.exists(folder / MANIFEST)


# --- the rows divided into parts ----------------------------------------------------------------------


def rows_at_once(result: Any) -> int:
    """Rows of such a result that are held at once.

    Args:
        result: Result of a few rows; if they have maps, `tuning.BLOCK_AT_POSITIONS` says how many numbers
            these may hold.
    """
    numbers = sum(math.prod(array.shape[1:]) for array in result._maps.values())
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


def divided(
    files: Sequence[RowFile], size: int, digest_of: Callable[[Part], str] = lambda part: ""
) -> list[Part]:
    """All parts, in the order of the rows.

    Args:
        files: Of rows.
        size: Rows in a part at most.
        digest_of: The digest of what makes the results of a part, beside its place among the rows.
    """
    parts, before = [], 0
    for number, file in enumerate(files):
        for start in range(0, file.rows, size):
            stop = min(start + size, file.rows)
            part = Part(number, start, stop, before + start)
            parts.append(replace(part, digest=digest_of(part)[:_DIGITS]))
        before += file.rows
    return parts


def spread(files: Sequence[RowFile], count: int = SAMPLE, places: int = PLACES) -> list[Part]:
    """Ranges of rows spread evenly over all, `count` rows together, or all rows where there are fewer.

    Args:
        files: Of rows.
        count: How many rows.
        places: From how many places.
    """
    total = sum(file.rows for file in files)
    if total <= count:
        return divided(files, -(-total // places))
    length = count // places
    first_rows = [place * (total - length) // (places - 1) for place in range(places)]
    ranges, before = list[Part](), 0
    for number, file in enumerate(files):
        for first in first_rows:
            start, stop = max(0, first - before), min(file.rows, first + length - before)
            if start < stop:
                ranges.append(Part(number, start, stop, before + start))
        before += file.rows
    return ranges


# --- going on -----------------------------------------------------------------------------------------


def check_ours(folder: Path) -> None:
    """Raise for a folder that holds something else than results.

    Raises:
        InputError: There are files of other people, and no manifest.
    """
    if not folder.is_dir() or is_results(folder):
        return
    strange = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.name != PLAN and not entry.name.startswith((TEMPORARY, "part-"))
    )
    if strange:
        raise InputError(
            f"The folder '{folder}' holds other files, and no results",
            expected="a new folder, or one that an earlier run of this command made",
            received=f"'{strange[0]}'",
        )


def check_made_with(folder: Path, before: Manifest | None, made_with: Mapping[str, Any]) -> None:
    """Raise an `InputError` unless this is what made the parts in a folder.

    Args:
        folder: Where.
        before: Its manifest, if there is one.
        made_with: As it is asked for, or some of that.
    """
    if before is None:
        return
    settings = before.made_with
    differs = [name for name in made_with if settings.get(name) != made_with[name]]
    if differs:
        first = differs[0]
        hint = "Give another folder, or the command that this folder was begun with"
        if first == "model":
            hint += ". A function makes the same model each time only with `weights`"
        others = [f"{'other' if name.endswith('s') else 'another'} {name}" for name in differs]
        raise InputError(
            f"The results in '{folder}' were made with {' and '.join(others)}",
            expected=f"{first}: {short(settings.get(first))}, as there",
            received=short(made_with[first]),
            hint=hint,
        )


def check_parts(folder: Path, manifest: Manifest) -> None:
    """Raise where a folder holds parts of something else.

    Args:
        folder: Where.
        manifest: The one of the run that goes on there.

    Raises:
        InputError: There are parts that were made with other settings, or from other rows.
        FileError: The manifest is damaged.
    """
    before = read_manifest(folder)
    check_made_with(folder, before, manifest.made_with)
    names = {part.name for part in manifest.parts}
    strange = sorted(path.name for path in folder.glob("part-*.parquet") if path.name not in names)
    if strange:
        raise InputError(
            f"The results in '{folder}' belong to other rows{_changed(before, manifest)}",
            expected="the rows that this folder was begun with, and perhaps more behind them",
            received=f"'{strange[0]}', which this command would not write",
            hint="Give another folder, or delete the parts of rows that have changed",
        )


def _changed(before: Manifest | None, now: Manifest) -> str:
    """The first file of rows that differs from what was there, in words."""
    for number, file in enumerate(() if before is None else before.files):
        if now.files[number : number + 1] != (file,):
            return f": '{file.name}' has changed since, or is not in its place"
    return ""


def save_part(folder: Path, part: Part, result: Any, left_out: Sequence[str]) -> None:
    """Write the file of a part.

    Args:
        folder: Of results.
        part: Which.
        result: Result of its rows.
        left_out: Images that could not be read, each with the reason.

    Raises:
        FileError: It cannot be written.
    """
    save_sealed(result, folder / part.name, {_LEFT_OUT: json.dumps(left_out).encode()})


# --- for later commands ---------------------------------------------------------------------------------


def completed_parts(folder: Path) -> list[Path]:
    """The parts of a folder of results, in the order of the rows; a warning says what is missing.

    Raises:
        FileError: There is no manifest, or no part.
    """
    manifest = _manifest_of(folder)
    paths = [folder / part.name for part in manifest.parts if (folder / part.name).exists()]
    if not paths:
        raise FileError(f"No part of the results in '{folder}' is done", hint=_GO_ON)
    missing = _missing(folder, manifest)
    if missing is not None:
        warn(f"{missing} {_GO_ON}.")
    return paths


def missing_in(path: Path) -> str | None:
    """The missing parts in a folder of results, a sentence; None if there are none, or for another folder.

    Raises:
        FileError: The manifest is damaged.
    """
    manifest = read_manifest(path)
    return None if manifest is None else _missing(path, manifest)


def _missing(folder: Path, manifest: Manifest) -> str | None:
    rows = sum(len(part) for part in manifest.parts if not (folder / part.name).exists())
    return f"Results of {rows:,} of {manifest.rows:,} rows are missing in '{folder}'." if rows else None


def _manifest_of(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise FileError(
            f"The folder '{folder}' holds no results",
            expected=f"'{MANIFEST}', as `howsure assess --out FOLDER` writes it",
        )
    return manifest


def rows_of_input(folder: Path) -> int:
    """How many rows there were to be assessed, also those that are missing; as `row` counts them.

    Raises:
        FileError: There is no manifest, or it is damaged.
    """
    return _manifest_of(folder).rows


def rows_in(path: Path) -> int:
    """How many results a part holds.

    Raises:
        FileError: It cannot be read.
    """
    import pyarrow.parquet as pq

    with reading(path, "Parquet"), open_native(path) as file:
        return int(pq.read_metadata(file).num_rows)


def left_out_in(folder: Path, parts: Sequence[Part]) -> list[str]:
    """Images that were left out of the parts that are there, each with the reason.

    Raises:
        FileError: A part cannot be read.
    """
    import pyarrow.parquet as pq

    lines = list[str]()
    for path in _existing_parts(folder, parts):
        with reading(path, "Parquet"), open_native(path) as file:
            lines += typed(tuple[FileName, ...], plain_json(pq.read_schema(file).metadata[_LEFT_OUT]), "")
    return lines


def counts_in(folder: Path, parts: Sequence[Part], name: str) -> Counter[Any]:
    """How often each value of a column stands in the parts that are there; one part is in memory at a time.

    Nothing where results have no such column.

    Raises:
        FileError: A part cannot be read.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counts = Counter[Any]()
    for path in _existing_parts(folder, parts):
        with reading(path, "Parquet"), open_native(path) as opened, pq.ParquetFile(opened) as file:
            names = [column for column in file.schema_arrow.names if column.split(".")[0] == name]
            columns = file.read(columns=names).columns
        for column in columns:
            values = pc.list_flatten(column) if hasattr(column.type, "value_type") else column
            counts.update({row["values"]: row["counts"] for row in pc.value_counts(values).to_pylist()})
    return counts


def _existing_parts(folder: Path, parts: Sequence[Part]) -> Iterator[Path]:
    return (folder / part.name for part in parts if (folder / part.name).exists())
