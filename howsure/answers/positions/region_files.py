"""Regions as files for other programs: a table, or outlines on a map.

    NAME.csv        a line for each region: its row, size, classes, place and, where known, area or volume
    NAME.geojson    the same of images, with the outline of each region along the sides of its pixels

`x`, `y` and `z` are coordinates of the middle of its bounds, where the image says what they are. `measure` is
in the `unit` beside it. Outlines are in longitude and latitude where the coordinate system is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.positions.places import geometry_of
from howsure.answers.positions.regions import Region, numbered_by_size
from howsure.answers.positions.result import DenseCertainty
from howsure.atomic import write_whole
from howsure.data.geometry import Geometry
from howsure.data.rasters import polygons_of
from howsure.errors import InputError
from howsure.results.export import write_csv_lines

CSV, GEOJSON = ".csv", ".geojson"

AXES = (("position",), ("y", "x"), ("axis_0", "axis_1", "axis_2"))
"""Names of the axes of positions in files."""


def check_region_file(result: DenseCertainty, path: Path) -> None:
    """Raise an `InputError` unless such a file can hold the regions of a result."""
    ending = path.suffix.lower()
    if ending not in (CSV, GEOJSON):
        raise InputError(f"'{path}' has the wrong ending", expected=f"a name that ends in {CSV} or {GEOJSON}")
    if ending == GEOJSON and len(result.positions) != 2:
        raise InputError(
            f"A {GEOJSON} file holds outlines of areas",
            expected=f"rows with two axes of positions, or a name that ends in {CSV}",
            received=f"{len(result.positions)} axes",
        )


def write_regions(parts: Iterable[DenseCertainty], path: Path, geometry: Any) -> int:
    """Write the regions of all rows, those of a row from the largest on.

    Args:
        parts: Results of one kind; of their maps one row is held.
        path: A file that ends in `.csv` or `.geojson`.
        geometry: As `geometry_of` takes it.

    Returns:
        How many there are.

    Raises:
        InputError: Another ending, or regions that such a file cannot hold.
        FileError: It cannot be written, or an image cannot be read for its geometry.
        DependencyError: The package that outlines regions is not installed.
    """
    count, outlined = 0, path.suffix.lower() == GEOJSON
    parts = iter(parts)
    first = next(parts)
    columns = _columns(first)

    def told() -> Iterator[tuple[list[Any], Any]]:
        nonlocal count
        for part in chain([first], parts):
            check_region_file(part, path)
            for at in range(len(part)):
                one = part[at : at + 1]
                where, regions = geometry_of(one, geometry), one.regions(0)
                outlines = {}
                if outlined and regions:
                    outlines = polygons_of(numbered_by_size(one.is_coin_flip[0]), where)
                for number, region in enumerate(regions, 1):
                    count += 1
                    yield _cells(one, number, region, where), outlines.get(number)

    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            if not outlined:
                write_csv_lines(chain([columns], (cells for cells, _ in told())), file)
                return
            file.write('{"type": "FeatureCollection", "features": [')
            between = "\n"
            for cells, outline in told():
                properties = dict(zip(columns, cells, strict=True))
                feature = {"type": "Feature", "properties": properties, "geometry": outline}
                file.write(between + json.dumps(feature, ensure_ascii=False))
                between = ",\n"
            file.write("\n]}\n")

    write_whole(path, write)
    return count


def _columns(result: DenseCertainty) -> list[str]:
    names = AXES[len(result.positions) - 1]
    places = [f"{name}_{end}" for end in ("first", "last") for name in names]
    known = ["row", *([] if result.ids is None else [result.id_name]), "region", "size", "label", "runner_up"]
    return [*known, *places, "x", "y", *(["z"] if len(names) == 3 else []), "measure", "unit"]


def _cells(one: DenseCertainty, number: int, region: Region, where: Geometry) -> list[Any]:
    first, after = zip(*region.bounds, strict=True)
    coordinates: list[Any] = [None] * max(2, len(first))
    if where.affine is not None:
        middle = [(low + high) / 2 for low, high in region.bounds]
        coordinates = (where.affine @ [*middle, 1.0])[:-1].tolist()
    of_one, unit = where.measure or (np.nan, None)
    called = [] if one.ids is None else [one._id(0)]
    return [
        *(int(one.row[0]), *called, number, region.size, region.label_name, region.runner_up_name),
        *(*first, *(end - 1 for end in after), *coordinates),
        *(None if unit is None else region.size * of_one, unit),
    ]
