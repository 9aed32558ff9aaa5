"""The headers of images: how they are turned upright (EXIF, tag 274); and the bits of a PNG."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from howsure.data.rows import Array

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


PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"

_DEPTH, _COLOURS = 24, 25
"""Places of the bits of a number, and of what the numbers mean: 0 for grey."""


def check_png(file: BinaryIO) -> None:
    """Compare all checksums of an open PNG image with its bytes; then it is at its beginning again.

    Raises:
        SyntaxError: They differ, or the file is too short, as Pillow says it.
    """
    from PIL import Image

    Image.open(file, formats=["PNG"]).verify()
    file.seek(0)


def steps_of(file: BinaryIO) -> int:
    """The factor of Pillow for the numbers of an open grey PNG image: 255 / (2^bits − 1) below 8 bits."""
    header = file.read(_COLOURS + 1)
    file.seek(0)
    depth = header[_DEPTH]
    return 255 // (2**depth - 1) if header[_COLOURS] == 0 and depth < 8 else 1
