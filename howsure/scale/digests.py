"""Marks of what files of rows hold, so that other rows in files of the same name are noticed.

For short ones no file is read whole: the footer of a Parquet file tells the least and largest value of each
column, a .npz file keeps a checksum of each array, and of others a few rows have to do. If these, the size or
the time of change differ, the content of the whole file tells.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from howsure.data.rows import Array

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 32
"""Rows of an array that are looked at, spread evenly: one for each place that a plan is made from."""

_TAIL = 8
"""Bytes at the end of a Parquet file: the length of its footer, and four letters."""


def of_footer(file: pa.NativeFile) -> str:
    """Digest of the footer of a Parquet file, which holds sizes, places and statistics of all columns.

    Args:
        file: Opened, and known to be one.
    """
    size = file.size()
    file.seek(size - _TAIL)
    length = int.from_bytes(file.read(4), "little")
    file.seek(size - _TAIL - length)
    return hashlib.sha256(file.read(length)).hexdigest()


def of_archive(path: Path) -> str:
    """Digest of the checksums that a .npz file keeps of its arrays."""
    with zipfile.ZipFile(path) as archive:
        entries = [(entry.filename, entry.file_size, entry.CRC) for entry in archive.infolist()]
    return hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()


def of_array(array: Array) -> str:
    """Digest of the shape of an array and some of its rows.

    Args:
        array: (N, …), perhaps on disk.
    """
    found = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    for row in np.linspace(0, len(array) - 1, min(len(array), _ROWS)).round().astype(int).tolist():
        found.update(np.ascontiguousarray(array[row]).tobytes())
    return found.hexdigest()


def of_file(path: Path) -> str:
    """The SHA-256 of all that a file holds.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_names(names: Sequence[str]) -> int:
    """Digest of names of images, in their order."""
    told = "\n".join(names).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(told).digest()[:8], "big")


def of_images(folder: Path, files: Sequence[Path]) -> str:
    """Digest of names, sizes and times of change of images; a missing image counts as empty.

    Args:
        folder: Names are relative to it.
        files: The images.
    """

    def size_and_time(file: Path) -> object:
        there = file.stat()
        return there.st_size, there.st_mtime_ns

    return _of_each(folder, files, size_and_time, (0, 0))


def of_content(folder: Path, files: Sequence[Path]) -> str:
    """Digest of names and content of images; an unreadable image counts as empty."""
    return _of_each(
        folder, files, lambda file: of_file(file) if stat.S_ISREG(file.stat().st_mode) else "", ""
    )


def _of_each(folder: Path, files: Sequence[Path], mark: Callable[[Path], object], missing: object) -> str:
    found = hashlib.sha256()
    for file in files:
        try:
            told = mark(file)
        except OSError:
            told = missing
        found.update(f"{file.relative_to(folder).as_posix()}\n{told}\n".encode("utf-8", "surrogateescape"))
    return found.hexdigest()
