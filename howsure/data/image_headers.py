"""The headers of images: how they are turned upright (EXIF and TIFF, tag 274); and the bits of a PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from howsure.data.rows import Array
from howsure.errors import FileError, probing

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


# --- claims -------------------------------------------------------------------------------------------


MOST = 2**29
"""Numbers in one image or volume: 512 × 512 × 2,048 voxels, as the longest scans of a whole body have."""


def check_claimed(file: Path, sides: Sequence[int]) -> None:
    """Raise a `FileError` for a file whose header claims more numbers than `MOST`, or none."""
    count = math.prod(map(int, sides))
    if not 0 < count <= MOST or min(map(int, sides)) < 1:
        raise FileError(
            f"'{file}' claims to hold {count:,} numbers",
            expected=f"1 to {MOST:,}",
            received=" × ".join(map(str, map(int, sides))),
            hint="`howsure assess` leaves such files out with --skip-unreadable. Cut larger ones into parts",
        )
