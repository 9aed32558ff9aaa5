"""The same thing given twice: a network, a version of the rows, a pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable

import numpy as np

from howsure.data.rows import Array


def mark_of(array: Array) -> bytes:
    """A mark that only arrays of the same type, shape and content share."""
    content = repr(array.tolist()).encode() if array.dtype.kind == "O" else np.ascontiguousarray(array).data
    return hashlib.blake2b(content, key=f"{array.dtype} {array.shape}".encode()[:64]).digest()


def first_twice(
    marks: Iterable[Hashable], confirmed: Callable[[int, int], bool] = lambda earlier, later: True
) -> tuple[int, int] | None:
    """The places of the first two things that are the same, or None.

    Args:
        marks: Of the things, in order; the same thing has the same mark.
        confirmed: Whether things at two places are the same that have the same mark.
    """
    seen: dict[Hashable, int] = {}
    for place, mark in enumerate(marks):
        earlier = seen.setdefault(mark, place)
        if earlier != place and confirmed(earlier, place):
            return earlier, place
    return None
