"""Check the caller's ids of rows, texts or whole numbers; each error names the fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import as_array
from howsure.data.labels import is_missing
from howsure.data.rows import check_unmasked, in_rows, row_number
from howsure.errors import InputError

ID = "id"
"""Name of the id column if nobody gave it another one."""

LARGEST = 2**63 - 1
"""Largest whole number that is stored as a number."""

_EXPECTED = "texts, or whole numbers from −2⁶³ to 2⁶³ − 1, one for each row"


def check_ids(ids: Any, rows: int, called: str = "The ids") -> NDArray[Any]:
    """The caller's ids in the form in which they are stored.

    Args:
        ids: (rows,) texts or whole numbers; two rows may have the same id.
        rows: Number of rows.
        called: The ids in words, for the message.

    Returns:
        (rows,) int64, or Python texts as objects.

    Raises:
        InputError: Ids are missing, are neither texts nor whole numbers, or have another length.
    """
    check_unmasked(ids, called)
    given = as_array(ids, called)
    if given.shape != (rows,):
        raise InputError(
            f"{called} do not fit the rows",
            expected=f"{rows} of them, one for each row",
            received=f"an array of shape {given.shape}",
        )
    if given.dtype.kind == "i" or (given.dtype.kind == "u" and given.max(initial=0) <= LARGEST):
        return given.astype(np.int64)
    listed = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in given.tolist()]
    missing = [row for row, each in enumerate(listed) if is_missing(each)]
    if missing:
        raise InputError(
            f"{called} are missing {in_rows(len(missing), missing[:5])}",
            expected=_EXPECTED,
            received=repr(listed[missing[0]]),
        )
    if listed and all(isinstance(each, int) and not isinstance(each, bool) for each in listed):
        try:
            return np.array(listed, dtype=np.int64)
        except OverflowError:
            pass
    wrong = next((row for row, each in enumerate(listed) if not _is_text(each)), None)
    if wrong is not None:
        raise InputError(
            f"{called} cannot be kept",
            expected=_EXPECTED,
            received=f"{ascii(listed[wrong])[:100]} in row {row_number(wrong)}",
            hint="Make texts of them",
        )
    kept = np.empty(rows, dtype=object)
    kept[:] = [str(each) for each in listed]
    return kept


def ids_from(values: Sequence[Any], called: str = "The ids") -> NDArray[Any]:
    """Ids from the values of a column or index; values that are neither text nor whole number become text.

    Args:
        values: One for each row, of Python's own types or of pandas' types.
        called: The ids in words, for the message.

    Raises:
        InputError: Ids are missing for some rows.
    """
    given = np.empty(len(values), dtype=object)
    given[:] = [_printed(value) for value in values]
    return check_ids(given, len(given), called)


def _printed(value: Any) -> Any:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return value if whole or isinstance(value, (str, bytes)) or is_missing(value) else str(value)


def _is_text(value: object) -> bool:
    """True for a text that UTF-8, and so a table, can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
