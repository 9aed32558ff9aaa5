"""The same thing given twice: a network, a version of the rows, a pass."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from howsure.errors import warn
from howsure.inputs.rows import Array


def mark_of(array: Array) -> bytes:
    """A mark that only arrays of the same type, shape and content share."""
    content = repr(array.tolist()).encode() if array.dtype.kind == "O" else np.ascontiguousarray(array).data
    return hashlib.blake2b(content, key=f"{array.dtype} {array.shape}".encode()[:64]).digest()


def first_twice(
    marks: Iterable[Hashable], confirmed: Callable[[int, int], bool] = lambda earlier, later: True
) -> tuple[int, int] | None:
    """The places of the first two things that are the same, or None.

    Args:
        marks: Marks of the things, in order; the same thing has the same mark.
        confirmed: Whether things at two places are the same that have the same mark.
    """
    place_of_mark: dict[Hashable, int] = {}
    for place, mark in enumerate(marks):
        earlier = place_of_mark.setdefault(mark, place)
        if earlier != place and confirmed(earlier, place):
            return earlier, place
    return None


def warn_of_same_passes(marks: Sequence[Hashable], called: str) -> None:
    """Warn of a pass that was given twice, or of all that were.

    Networks with few random units draw the same pass now and then, and some passes more often than others: of
    that nothing is said.

    Args:
        marks: Marks of each pass, as `mark_of_pass` gives them.
        called: Name of the passes.
    """
    times, pair = Counter(marks), first_twice(marks)
    all_alike = len(set(times.values())) == 1 and len(times) > 1
    if len(times) == 1 and len(marks) > 2:
        warn(
            f"All {len(marks)} {called.lower()} are the same in every row, to the last digit: nothing varied "
            "between them, so it says nothing that they agree. Was dropout on?"
        )
    elif pair is not None and (all_alike or (len(times) == len(marks) - 1 and len(marks) > 2)):
        warn(
            f"{called} {pair[0]} and {pair[1]} are the same in every row, to the last digit. They count "
            "twice, and `mc_error` is too small."
        )


def mark_of_pass(number: int, values: Array) -> Hashable:
    """A mark of a pass that no other one has by chance: its content, unless rounding leaves little of it."""
    return number if np.array_equal(values, values.round(3)) else mark_of(values)
