"""Read Parquet files as columns, and .npy and .npz files as arrays."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.align import ID
from howsure.inputs.reading import open_native, reading
from howsure.inputs.rows import Array, InputSpec, Rows, quoted
from howsure.inputs.tables import LABELS, Table

if TYPE_CHECKING:
    import pyarrow as pa

_END_OF_ZIP = 22
"""Bytes of the end of a zip archive without a comment, with the number of its entries."""


def open_parquet(source: Path, *_: Any) -> Table:
    """The columns of a Parquet file.

    Raises:
        FileError: The file is damaged.
        InputError: As from `parquet_columns`.
    """
    import pyarrow.parquet as pq

    with reading(source, "Parquet"):
        with open_native(source) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            table = file.read()
            if len(table) != file.metadata.num_rows:
                raise ValueError(f"it ends after {len(table)} rows, and its footer says more")
        table.validate(full=True)
    return parquet_columns(source, table)


def parquet_columns(source: Path, table: pa.Table) -> Table:
    """The content of a Parquet file as columns; tensor columns become lists.

    Args:
        source: The file, for messages.
        table: All of its rows, or some.

    Raises:
        InputError: Tensors that are stored with their axes in another order.
    """
    import pyarrow as pa

    def plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = column.type
        if not isinstance(kind, pa.BaseExtensionType):
            return column
        permutation = getattr(kind, "permutation", None)
        if permutation is not None and permutation != [*range(len(permutation))]:
            # pyarrow 26 writes and reads some of them in two different orders.
            raise InputError(
                f"Column '{name}' of '{source}' holds tensors whose axes are stored in another order",
                expected="tensors in C order, without a permutation of axes",
                received=f"permutation {permutation}",
                hint="Write the column from numpy.ascontiguousarray(x): a transposed view keeps its order",
            )
        return pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)

    return Table(
        f"'{source}'",
        tuple(table.column_names),
        tuple(map(plain, table.column_names, table.columns)),
        table.num_rows,
    )


# --- numpy files ----------------------------------------------------------------------------------
#
# A .npz file is a zip archive with a checksum of each array. Every array is read to its end, so any damage is
# found. A .npy file has no checksum; only what its header says can be compared with its length.


def rows_in_npz(source: Path, inputs: Sequence[InputSpec] | None) -> Rows:
    """The rows of a .npz file as found, with the labels and ids in it.

    Args:
        source: The file.
        inputs: The model's inputs; None if it does not declare them: then the array `x`, or all by name.

    Raises:
        FileError: The file is damaged.
        InputError: No array, or several, could be the rows.
    """
    present = names_in_npz(source)
    names = ["x"] if "x" in present else [name for name in present if name not in (LABELS, ID)]
    if inputs is None:
        if not names:
            raise InputError(f"'{source}' holds no rows", expected="an array 'x', or one for each input")
    elif len(inputs) > 1:
        names = [spec.name for spec in inputs]
        missing = [name for name in names if name not in present]
        if missing:
            raise InputError(
                f"'{source}' has no array {quoted(missing)}",
                expected=f"arrays named like the inputs, {quoted(names)}, and perhaps '{LABELS}'",
                received=f"arrays {quoted(present)}",
            )
    elif len(names) != 1:
        raise InputError(
            f"'{source}' does not say which array holds the rows",
            expected=f"an array 'x', and perhaps '{LABELS}', or only one array",
            received=f"arrays {quoted(present)}" if present else "no array",
            hint="Save the one you mean: `numpy.savez(file, x=…, y=…)`",
        )
    wanted = {*names, LABELS, ID}
    arrays = {name: _read_array(source, name) for name in present if name in wanted}
    x = arrays[names[0]] if len(names) == 1 else {name: arrays[name] for name in names}
    labels, ids = (None if name in names else arrays.get(name) for name in (LABELS, ID))
    return Rows(x, labels, ids=ids)


def open_npy(source: Path) -> Array:
    """The array in a .npy file, memory-mapped.

    Raises:
        FileError: Not a .npy file, or longer or shorter than its header says.
        InputError: Pickled Python objects.
    """
    with reading(source, "npy"), _no_objects(source, "The array"):
        array = np.lib.format.open_memmap(source, mode="r")
        if array.offset + array.nbytes != source.stat().st_size:
            raise ValueError(
                f"an array of shape {array.shape} and type {array.dtype} is shorter than the file"
            )
    return array


def names_in_npz(source: Path) -> list[str]:
    """Names of the arrays in a .npz file.

    Raises:
        FileError: The file is damaged.
    """
    with reading(source, "npz"), zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            archive.open(entry).close()  # compares the two places that store its name
        entries = archive.namelist()
        with source.open("rb") as file:  # of another length, one entry would hide the next
            file.seek(-_END_OF_ZIP, os.SEEK_END)
            end = file.read()
        count = int.from_bytes(end[10:12], "little")
        if end.startswith(b"PK\5\6") and count not in (len(entries), 0xFFFF):
            raise ValueError(f"it should hold {count} arrays, and {len(entries)} are there")
        if len(set(entries)) < len(entries):
            raise ValueError("it holds two arrays of one name")
    return [name.removesuffix(".npy") for name in entries if name.endswith(".npy")]


def _read_array(source: Path, name: str) -> Array:
    with (
        reading(source, "npz"),
        _no_objects(source, f"Array '{name}'"),
        zipfile.ZipFile(source) as archive,
        archive.open(f"{name}.npy") as file,
    ):
        array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read():  # reaching the end compares the checksum
            raise ValueError(f"array '{name}' of shape {array.shape} is shorter than its entry")
        return np.asarray(array)


@contextmanager
def _no_objects(source: Path, called: str) -> Iterator[None]:
    """Around code that reads an array: an `InputError` for pickled objects, which numpy refuses."""
    try:
        yield
    except ValueError as error:
        if "Python objects" not in str(error) and "Object arrays" not in str(error):
            raise
        raise InputError(
            f"{called} in '{source}' holds pickled Python objects, which are not loaded as they can run code",
            expected="an array of numbers",
            hint="Convert it to numbers before saving, for example with `x.astype('float32')`",
        ) from error
