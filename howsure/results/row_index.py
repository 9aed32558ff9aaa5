"""The rows that an index names: one by its number, or several by positions, booleans or a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.rows import check_unmasked

Positions = slice | Sequence[int] | NDArray[Any]


class NoSuchRowError(InputError, IndexError):
    """Rows that a result does not have; an `IndexError` too, as Python expects of sequences."""


def one_position(index: object, rows: int) -> int | None:
    """The position that a whole number names among so many rows, negative ones from the end; else None."""
    if not isinstance(index, (int, np.integer)) or isinstance(index, bool):
        return None
    if not -rows <= index < rows:
        raise NoSuchRowError(f"Row {index} does not exist: there are {rows} rows, numbered from 0")
    return int(index) % rows


def several_positions(index: object, rows: int) -> slice | NDArray[Any]:
    """An index of these rows for numpy: a slice, (n,) positions from −rows to rows − 1, or (rows,) booleans.

    Raises:
        NoSuchRowError: None of these, or rows that do not exist.
    """
    expected = f"a whole number, a slice, a list of positions below {rows}, or {rows} booleans"

    def refused(received: object) -> NoSuchRowError:
        values = index if isinstance(index, (list, tuple)) else getattr(index, "flat", [index])
        first, hint = next(iter(values), None), None
        if isinstance(first, str):
            hint = f"If rows have ids, use `result[result.ids == {str(first)!r}]`"
        return NoSuchRowError("Rows cannot be taken by this", expected=expected, received=received, hint=hint)

    if isinstance(index, slice):
        try:
            index.indices(rows)
        except (TypeError, ValueError) as error:
            raise NoSuchRowError(
                "Rows cannot be taken by this slice", expected="whole numbers in it", received=index
            ) from error
        return index
    check_unmasked(index, "The positions")
    try:
        array = np.asarray(index)
        places: NDArray[Any] = np.arange(rows)[array if array.size else array.astype(int)]
    except (IndexError, ValueError) as error:
        raise refused(f"{str(index)[:200]} ({error})") from error
    if places.ndim != 1:
        raise refused(repr(index)[:200])
    return places
