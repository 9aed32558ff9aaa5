"""Maps of a saved result: beside the table `NAME.parquet`, in a folder `NAME.maps`, one `.npy` file for each.

    NAME.parquet        one line per row, its settings, and the checksum of each map; sealed
    NAME.maps/label.npy (N, *P), and so on

numpy, and what reads its files, opens them; `numpy.load(path, mmap_mode="r")` reads what is looked at, so a
saved result need not fit into memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.atomic import TEMPORARY
from howsure.errors import FileError

FOLDER = ".maps"
"""Ending of the folder of the maps of a table."""

TABLE = "result.parquet"
"""Name of the table where a result is saved to a folder."""

_AT_ONCE = 1 << 24
"""Bytes that a checksum reads at a time."""


def maps_beside(table: str | os.PathLike[str]) -> Path:
    """The folder of the maps of a table."""
    return Path(table).with_suffix(FOLDER)


def write_maps(maps: Mapping[str, NDArray[Any]], table: str | os.PathLike[str]) -> dict[str, int]:
    """Write maps for a table; what lay in their folder stays until they are complete.

    Args:
        maps: By name, each (N, …), for the same N rows.
        table: The file of the table.

    Returns:
        The checksum (CRC-32) of each, by name.

    Raises:
        FileError: They cannot be written.
    """
    folder = maps_beside(os.path.realpath(table))
    try:
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=TEMPORARY, suffix=FOLDER))
        try:
            checksums = _written(temporary, maps)
            os.chmod(temporary, 0o777 & ~_umask())
            if folder.exists():
                before = Path(tempfile.mkdtemp(dir=folder.parent, prefix=TEMPORARY, suffix=FOLDER))
                os.replace(folder, before / "before")
                os.replace(temporary, folder)
                shutil.rmtree(before)
            else:
                os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise FileError(
            f"Writing the maps '{folder}' failed ({error.strerror or error})",
            hint=None if folder.parent.exists() else f"Make the folder '{folder.parent}' first",
        ) from error
    return checksums


def table_in(path: Path) -> Path:
    """The table of a result that was saved to a folder; any other path as it is."""
    return path / TABLE if (path / TABLE).is_file() else path


def read_map(table: str | os.PathLike[str], name: str, checksum: int) -> Any:
    """A map of a table, memory-mapped.

    Args:
        table: The file of the table.
        name: Of the map.
        checksum: As `write_maps` gave it.

    Raises:
        FileError: It is missing or damaged.
    """
    path = maps_beside(table) / f"{name}.npy"
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileError(
            f"The map '{path}' cannot be read ({error})",
            expected=f"the folder '{maps_beside(table).name}' beside '{Path(table).name}', as it was saved",
        ) from error
    if _checksum(path, found) != checksum:
        raise FileError(
            f"The map '{path}' is not what was saved",
            expected="the array whose checksum is in the table",
            hint="Copy the table and its folder of maps together, or assess the rows again",
        )
    return found


def maps_are_whole(table: str | os.PathLike[str], checksums: Mapping[str, int]) -> bool:
    """Whether the maps of a table are what was saved; all of them are read.

    Args:
        table: Its file.
        checksums: As `write_maps` gave them.
    """
    try:
        for name, checksum in checksums.items():
            read_map(table, name, checksum)
    except FileError:
        return False
    return True


def remove_maps(table: str | os.PathLike[str]) -> None:
    """Remove the folder of the maps of a table, where there is one."""
    shutil.rmtree(maps_beside(table), ignore_errors=True)


def _written(folder: Path, maps: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Write arrays to files, row by row, as one row of all may be made at once; gives their checksums."""
    targets, found = dict[str, Any](), dict.fromkeys(maps, zlib.crc32(b""))
    for name, array in maps.items():
        path = folder / f"{name}.npy"
        if array.size:
            shape = array.shape
            targets[name] = np.lib.format.open_memmap(path, mode="w+", dtype=array.dtype, shape=shape)
        else:  # an empty file cannot be mapped, but this one has its header
            np.save(path, np.asarray(array))
    for number in range(max(map(len, targets.values()), default=0)):
        for name, target in targets.items():
            row = np.ascontiguousarray(maps[name][number])
            target[number] = row
            found[name] = zlib.crc32(row.tobytes(), found[name])
    for target in targets.values():
        target.flush()
    return found


def _checksum(path: Path, array: Any) -> int:
    """Of the numbers in a file, which is read and not mapped, so that they do not stay in memory."""
    found = 0
    with path.open("rb") as file:
        file.seek(getattr(array, "offset", os.path.getsize(path)))
        while block := file.read(_AT_ONCE):
            found = zlib.crc32(block, found)
    return found


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
