"""Rows from a file for a model that does not say what it takes: whatever the file holds."""

from __future__ import annotations

from pathlib import Path

from howsure.data.files import read_rows
from howsure.data.numpy_files import names_in_npz, open_npy, read_npz
from howsure.data.rows import InputSpec, Rows
from howsure.data.tables import Roles
from howsure.errors import InputError

_LABELS = "y"
_IDS = "id"
_ROWS = "x"


def rows_in(source: Path, roles: Roles | None) -> Rows:
    """The rows in a file: an array, the array `x` or all arrays by name, or the columns of a table.

    Args:
        source: The file.
        roles: What columns are for that are no features.

    Raises:
        FileError: Missing or damaged.
        InputError: No rows.
    """
    suffix = source.suffix.lower()
    if suffix == ".npy":
        return Rows(open_npy(source))
    if suffix != ".npz":
        return read_rows(source, [InputSpec(_ROWS, (None,), "float32")], roles=roles)
    names = [name for name in names_in_npz(source) if name not in (_LABELS, _IDS)]
    if not names:
        raise InputError(f"'{source}' holds no rows", expected=f"an array '{_ROWS}', or one for each input")
    arrays = read_npz(source, [*names, _LABELS, _IDS])
    labels, ids = (arrays.pop(name, None) for name in (_LABELS, _IDS))
    if _ROWS in arrays or len(arrays) == 1:
        return Rows(arrays.get(_ROWS, next(iter(arrays.values()))), labels, ids=ids)
    return Rows(arrays, labels, ids=ids)
