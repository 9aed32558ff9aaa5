"""Read rows from a file, also for a model that does not declare its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from howsure.data.files import check_readable, read_rows, rows_in_npz
from howsure.data.images import is_image_name, list_images, undeclared_input
from howsure.data.numpy_files import open_npy
from howsure.data.rows import InputSpec, Rows
from howsure.data.tables import ANY_VECTOR, Roles


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
    return rows_in_npz(source, None)
