"""The view of a row on the page: which slice of a volume, and which way up."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.positions.result import DenseCertainty
from howsure.data import rasters, volumes
from howsure.data.geometry import PLANES, Geometry, of_sides
from howsure.data.images import is_turned
from howsure.errors import InputError

UNKNOWN = Geometry(None)

_LIKE = 1.01
"""How much longer a side may be than another that counts as equal: headers round."""


def geometry_of(one: DenseCertainty, given: Any) -> Geometry:
    """The geometry of the only row of a result; `UNKNOWN` where its image says nothing that fits its maps.

    Args:
        one: The row.
        given: The image, or the folder of images, that the id names; or the sides of a position, mm; or None.

    Raises:
        InputError: Sides that do not fit, or no such image.
        FileError: The image is missing or damaged.
    """
    if given is None:
        return UNKNOWN
    if not isinstance(given, (str, os.PathLike)):
        return of_sides(given, len(one.positions))
    source = Path(given)
    if not source.exists() or (source.is_dir() and one.ids is None):
        raise InputError(
            "`geometry` does not lead to the images of these rows",
            expected="an image, or a folder of images whose names are the ids of the rows",
            received=f"'{source}'"
            + (", and rows without ids" if source.exists() else ", which does not exist"),
        )
    file = source / str(one.ids[0]) if source.is_dir() and one.ids is not None else source
    try:
        if volumes.is_volume(file):
            volumes.check_geometry(file, one.positions)
            return volumes.geometry_of(file) if len(one.positions) == 3 else UNKNOWN
        if rasters.is_raster(file) and importlib.util.find_spec("rasterio") is not None:
            rasters.check_geometry(file, one.positions)
            return UNKNOWN if is_turned(file) else rasters.geometry_of(file)
    except InputError:  # a model may put out maps of another size
        pass
    return UNKNOWN


@dataclass(frozen=True)
class SliceView:
    """How a row is drawn: of a volume one slice, in the directions in which people look at it.

    Attributes:
        axes: For a volume, the axes that it is cut across, that run down, and that run to the right.
        at: Number of that slice, and how many there are.
        turned: Whether down, and to the right, are against the order of the axis.
        sides: Lengths of a drawn position, down and to the right.
        said: The slice in words; empty if there is none.
    """

    sides: tuple[float, float] = (1.0, 1.0)
    axes: tuple[int, int, int] = (0, 1, 2)
    at: tuple[int, int] = (0, 1)
    turned: tuple[bool, bool] = (False, False)
    said: str = ""

    def of(self, values: Any) -> Any:
        """(H, W, …) of a map (*P, …), or of a row with more or fewer positions along its axes."""
        if not self.said:
            return np.atleast_2d(values)
        volume = np.moveaxis(values, self.axes, (0, 1, 2))
        number, count = self.at
        flat = volume[int((number + 0.5) * len(volume) / count)]
        down, right = (-1 if against else 1 for against in self.turned)
        return flat[::down, ::right]


def axes_of(geometry: Geometry) -> tuple[str, ...]:
    """Names of the slices across each axis of a volume; empty if its orientation is unknown."""
    return tuple(PLANES[letter] for letter in geometry.lies) if "?" not in geometry.lies else ()


def view_of(entropy: Any, geometry: Geometry) -> SliceView:
    """How a row is drawn; of a volume, the slice that has the most doubt.

    A volume is cut across the longest side of its voxels, as it was taken; of equal ones across the axis from
    foot to head. The right of a person is on the left, as radiologists look at them.

    Args:
        entropy: (*P) NaN where a position does not count.
        geometry: Geometry of the row.
    """
    sides = geometry.sides or (1.0,) * entropy.ndim
    if entropy.ndim < 3:
        return SliceView((sides[0], sides[-1]) if entropy.ndim == 2 else (1.0, 1.0))
    planes = axes_of(geometry)
    axes, turned, where = (0, 1, 2), (False, False), ""
    if planes:
        longest = [axis for axis in range(3) if sides[axis] * _LIKE >= max(sides)]
        across = next((axis for axis in longest if planes[axis] == "axial"), longest[0])
        down, right, where = _DRAWN[planes[across]]
        axes = (across, planes.index(down), planes.index(right))
        turned = (geometry.lies[axes[1]] in "SA", geometry.lies[axes[2]] in "RA")
    depth = entropy.shape[axes[0]]
    others = tuple(axis for axis in range(3) if axis != axes[0])
    most = int(np.argmax(np.nansum(entropy, axis=others, dtype=np.float64)))
    called, along = (f"{planes[axes[0]]} slice", "") if planes else ("slice", " along axis 0")
    said = f"{called} {most} of 0 to {depth - 1}{along} is shown, the one with the most doubt{where}"
    return SliceView((sides[axes[1]], sides[axes[2]]), axes, (most, depth), turned, said)


_DRAWN = {
    "axial": ("coronal", "sagittal", "; on its left is the right of the person, at its top the front"),
    "coronal": ("axial", "sagittal", "; on its left is the right of the person, at its top the head"),
    "sagittal": ("axial", "coronal", "; on its left is the front of the person, at its top the head"),
}
"""By the plane of a slice: the planes across the axes that run down and to the right, and what is where."""
