"""Detect image files with more than 8 bits per channel, which Pillow silently reduces to 8."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

LOOKED_AT = 2**16
"""Bytes at the start of a file in which AVIF and JPEG 2000 state the bit depth."""

_RAW = re.compile(r";(12|16[BLN])")
"""Pillow's names for numbers of 12 or 16 bits. In BMP, `BGR;16` means 16 bits for a whole pixel."""

_BITS_OF_JPEG2000 = 38
"""Offset, after the first two markers (ISO 15444-1, A.5.1), of the bits of the first channel, minus 1."""

_BITS_OF_AVIF, _HIGH_DEPTH = 2, 0x40
"""Offset and bit in the av1C box (AV1 in ISO base media, 2.3.3) that mean 10 or 12 bits."""


def more_than_8_bits(image: Image.Image, start: bytes) -> bool:
    """True if a channel has more than 8 bits.

    Args:
        image: An opened image whose pixels are not loaded yet.
        start: The first `LOOKED_AT` bytes of its file.
    """
    if image.mode.startswith(("I", "F")):
        return True
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], (tuple, list)) else (tile[3],)
        if tile[0].startswith("ppm"):
            return bool(arguments[1] > 255)  # the largest value there is
        if _RAW.search(str(arguments[0])):
            return True
    if image.format == "JPEG2000":
        _, _, header = start.partition(b"\xff\x4f\xff\x51")
        return header[_BITS_OF_JPEG2000] & 0x7F > 7
    if image.format == "AVIF":
        _, _, box = start.partition(b"av1C")
        return bool(box[_BITS_OF_AVIF] & _HIGH_DEPTH)
    return False
