"""Check the caller's ids of rows, texts or whole numbers; each error names the fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import as_array
from howsure.data.labels import is_missing
from howsure.data.row_numbers import row_number
from howsure.data.rows import check_unmasked, in_rows
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
        called: What they are, in words, for the message.

    Returns:
        (rows,) int64, or Python texts as objects.

    Raises:
        InputError: Ids are missing for some rows, are neither texts nor whole numbers, or have another
            length.
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
        called: What they are, in words, for the message.

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


def check_order(labels: Any, ids: NDArray[Any] | None) -> None:
    """Raise an `InputError` if labels have an index with the ids of the rows in another order.

    Labels count by position. With any other index they may be in the order of the rows.
    """
    index: Any = getattr(labels, "index", None)
    if ids is None or not hasattr(index, "tolist") or len(index) != len(ids):
        return
    named = [str(each) for each in index.tolist()]
    wanted = [str(each) for each in ids.tolist()]
    if named != wanted and sorted(named) == sorted(wanted):
        first = next(row for row, (one, other) in enumerate(zip(named, wanted, strict=True)) if one != other)
        raise InputError(
            "The labels have the rows' ids as their index, and these are in another order",
            expected=f"'{wanted[first]}' in row {first}, as in `certainty.ids`",
            received=f"'{named[first]}'",
            hint="Bring them into that order, `labels.loc[certainty.ids]`; or give `labels.to_numpy()`, if "
            "they are in it whatever the index says",
        )


def places_of(ids: NDArray[Any], named: NDArray[Any], called: str) -> NDArray[np.int64]:
    """(N,) the position of each of these ids among the ids of a label file.

    Args:
        ids: (N,) ids of the rows.
        named: (N,) ids of the labels.
        called: What the labels are, in words, as subject of a message.

    Raises:
        InputError: The labels belong to other rows, or rows with the same id are in another order.
    """
    wanted, there = ([str(each) for each in column.tolist()] for column in (ids, named))
    if wanted == there:
        return np.arange(len(wanted))
    if sorted(wanted) != sorted(there):
        known = set(there)
        odd = next((each for each in wanted if each not in known), None)
        raise InputError(
            f"{called} holds labels of other rows",
            expected=f"one label for each of {len(wanted)} ids"
            + ("" if odd is None else f", '{odd}' among them"),
            received=f"{len(there)} labels" + ("" if odd is None else f", and none for '{odd}'"),
        )
    place = {each: number for number, each in enumerate(there)}
    if len(place) < len(there):
        twice = next(each for each in wanted if wanted.count(each) > 1)
        raise InputError(
            f"{called} has its ids in another order than the rows, and some rows share one",
            expected="the same order, or an id of its own for every row",
            received=f"several rows called '{twice}'",
        )
    return np.array([place[each] for each in wanted], dtype=np.int64)


def _is_text(value: object) -> bool:
    """True for a text that UTF-8, and so a table, can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
