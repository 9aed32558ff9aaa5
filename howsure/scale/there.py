"""A folder of results for later commands: the parts that are there, and the missing ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from howsure.data.reading import open_native, reading
from howsure.errors import FileError, InputError, warn
from howsure.scale.folder import MANIFEST, Manifest, read_images, read_manifest
from howsure.scale.work import Part, about_of

_GO_ON = "The command that began it continues a stopped run"


def present(folder: Path) -> list[Path]:
    """The parts of a folder of results, in the order of the rows; a warning says what is missing.

    Raises:
        FileError: There is no manifest, or no part; or some have the row numbers from before rows were added.
    """
    manifest, parts = _manifest_of(folder)
    there = [part for part in parts if (folder / part.name).exists()]
    if not there:
        raise FileError(f"No part of the results in '{folder}' is done", hint=_GO_ON)
    for part in there:
        _check_numbers(folder / part.name, part)
    missing, left_out = _missing(folder, manifest, parts), _left_out(folder, manifest, there)
    if missing is not None:
        warn(f"{missing} {_GO_ON}.")
    if left_out is not None:
        warn(left_out)
    return [folder / part.name for part in there]


def _check_numbers(path: Path, part: Part) -> None:
    """Raise where a part has other row numbers than the manifest says, as when new ones were being given."""
    with reading(path, "Parquet"):
        first = about_of(path).first_row
    if first != part.first_row:
        raise FileError(
            f"'{path}' has the row numbers of another time: rows were added, and the command was stopped",
            expected=f"rows from {part.first_row:,} on",
            received=f"from {first:,} on",
            hint=_GO_ON,
        )


def rows_of_input(folder: Path) -> int:
    """How many rows there were to be assessed, also those that are missing; as `row` counts them.

    Raises:
        FileError: There is no manifest, or it is damaged.
    """
    return _manifest_of(folder)[0].rows


def check_by_place(folder: Path) -> None:
    """Raise where labels cannot be told by their place: images came later, so rows do not follow names.

    Raises:
        InputError: They did.
        FileError: The manifest is damaged.
    """
    names = read_images(folder, _manifest_of(folder)[0])
    if names is not None and list(names) != sorted(names, key=lambda name: name.split("/")):
        raise InputError(
            f"Images were added to those of '{folder}', so its rows are not in the order of their names",
            expected="labels with the names of the images: a .csv file with columns id and y",
            received="labels by their place alone",
        )


def missing_in(path: Path) -> str | None:
    """The missing parts in a folder of results, a sentence; None if there are none, or for another folder.

    Raises:
        FileError: The manifest is damaged.
    """
    found = read_manifest(path) if path.is_dir() else None
    if found is None:
        return None
    told = [_missing(path, *found), _left_out(path, *found)]
    return " ".join(filter(None, told)) or None


def _missing(folder: Path, manifest: Manifest, parts: Sequence[Part]) -> str | None:
    rows = sum(len(part) for part in parts if not (folder / part.name).exists())
    unread = [file.name for file in manifest.files if file.rows is None and file.fault is not None]
    if not rows and not unread:
        return None
    more = f", and those of '{unread[0]}', which could not be read" if unread else ""
    return f"Results of {rows:,} of {manifest.rows:,} rows are missing in '{folder}'{more}."


def _left_out(folder: Path, manifest: Manifest, parts: Sequence[Part]) -> str | None:
    """How many rows were left out of the parts that are there, as they failed."""
    count = len(left_out_in(folder, parts))
    if not count:
        return None
    were = "1 row that failed was" if count == 1 else f"{count:,} rows that failed were"
    return f"{were} left out of the results of {manifest.rows:,} rows in '{folder}'."


def _manifest_of(folder: Path) -> tuple[Manifest, list[Part]]:
    """As `read_manifest`, but a `FileError` where there is none."""
    found = read_manifest(folder)
    if found is None:
        raise FileError(
            f"The folder '{folder}' holds no results",
            expected=f"'{MANIFEST}', as `howsure assess --out FOLDER` writes it",
        )
    return found


def rows_in(path: Path) -> int:
    """How many results a part holds.

    Raises:
        FileError: It cannot be read.
    """
    import pyarrow.parquet as pq

    with reading(path, "Parquet"), open_native(path) as file:
        return int(pq.read_metadata(file).num_rows)


def left_out_in(folder: Path, parts: Sequence[Part]) -> list[tuple[Part, int, str]]:
    """Rows that were left out of the parts that are there: part, place in the file of rows, and reason.

    Raises:
        FileError: One cannot be read.
    """
    found = []
    for part in parts:
        path = folder / part.name
        if path.exists():
            with reading(path, "Parquet"):
                left_out = about_of(path).left_out
            found += [(part, place, why) for place, why in left_out.items()]
    return found


def verdicts_in(folder: Path, parts: Sequence[Part]) -> Counter[str]:
    """How often each verdict stands in the parts that are there; one part is in memory at a time.

    Nothing where results have no verdicts.

    Raises:
        FileError: One cannot be read.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = Counter[str]()
    for part in parts:
        path = folder / part.name
        if not path.exists():
            continue
        with reading(path, "Parquet"), open_native(path) as opened, pq.ParquetFile(opened) as file:
            if "verdict" not in file.schema_arrow.names:
                continue
            column = file.read(columns=["verdict"]).column("verdict")
        values = pc.list_flatten(column) if hasattr(column.type, "value_type") else column
        found.update({each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()})
    return found
