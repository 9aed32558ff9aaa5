"""Files that Arrow reads by itself, without objects of Python."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def open_native(path: str | os.PathLike[str]) -> pa.NativeFile:
    """A file, opened to be read by Arrow's threads.

    What they read from a file object of Python belongs to Python, and a thread that gives back the last of it
    while the interpreter ends makes the process abort. The name may be any that the system takes.

    Raises:
        OSError: It cannot be opened; with the `errno` and words of `open`.
    """
    import pyarrow as pa

    with open(path, "rb"):  # for its errors: those of Arrow have no `errno` for a folder
        return pa.OSFile(os.fsencode(path), "rb")
