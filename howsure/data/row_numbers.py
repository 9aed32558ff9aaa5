"""Row numbers in messages: the row's number in the whole file, also when only a part is checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS: ContextVar[Sequence[int] | NDArray[Any] | None] = ContextVar("_NUMBERS", default=None)


@contextmanager
def numbered(numbers: Sequence[int] | NDArray[Any]) -> Iterator[None]:
    """In this scope, messages give rows the numbers that they have in their file.

    Args:
        numbers: (N,) numbers of the rows that are checked in this scope, in order.
    """
    before = _NUMBERS.set(numbers)
    try:
        yield
    finally:
        _NUMBERS.reset(before)


def row_number(place: int | np.integer[Any]) -> int:
    """The number of a row in a message, from 0.

    Args:
        place: Its position among the rows that are checked.

    Example:
        >>> with numbered(range(100, 200)):
        ...     print(row_number(5))
        105
        >>> row_number(5)
        5
    """
    numbers = _NUMBERS.get()
    return int(place) if numbers is None or place >= len(numbers) else int(numbers[int(place)])
