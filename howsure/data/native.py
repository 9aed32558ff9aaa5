"""Open files for Arrow directly, without Python file objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def open_native(path: str | os.PathLike[str]) -> pa.NativeFile:
    """A file, opened for Arrow's threads.

    Buffers that Arrow reads from a Python file object belong to Python. If a thread frees the last of them
    while the interpreter ends, the process aborts. Any name that the system accepts works.

    Raises:
        OSError: It cannot be opened; with the `errno` and message of `open`.
    """
    import pyarrow as pa

    with open(path, "rb"):  # for its errors: Arrow's have no `errno` for a folder
        return pa.OSFile(os.fsencode(path), "rb")
