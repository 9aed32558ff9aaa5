"""Read rows from a file, also for a model that does not declare its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from howsure.data.files import check_readable, read_rows
from howsure.data.ids import ID
from howsure.data.images import is_image_name, list_images, undeclared_input
from howsure.data.numpy_files import names_in_npz, open_npy, read_npz
from howsure.data.rows import Array, InputSpec, Rows
from howsure.data.tables import ANY_VECTOR, LABELS, Roles
from howsure.errors import InputError

_ROWS = "x"


def rows_in(
    source: Path,
    inputs: Sequence[InputSpec] | None,
    channels: Callable[[], int | None],
    *,
    skip_unreadable: bool = False,
    roles: Roles | None = None,
) -> Rows:
    """The rows in a file or folder; see `read_rows`.

    For a model that does not declare its inputs, the rows are: an array; the array `x` or all arrays by name;
    or the columns of a table. Images then have their channels first, as PyTorch modules expect.

    Args:
        source: The file or folder.
        inputs: The model's inputs, or None.
        channels: Returns the number of channels of its images, or None; called if the model declares no
            inputs.
        skip_unreadable: True leaves unreadable images out.
        roles: Purposes of columns that are no features.

    Raises:
        FileError: The file is missing or damaged.
        InputError: No rows.
    """
    if inputs is not None:
        return read_rows(source, inputs, skip_unreadable=skip_unreadable, roles=roles)
    suffix = source.suffix.lower()
    check_readable(source)
    if source.is_dir() or is_image_name(source):
        image = undeclared_input(list_images(source)[0][0][0], channels())
        rows = read_rows(source, [image], skip_unreadable=skip_unreadable)
        return replace(rows, x=np.moveaxis(rows.x, -1, 1))
    if suffix not in (".npy", ".npz"):
        return read_rows(source, [ANY_VECTOR], roles=roles)
    if suffix == ".npy":
        return Rows(open_npy(source))
    return any_rows_in_npz(source)


def any_rows_in_npz(source: Path, read: Callable[[Path, list[str]], dict[str, Array]] = read_npz) -> Rows:
    """The rows of a .npz file for a model without declared inputs: array `x`, or all arrays by name.

    Args:
        source: The file.
        read: `read_npz`, or `map_npz` for arrays that stay on disk.

    Raises:
        FileError: The file is damaged.
        InputError: No rows.
    """
    names = [name for name in names_in_npz(source) if name not in (LABELS, ID)]
    if not names:
        raise InputError(f"'{source}' holds no rows", expected=f"an array '{_ROWS}', or one for each input")
    arrays = read(source, [*names, LABELS, ID])
    labels, ids = (arrays.pop(name, None) for name in (LABELS, ID))
    if _ROWS in arrays or len(arrays) == 1:
        return Rows(arrays.get(_ROWS, next(iter(arrays.values()))), labels, ids=ids)
    return Rows(arrays, labels, ids=ids)
