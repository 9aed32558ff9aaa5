"""Read arrays of numbers or text from .npy and .npz files; each error names the fault.

A .npz file is a zip archive with a checksum of each array. Every array is read to its end, so any damage is
found. A .npy file has no checksum; only its header can be compared with its length.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from howsure.data.reading import reading
from howsure.data.rows import Array, damaged
from howsure.errors import FileError, InputError

_ENCRYPTED = 1
"""Bit in a zip entry's flags."""

_END = struct.Struct("<4s4H2LH")
"""End of a zip archive: mark, disks (2), entries (2), size and place of the directory, comment length."""

_LOCAL = struct.Struct("<26x2H")
"""Local header of a zip entry; it ends with the lengths of the two texts that follow it."""

_AT_ONCE = 2**24
"""Bytes that are read at a time."""

_NOT_TOLD = 0xFFFF
"""Number of entries if the real number is stored elsewhere."""


def open_npy(source: Path) -> Array:
    """The array in a .npy file, memory-mapped.

    Raises:
        FileError: Not a .npy file, or longer or shorter than its header says.
        InputError: Pickled Python objects.
    """
    with reading(source, "npy"):
        with source.open("rb") as file:
            _check_header(file, source.stat().st_size, source, "The array")
        return np.lib.format.open_memmap(source, mode="r")


def read_npz(source: Path, wanted: Iterable[str], *, mapped: bool = False) -> dict[str, Array]:
    """Arrays in a .npz file, by name; wanted arrays that do not exist are left out.

    Args:
        source: The file.
        wanted: Names.
        mapped: Whether arrays that are not compressed stay on disk and are memory-mapped. Their checksums are
            still compared, which reads each array once.

    Raises:
        FileError: The file is damaged or encrypted.
        InputError: Pickled Python objects.
    """
    names, read = set(wanted), _mapped if mapped else _read
    return {name: read(source, name) for name in names_in_npz(source) if name in names}


def names_in_npz(source: Path) -> list[str]:
    """Names of the arrays in a .npz file.

    Raises:
        FileError: The file is damaged.
    """
    with reading(source, "npz"):
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                if entry.flag_bits & _ENCRYPTED:
                    raise FileError(
                        f"'{entry.filename}' in '{source}' is encrypted", hint="Save it without a password"
                    )
                archive.open(entry).close()  # compares the two places that store its name
            entries = archive.namelist()
        with source.open("rb") as file:
            file.seek(-_END.size, 2)
            mark, _, _, _, count, _, _, comment = _END.unpack(file.read())
    if mark == b"PK\5\6" and not comment and count not in (len(entries), _NOT_TOLD):
        raise damaged(
            source, "npz", ValueError(f"it should hold {count} arrays, and {len(entries)} are there")
        )
    twice = [name for name, number in Counter(entries).items() if number > 1]
    if twice:
        raise damaged(source, "npz", ValueError(f"it holds '{twice[0]}' twice"))
    return [name.removesuffix(".npy") for name in entries if name.endswith(".npy")]


def _read(source: Path, name: str) -> Array:
    called = f"Array '{name}'"
    with reading(source, "npz"), zipfile.ZipFile(source) as archive:
        entry = archive.getinfo(f"{name}.npy")
        with archive.open(entry) as file:
            _check_header(file, entry.file_size, source, called)
        with archive.open(entry) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            file.read(1)  # reaching the end compares the checksum
            return np.asarray(array)


def _mapped(source: Path, name: str) -> Array:
    called = f"Array '{name}'"
    with reading(source, "npz"):
        with zipfile.ZipFile(source) as archive:
            entry = archive.getinfo(f"{name}.npy")
            if entry.compress_type != zipfile.ZIP_STORED:
                return _read(source, name)
            with archive.open(entry) as file:
                _check_header(file, entry.file_size, source, called)
            with archive.open(entry) as file:
                while file.read(_AT_ONCE):  # reaching the end compares the checksum
                    pass
        with source.open("rb") as file:
            file.seek(entry.header_offset)
            name_length, extra_length = _LOCAL.unpack(file.read(_LOCAL.size))
            file.seek(name_length + extra_length, 1)
            shape, fortran, dtype = _header(file)
            if 0 in shape:
                return np.empty(shape, dtype)
            order: Any = "F" if fortran else "C"
            return np.memmap(source, dtype, "r", file.tell(), shape, order)


def _header(file: IO[bytes]) -> Any:
    """The shape, whether the order is Fortran's, and the type."""
    version = np.lib.format.read_magic(file)
    read: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    return read[version](file)


def _check_header(file: IO[bytes], size: int, source: Path, called: str) -> None:
    """Compare the header with the length of the file before any memory is allocated."""
    shape, _, dtype = _header(file)
    if dtype.hasobject:
        raise InputError(
            f"{called} in '{source}' holds pickled Python objects, which are not loaded as they can run code",
            expected="an array of numbers",
            hint="Convert it to numbers before saving, for example with `x.astype('float32')`",
        )
    length = file.tell() + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or length != size:
        raise ValueError(
            f"{called.lower()} of shape {shape} and type {dtype} needs {length} bytes, and {size} are there"
        )
