"""Saved tables: what is in a file, and whether all of it is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howsure.arguments import check_path
from howsure.data.reading import open_native, reading
from howsure.data.sealed_json import DAMAGED, made_of, plain_json
from howsure.data.typed import short, typed
from howsure.errors import FileError, probing
from howsure.results.maps import Maps
from howsure.results.seal import check_seal

if TYPE_CHECKING:
    import pyarrow as pa

METADATA_KEY = b"howsure"
FORMAT = 3
"""Version of the format of a saved table."""


def read_table(
    path: str | os.PathLike[str],
    left_out: Callable[[Mapping[str, Any]], Collection[str]] = lambda settings: (),
) -> tuple[pa.Table, dict[str, Any]]:
    """The table and the settings that `Result.save` wrote to `path`.

    Args:
        path: The file.
        left_out: From the settings, the columns that are left out.

    Raises:
        FileError: The file is missing, damaged, of another format, or not a saved result.
    """
    source = check_path(path)
    with reading(source, "Parquet"):
        sealed = check_seal(source)
        raw = _metadata_in(source).get(METADATA_KEY)
    if raw is None:
        raise FileError(
            f"'{source}' is a Parquet file, but not a saved Certainty",
            expected="a file written by `Certainty.save` or `howsure assess --out`",
        )
    with complete(source):
        settings: dict[str, Any] = typed(Mapping[str, Any], plain_json(raw), "settings")
        found = settings["format"]
        if found == FORMAT and not sealed:
            raise ValueError("its checksum is missing")
    if found != FORMAT:
        raise FileError(
            f"'{source}' is in a format that this version of howsure does not know",
            expected=f"format {FORMAT}",
            received=f"{short(found)}, written by howsure {short(settings.get('version'))}",
            hint="Assess the rows again" if found in range(FORMAT) else "Update howsure",
        )
    with reading(source, "Parquet"):
        return _table_in(source, set(left_out(settings))), settings


def _metadata_in(source: str | os.PathLike[str]) -> dict[bytes, bytes]:
    import pyarrow.parquet as pq

    with open_native(source) as opened:
        return pq.read_schema(opened).metadata or {}


@probing()
def maps_of(path: str | os.PathLike[str]) -> Maps | None:
    """The maps that a table names; None if it has none, or is no saved result."""
    try:
        settings = json.loads(_metadata_in(path)[METADATA_KEY])
        return Maps.of(settings) if settings.get("maps") else None
    except Exception:  # a reader may raise anything for a file of another kind
        return None


@probing()
def is_saved(path: str | os.PathLike[str]) -> bool:
    """Whether a Parquet file says that `Result.save` wrote it; False for a file that cannot be read."""
    try:
        return METADATA_KEY in _metadata_in(path)
    except Exception:  # a reader may raise anything for a file of another kind
        return False


def _table_in(source: Path, without: Collection[str]) -> pa.Table:
    """The table in a Parquet file but for some columns, one part of the file after the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_native(source) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
        wanted = [name for name in file.schema_arrow.names if name not in without]
        parts = [file.read_row_group(number, wanted) for number in range(file.num_row_groups)]
        return pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()


def complete(path: str | os.PathLike[str], name: str = "Certainty") -> AbstractContextManager[None]:
    """Turn an error about a missing or wrong table or setting into a `FileError`."""
    return made_of(path, f"is not a complete saved {name}", None, DAMAGED)
