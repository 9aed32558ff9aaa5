"""The geometry of positions: lengths of their sides, directions of their axes, area or volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.digits import significant
from howsure.errors import InputError

PLANES = {"R": "sagittal", "L": "sagittal", "A": "coronal", "P": "coronal", "S": "axial", "I": "axial"}
"""Names of slices across an axis which points right, left, front, back, up or down."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """The geometry of one row with D axes of positions.

    Attributes:
        sides: (D,) lengths of a position along each axis, in `unit`; None if unknown.
        unit: `mm` or `m`.
        affine: (D + 1, D + 1) from places and a 1 to coordinates x and y, or x, y and z; position i is from i
            to i + 1. None if unknown.
        system: The coordinate system of these, as rasterio has it, or None.
        lies: Directions of the axes of a volume, such as `RAS`; empty if unknown.
    """

    sides: tuple[float, ...] | None
    unit: str = "mm"
    affine: NDArray[np.float64] | None = None
    system: Any = None
    lies: str = ""

    @property
    def measure(self) -> tuple[float, str] | None:
        """The area or volume of one position, and its unit: ml, or m² or mm²; None if unknown."""
        if self.sides is None:
            return None
        of_one, axes = math.prod(self.sides), len(self.sides)
        if axes == 3 and self.unit == "mm":
            return of_one / 1000, "ml"  # mm³
        return of_one, self.unit + ("", "²", "³")[axes - 1]

    def in_words(self, positions: float) -> str:
        """The area or volume of so many positions: `12.3 ml`; empty if unknown."""
        if self.measure is None:
            return ""
        of_one, unit = self.measure
        return f"{significant(positions * of_one, 3)}\u00a0{unit}"


def of_sides(sides: Sequence[float], axes: int) -> Geometry:
    """The geometry of positions of which the sides alone are known.

    Args:
        sides: Sides of a position along each axis, mm.
        axes: How many there are.

    Raises:
        InputError: Another number of sides, or such as are not above 0.
    """
    found = np.asarray(sides, dtype=np.float64) if np.ndim(sides) == 1 else np.empty(0)
    if found.shape != (axes,) or not (np.isfinite(found) & (found > 0)).all():
        raise InputError(
            "`geometry` does not fit the positions",
            expected=f"the sides of a position in mm, {axes} numbers above 0; or the image, or folder of "
            "images, that was assessed",
            received=repr(sides)[:100],
        )
    return Geometry(tuple(found.tolist()), affine=np.diag([*found, 1.0]) if axes == 3 else None)
