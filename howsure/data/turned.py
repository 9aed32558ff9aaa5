"""Images that say how they are to be turned to stand upright (EXIF and TIFF, tag 274)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from howsure.data.rows import Array
from howsure.errors import probing

ORIENTATION = 0x0112
"""Tag with the turn that shows an image upright; 1 for none."""

_UPRIGHT: dict[int, Any] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.swapaxes(a[::-1], 0, 1),
    7: lambda a: np.swapaxes(a[::-1, ::-1], 0, 1),
    8: lambda a: np.swapaxes(a[:, ::-1], 0, 1),
}
"""From an array (H, W, …) to the upright one, by the value of the tag."""


def turned(array: Array, orientation: int) -> Array:
    """An array (H, W, …) that stands upright."""
    return np.asarray(_UPRIGHT.get(orientation, lambda a: a)(array))


@probing()
def orientation_of(file: Path) -> int:
    """The tag of a TIFF or PNG image; 1 where it has none, or Pillow does not know the file."""
    from PIL import Image

    try:
        with Image.open(file, formats=["TIFF", "PNG"]) as image:
            tags: Any = getattr(image, "tag_v2", None) or image.getexif()
            return int(tags.get(ORIENTATION, 1))
    except Exception:  # Pillow's readers may raise anything; whoever reads the numbers says so
        return 1
