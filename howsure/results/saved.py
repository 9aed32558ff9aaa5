"""Saved tables: what is in a file, and whether all of it is there.

Parquet has checksums of pages. Columns and settings have a SHA-256 in the metadata. Together they notice
every change of a bit that changes what is read.
"""

from __future__ import annotations

import hashlib
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

if TYPE_CHECKING:
    import pyarrow as pa

METADATA_KEY = b"howsure"
DIGEST_KEY = b"howsure.sha256"
"""Key of the digest of columns and settings, in the metadata."""

FORMAT = 4
"""Version of the format of a saved table."""


def with_digest(table: pa.Table) -> pa.Table:
    """The table with the digest of its columns and settings, which `read_table` compares."""
    return table.replace_schema_metadata({**table.schema.metadata, DIGEST_KEY: _digest(table.schema)})


def _digest(schema: pa.Schema) -> bytes:
    """The SHA-256 of names and types of columns, and of all metadata but the digest itself."""
    # Parquet has its own name for the items of lists.
    types = [str(field.type).replace("<item: ", "<element: ") for field in schema]
    columns = [(field.name, kind, field.nullable) for field, kind in zip(schema, types, strict=True)]
    metadata = sorted((key, value) for key, value in schema.metadata.items() if key != DIGEST_KEY)
    return hashlib.sha256(repr((columns, metadata)).encode()).hexdigest().encode()


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
        schema = _schema_in(source)
    metadata = schema.metadata or {}
    raw = metadata.get(METADATA_KEY)
    if raw is None:
        raise FileError(
            f"'{source}' is a Parquet file, but not a saved Certainty",
            expected="a file written by `Certainty.save` or `howsure assess --out`",
        )
    with complete(source):
        settings: dict[str, Any] = typed(Mapping[str, Any], plain_json(raw), "settings")
        found = settings["format"]
        if found == FORMAT and DIGEST_KEY not in metadata:
            raise ValueError("its checksum is missing")
        if found == FORMAT and metadata[DIGEST_KEY] != _digest(schema):
            raise ValueError("it is not what was saved")
    if found != FORMAT:
        raise FileError(
            f"'{source}' is in a format that this version of howsure does not know",
            expected=f"format {FORMAT}",
            received=f"{short(found)}, written by howsure {short(settings.get('version'))}",
            hint="Assess the rows again" if found in range(FORMAT) else "Update howsure",
        )
    with reading(source, "Parquet"):
        return _table_in(source, set(left_out(settings))), settings


def _schema_in(source: str | os.PathLike[str]) -> pa.Schema:
    import pyarrow.parquet as pq

    with open_native(source) as opened:
        return pq.read_schema(opened)


@probing()
def maps_of(path: str | os.PathLike[str]) -> Maps | None:
    """The maps that a table names; None if it has none, or is no saved result."""
    try:
        settings = json.loads(_schema_in(path).metadata[METADATA_KEY])
        return Maps.of(settings) if settings.get("maps") else None
    except Exception:  # a reader may raise anything for a file of another kind
        return None


@probing()
def is_saved(path: str | os.PathLike[str]) -> bool:
    """Whether a Parquet file says that `Result.save` wrote it; False for a file that cannot be read."""
    try:
        return METADATA_KEY in (_schema_in(path).metadata or {})
    except Exception:  # a reader may raise anything for a file of another kind
        return False


def _table_in(source: Path, without: Collection[str]) -> pa.Table:
    """The table in a Parquet file but for some columns, one part of the file after the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_native(source) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
        wanted = [name for name in file.schema_arrow.names if name not in without]
        parts = [file.read_row_group(number, wanted) for number in range(file.num_row_groups)]
        table = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
        if len(table) != file.metadata.num_rows:
            raise ValueError(f"it ends after {len(table)} rows, and its footer says more")
        table.validate(full=True)
        return table


def complete(path: str | os.PathLike[str], name: str = "Certainty") -> AbstractContextManager[None]:
    """Turn an error about a missing or wrong table or setting into a `FileError`."""
    return made_of(path, f"is not a complete saved {name}", None, DAMAGED)
