"""Maps of a saved result: beside the table `NAME.parquet`, in a folder, one `.npy` file for each.

    NAME.parquet                  one line per row, its settings, and what its maps are
    NAME.1f0c9a52.maps/label.npy  (N, *P), and so on

Each save makes a folder of its own, and the table that names it moves into place last. Only then does the
folder go that the earlier table named. So whatever stops a save leaves the earlier result or the new one
whole, and nothing goes that howsure did not write.

numpy, and what reads its files, opens them; `numpy.load(path, mmap_mode="r")` reads what is looked at, so a
saved result need not fit into memory.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from howsure.data.typed import FileName, typed, wrong
from howsure.errors import FileError, probing

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
        told = typed(Mapping[str, Any], settings.get("maps", NONE), "maps")
        checksums = typed(Mapping[str, int], told["checksums"], "maps.checksums")
        name = typed(FileName, told["folder"], "maps.folder")
        if Path(name).name != name or not name.endswith(ENDING):
            raise wrong("maps.folder", f"the name of a folder that ends in {ENDING}", name)
        if not all(each.isidentifier() for each in checksums):
            raise wrong("maps.checksums", "names of maps", list(checksums))
        return cls(name, checksums)

    @probing()
    def read(self, table: str | os.PathLike[str], name: str) -> Any:
        """A map, memory-mapped.

        Raises:
            FileError: It is missing or damaged.
        """
        path = Path(table).parent / self.folder / f"{name}.npy"
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
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
        return found

    def are_whole(self, table: str | os.PathLike[str]) -> bool:
        """Whether the maps of a table are what was saved; all of them are read."""
        try:
            for name in self.checksums:
                self.read(table, name)
        except FileError:
            return False
        return True

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
        return Maps(folder.name, _written(folder, maps))
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


def _written(folder: Path, maps: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Write arrays to files, row by row, as one row of all may be made at once; gives their checksums.

    No file is mapped: where the disk is full, the system ends a process that writes into a mapped one.
    """
    found = dict.fromkeys(maps, 0)
    with ExitStack() as opened:
        files = {name: opened.enter_context((folder / f"{name}.npy").open("wb")) for name in maps}

        def put(name: str, content: bytes) -> None:
            found[name] = zlib.crc32(content, found[name])
            files[name].write(content)

        for name, array in maps.items():
            header, descr = io.BytesIO(), np.lib.format.dtype_to_descr(array.dtype)
            told = {"descr": descr, "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(header, told)
            put(name, header.getvalue())
        for number in range(max(map(len, maps.values()), default=0)):
            for name, array in maps.items():
                put(name, np.ascontiguousarray(array[number]).tobytes())
    return found


def _checksum(path: Path) -> int:
    """CRC-32 of a file; it is read and not mapped, so that it does not stay in memory."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            found = zlib.crc32(block, found)
    return found
