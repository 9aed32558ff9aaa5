"""Regions as a table for other programs: a line for each, with its row, size, classes and place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from howsure.answers.positions.regions import Region
from howsure.answers.positions.result import DenseCertainty
from howsure.atomic import write_whole
from howsure.endings import LINES, check_ending
from howsure.results.export import write_csv_lines

AXES = (("position",), ("y", "x"), ("axis_0", "axis_1", "axis_2"))
"""Names of the axes of positions in files."""


def check_region_file(result: DenseCertainty, path: Path) -> None:
    """Raise an `InputError` unless the file is a table."""
    check_ending(path, LINES)


def write_regions(parts: Iterable[DenseCertainty], path: Path) -> int:
    """Write the regions of all rows, those of a row from the largest on.

    Args:
        parts: Results of one kind; of their maps one row is held.
        path: A file that ends in `.csv`.

    Returns:
        How many there are.

    Raises:
        InputError: Another ending.
        FileError: It cannot be written.
    """
    count = 0
    parts = iter(parts)
    first = next(parts)
    check_region_file(first, path)

    def lines() -> Iterator[list[Any]]:
        nonlocal count
        yield _columns(first)
        for part in chain([first], parts):
            for at in range(len(part)):
                one = part[at : at + 1]
                for number, region in enumerate(one.regions(0), 1):
                    count += 1
                    yield _cells(one, number, region)

    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            write_csv_lines(lines(), file)

    write_whole(path, write)
    return count


def _columns(result: DenseCertainty) -> list[str]:
    names = AXES[len(result.positions) - 1]
    places = [f"{name}_{end}" for end in ("first", "last") for name in names]
    known = ["row", *([] if result.ids is None else [result.id_name]), "region", "size", "label", "runner_up"]
    return [*known, *places]


def _cells(one: DenseCertainty, number: int, region: Region) -> list[Any]:
    first, after = zip(*region.bounds, strict=True)
    called = [] if one.ids is None else [one._id(0)]
    return [
        *(int(one.row[0]), *called, number, region.size, region.label_name, region.runner_up_name),
        *(*first, *(end - 1 for end in after)),
    ]
