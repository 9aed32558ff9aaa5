"""Parts of a PNG image that Pillow ignores: the checksums of its numbers, and how many bits it stores."""

from __future__ import annotations

from typing import BinaryIO

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
