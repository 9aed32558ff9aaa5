"""A seal (SHA-256) in a Parquet file; it detects the change of any bit before anything is read.

    PAR1 │ pages │ mark │ SHA-256 of all but itself │ footer │ its length │ PAR1

Parquet finds pages by their place from the start, and the footer by its place from the end. Readers ignore
the bytes between them, so a sealed file is an ordinary Parquet file.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from pathlib import Path

from howsure.errors import FileError

_MARK = b"howsure: SHA-256"
_DIGEST = hashlib.sha256().digest_size
_END = struct.Struct("<I4s")
"""The length of the footer, and the name of the format."""


def seal(path: str) -> None:
    """Put a seal into a Parquet file that was just written."""
    with open(path, "r+b") as file:
        file.seek(-_END.size, 2)
        length, _ = _END.unpack(file.read())
        file.seek(-_END.size - length, 2)
        place = file.tell()
        footer = file.read()
        file.seek(place)
        file.write(_MARK + bytes(_DIGEST) + footer)
        file.flush()
        with mmap.mmap(file.fileno(), 0) as content:
            start = place + len(_MARK)
            content[start : start + _DIGEST] = _digest(content, start)


def check_seal(path: Path) -> bool:
    """Whether a file is sealed.

    Raises:
        FileError: It is, and is not what it was when it was sealed.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return False  # an empty file cannot be mapped
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = content.rfind(_MARK)
            if found < 0:
                return False
            start = found + len(_MARK)
            if content[start : start + _DIGEST] == _digest(content, start):
                return True
    raise FileError(
        f"'{path}' is damaged: it is not what was saved",
        expected="the SHA-256 that was written into it",
        hint="Copy it anew from where it was made, or assess the rows again",
    )


def _digest(content: mmap.mmap, start: int) -> bytes:
    """The SHA-256 of a file without the digest that begins at `start`."""
    found = hashlib.sha256()
    with memoryview(content) as view, view[:start] as before, view[start + _DIGEST :] as after:
        found.update(before)
        found.update(after)
    return found.digest()
