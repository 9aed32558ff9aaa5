"""Saved results: a table, and beside it the maps of positions; whether all of it is there, and unchanged.

    NAME.parquet                  one line per row, its settings, and what its maps are
    NAME.1f0c9a52.maps/label.npy  (N, *P), and so on: one file for each map

Parquet has checksums of pages. Columns and settings have a SHA-256 in the metadata. Together they notice
every change of a bit that changes what is read.

Each save makes a folder of maps of its own, and the table that names it moves into place last. Only then does
the folder go that the earlier table named. So whatever stops a save leaves the earlier result or the new one
whole, and nothing goes that howsure did not write.

numpy, and what reads its files, opens the maps; `numpy.load(path, mmap_mode="r")` reads what is looked at, so
a saved result need not fit into memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_path
from howsure.errors import FileError, warnings_never_errors
from howsure.inputs.reading import open_native, reading
from howsure.inputs.typed_json import DAMAGED, FileName, content_errors, plain_json, short, typed, wrong

if TYPE_CHECKING:
    import pyarrow as pa

    from howsure.results.columns import Column

METADATA_KEY = b"howsure"
DIGEST_KEY = b"howsure.sha256"
"""Key of the digest of columns and settings, in the metadata."""

FORMAT, EARLIER = 5, 4
"""Versions of the format of a saved table: that which is written, and one that is still read. That one has
columns of lists."""

PACKED = "howsure"
"""The column of bytes, and the setting that says what is in them: shapes by name of a column."""

ENDING = ".maps"
"""Ending of the folder of the maps of a table."""

TABLE = "result.parquet"
"""Name of the table where a result is saved to a folder."""

NONE: Mapping[str, Any] = {"folder": f"none{ENDING}", "checksums": {}}
"""Settings of a table without maps."""

_AT_ONCE = 1 << 24
"""Bytes that a checksum reads at a time."""


@dataclass(frozen=True)
class Maps:
    """The files of the maps of a table.

    Attributes:
        folder: Name of their folder, beside the table.
        checksums: CRC-32 of the file of each map, by name.
    """

    folder: str
    checksums: Mapping[str, int]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Read the settings of a table; without an entry `maps` there are no maps.

        Raises:
            InputError: The name is not that of a folder of maps, or something is of another type.
            KeyError: Something is missing.
        """
        entry = typed(Mapping[str, Any], settings.get("maps", NONE), "maps")
        checksums = typed(Mapping[str, int], entry["checksums"], "maps.checksums")
        name = typed(FileName, entry["folder"], "maps.folder")
        if Path(name).name != name or not name.endswith(ENDING):
            raise wrong("maps.folder", f"the name of a folder that ends in {ENDING}", name)
        if not all(map_name.isidentifier() for map_name in checksums):
            raise wrong("maps.checksums", "names of maps", list(checksums))
        return cls(name, checksums)

    @warnings_never_errors()
    def read(self, table: str | os.PathLike[str], name: str) -> Any:
        """A map, memory-mapped.

        Raises:
            FileError: It is missing or damaged.
        """
        path = Path(table).parent / self.folder / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise FileError(
                f"The map '{path}' cannot be read ({error})",
                expected=f"the folder '{self.folder}' beside '{Path(table).name}', as it was saved",
            ) from error
        if _checksum(path) != self.checksums[name]:
            raise FileError(
                f"The map '{path}' is not what was saved",
                expected="the array whose checksum is in the table",
                hint="Copy the table and its folder of maps together, or assess the rows again",
            )
        return array

    def remove(self, table: str | os.PathLike[str]) -> None:
        """Remove the maps of a table, and their folder unless something else is in it."""
        folder = Path(table).parent / self.folder
        if folder.is_symlink() or not folder.is_dir():
            return
        for name in self.checksums:
            (folder / f"{name}.npy").unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            folder.rmdir()


def write_maps(maps: Mapping[str, NDArray[Any]], table: str | os.PathLike[str]) -> Maps:
    """Write maps for a table into a new folder.

    Args:
        maps: By name, each (N, …), for the same N rows.
        table: The file of the table.

    Raises:
        FileError: They cannot be written; then none is left.
    """
    place = Path(os.path.realpath(table))
    folder = place.with_suffix(f".{secrets.token_hex(4)}{ENDING}")
    try:
        folder.mkdir()
        return Maps(folder.name, _write_arrays(folder, maps))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise FileError(
            f"Writing the maps '{folder}' failed ({error.strerror or error})",
            hint=None if folder.parent.exists() else f"Make the folder '{folder.parent}' first",
        ) from error


def table_in(path: Path) -> Path:
    """The table of a result that was saved to a folder; any other path as it is."""
    return path / TABLE if (path / TABLE).is_file() else path


def _write_arrays(folder: Path, maps: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Write arrays to files, row by row, as one row of all may be made at once; gives their checksums.

    No file is mapped: where the disk is full, the system ends a process that writes into a mapped one.
    """
    checksums = dict.fromkeys(maps, 0)
    with ExitStack() as opened:
        files = {name: opened.enter_context((folder / f"{name}.npy").open("wb")) for name in maps}

        def put(name: str, content: bytes) -> None:
            checksums[name] = zlib.crc32(content, checksums[name])
            files[name].write(content)

        for name, array in maps.items():
            header, descr = io.BytesIO(), np.lib.format.dtype_to_descr(array.dtype)
            settings = {"descr": descr, "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(header, settings)
            put(name, header.getvalue())
        for number in range(max(map(len, maps.values()), default=0)):
            for name, array in maps.items():
                put(name, np.ascontiguousarray(array[number]).tobytes())
    return checksums


def _checksum(path: Path) -> int:
    """CRC-32 of a file; it is read and not mapped, so that it does not stay in memory."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            checksum = zlib.crc32(block, checksum)
    return checksum


# --- the table ------------------------------------------------------------------------------------


def with_settings(metadata: Mapping[bytes, bytes], **settings: Any) -> dict[bytes, bytes]:
    """The metadata of a table with further settings."""
    return {**metadata, METADATA_KEY: json.dumps(json.loads(metadata[METADATA_KEY]) | settings).encode()}


def with_packed(table: pa.Table, columns: Mapping[Column, NDArray[Any]]) -> pa.Table:
    """The table with some columns (N, …) of numbers beside it, as one column of bytes.

    So a file holds all of a result, and other programs see few columns, of which none holds lists.
    """
    import pyarrow as pa

    if not columns:
        return table
    rows = np.concatenate([column.packed(values) for column, values in columns.items()], axis=1)
    buffers = [None, pa.py_buffer(np.ascontiguousarray(rows))]
    cells = pa.Array.from_buffers(pa.binary(rows.shape[1]), len(rows), buffers)
    shapes = {column.name: values.shape[1:] for column, values in columns.items()}
    metadata = with_settings(table.schema.metadata, **{PACKED: shapes})
    return table.append_column(PACKED, cells).replace_schema_metadata(metadata)


def unpacked(
    table: pa.Table, columns: Sequence[Column], settings: Mapping[str, Any], without: Collection[str]
) -> dict[str, NDArray[Any]]:
    """The columns that `with_packed` put beside a table, by name, but for some.

    Args:
        table: The table.
        columns: All that a result may have, in their order.
        settings: Those of the table.
        without: Names of columns to leave out.

    Raises:
        InputError: The settings are of another type.
        ValueError: The bytes are others than the settings say.
    """
    shapes = typed(Mapping[str, tuple[int, ...]], settings.get(PACKED, {}), PACKED)
    if not shapes:
        return {}
    cells = table[PACKED].combine_chunks()
    ends = np.cumsum([0, *(column.width(shapes[column.name]) for column in columns if column.name in shapes)])
    if cells.type.byte_width != ends[-1] or cells.null_count:
        raise ValueError(f"its column '{PACKED}' has other bytes than its settings say")
    read = np.frombuffer(cells.buffers()[1] or b"", np.uint8, len(cells) * ends[-1], cells.offset * ends[-1])
    rows, packed = read.reshape(len(cells), ends[-1]), [column for column in columns if column.name in shapes]
    return {
        column.name: column.unpacked(rows[:, start:end], shapes[column.name])
        for column, start, end in zip(packed, ends, ends[1:], strict=False)
        if column.name not in without
    }


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
        left_out: From the settings, the columns that are left out, each with its values by class.

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
        version = settings["format"]
        is_known = version in (EARLIER, FORMAT)
        if is_known and DIGEST_KEY not in metadata:
            raise ValueError("its checksum is missing")
        if is_known and metadata[DIGEST_KEY] != _digest(schema):
            raise ValueError("it is not what was saved")
    if not is_known:
        raise FileError(
            f"'{source}' is in a format that this version of howsure does not know",
            expected=f"format {FORMAT}",
            received=f"{short(version)}, written by howsure {short(settings.get('version'))}",
            hint="Assess the rows again" if version in range(FORMAT) else "Update howsure",
        )
    with reading(source, "Parquet"):
        return _table_in(source, set(left_out(settings))), settings


def _schema_in(source: str | os.PathLike[str]) -> pa.Schema:
    import pyarrow.parquet as pq

    with open_native(source) as opened:
        return pq.read_schema(opened)


@warnings_never_errors()
def maps_of(path: str | os.PathLike[str]) -> Maps | None:
    """The maps that a table names; None if it has none, or is no saved result."""
    try:
        settings = json.loads(_schema_in(path).metadata[METADATA_KEY])
        return Maps.of(settings) if settings.get("maps") else None
    except Exception:  # a reader may raise anything for a file of another kind
        return None


@warnings_never_errors()
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
        columns = [name for name in file.schema_arrow.names if name.split(".")[0] not in without]
        parts = [file.read_row_group(number, columns) for number in range(file.num_row_groups)]
        table = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
        if len(table) != file.metadata.num_rows:
            raise ValueError(f"it ends after {len(table)} rows, and its footer says more")
        table.validate(full=True)
        return table


def complete(path: str | os.PathLike[str], name: str = "Certainty") -> AbstractContextManager[None]:
    """Turn an error about a missing or wrong table or setting into a `FileError`."""
    return content_errors(path, f"is not a complete saved {name}", None, DAMAGED)
