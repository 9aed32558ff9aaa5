"""The endings of the files that howsure writes, so that no file has a name that belongs to another kind."""

from __future__ import annotations

import os
from pathlib import Path

from howsure.arguments import check_path
from howsure.errors import InputError

TABLES = (".parquet", ".csv", ".jsonl")
LINES = (".csv",)
PAGES = (".html",)
FITTED = (".json",)
"""Endings of calibrators, familiarity and plans."""
GRAPHS = (".onnx",)
FOR_A_PERSON = (".csv", ".json")

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_ALIKE = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".tsv"), (".csv", "Spreadsheets open .csv files")),
    **dict.fromkeys((".json", ".ndjson"), (".jsonl", "Files of one JSON object a line end in .jsonl")),
    ".pq": (".parquet", "Parquet files of howsure end in .parquet"),
    ".htm": (".html", "Pages end in .html"),
    ".geojson": (".csv", "`result.is_coin_flip` has the maps; rasterio.features.shapes outlines them"),
}
"""By an ending that howsure does not write, one that it does, and the hint."""


def check_ending(path: str | os.PathLike[str], endings: tuple[str, ...], *, needed: bool = True) -> str:
    """The ending of a name, in small letters; before anything is computed or written.

    Args:
        path: Path of a file to write.
        endings: Endings for its content.
        needed: Whether a name without an ending is refused too.

    Raises:
        InputError: The name has another ending, or this is no path.
    """
    given = check_path(path)
    ending = given.suffix.lower()
    if ending in endings or not (ending or needed):
        return ending
    raise InputError(
        f"'{given}' has the wrong ending",
        expected=f"a name that ends in {' or '.join(endings)}",
        hint=_hint(given, ending, endings),
    )


def _hint(path: Path, ending: str, endings: tuple[str, ...]) -> str | None:
    if ending in _PACKED:
        inner = path.with_suffix("")
        name = inner.name if inner.suffix.lower() in endings else f"{inner.name}{endings[0]}"
        return f"howsure packs no files: write '{name}', and pack it afterwards"
    known, hint = _ALIKE.get(ending, ("", None))
    return hint if known in endings else None
