"""Names of rows: ids, which a column or file holds, and the index of a data frame; parts are aligned by them.

Both parts may have both names. Parts are never taken by place where that contradicts. An index that only
counts from 0 may be one that nobody gave. So it is never matched with another order of the same numbers, nor
taken by place where the other index has other numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError, warn
from howsure.inputs.labels import is_missing
from howsure.inputs.rows import as_array, in_rows

Names = NDArray[Any]
Integers = NDArray[np.int64]

ID = "id"
"""Name of the id column if nobody gave it another one."""

LARGEST = 2**63 - 1
"""Largest whole number that is stored as a number."""

_EXPECTED = "texts, or whole numbers from −2⁶³ to 2⁶³ − 1, one for each row"


@dataclass(frozen=True, eq=False)
class RowNames:
    """The names of N rows. Results, rows and files of labels have the same attributes.

    Attributes:
        ids: (N,) texts or whole numbers, or None.
        id_name: Name of their column.
        frame_index: (N,) the index of their data frame, texts or whole numbers, or None.
    """

    ids: Names | None = None
    id_name: str = ID
    frame_index: Names | None = None


def row_names_of(rows: Any, at: Any = slice(None)) -> RowNames:
    """The names of some rows of a result, or of another part with the attributes of `RowNames`."""
    both = {name: getattr(rows, name, None) for name in ("ids", "frame_index")}
    chosen: dict[str, Any] = {name: None if names is None else names[at] for name, names in both.items()}
    return RowNames(id_name=getattr(rows, "id_name", ID), **chosen)


def index_names(frame: Any) -> RowNames:
    """The names of rows in the index of a data frame or series: also their ids, unless it counts from 0.

    Raises:
        InputError: The index holds no id for some rows.
    """
    index: Any = getattr(frame, "index", None)
    if not hasattr(index, "names"):
        return RowNames()
    return names_from_index(index, ", ".join(str(name) for name in index.names if name is not None) or ID)


def names_from_index(index: Any, name: str = ID) -> RowNames:
    """The names of rows in an index that is called so, as `index_names` reads them."""
    values = np.array(index)  # a copy, as results keep it
    if values.dtype.kind == "f" and np.all(np.isfinite(values)) and np.all(values == np.round(values)):
        values = index = values.astype(np.int64)  # as pandas writes whole numbers beside gaps that are gone
    if values.dtype.kind in "iu" and _counts(values):
        return RowNames(frame_index=values.astype(np.int64))
    ids = values if values.dtype == np.int64 else ids_from(list(index), "The ids in the index")
    return RowNames(ids, name, ids)


def aligned(
    values: Any,
    own: Any,
    called: str = "The labels",
    word: str = "labels",
    of: str = "",
    *,
    more: bool = True,
) -> Any:
    """Values with an index in the order of the rows that they belong to; others as they are.

    Args:
        values: N values or rows, such as a series, a data frame or an array.
        own: Names of the rows: `RowNames`, or anything with its attributes.
        called: The values in words, the subject of a message.
        word: Their name in Python, for a hint.
        of: How to get the index of the rows in Python; by default it is that of the result `certainty`.
        more: Whether values of further rows are left out, with a warning.

    Raises:
        InputError: The index is of other rows, or does not say which value belongs to which row.
    """
    try:
        names = index_names(values).frame_index
    except InputError:  # it calls some rows nothing, or mixes numbers and texts
        names = np.array([str(name) for name in values.index], dtype=object)
    if names is None:
        return values
    is_id = values.index.name == getattr(own, "id_name", None) and "ids" in _names(own)
    of = of or f"certainty.{'ids' if getattr(own, 'frame_index', None) is None else 'frame_index'}"
    in_order = f"{word}.set_axis({of})" if hasattr(values, "columns") else f"{word}.to_numpy()"
    hints = (
        f"If they are in the order of the rows, say so: `{in_order}`",
        f". If not, bring them into it: `{word}.loc[{of}]`",
    )
    other = RowNames(ids=names) if is_id else RowNames(frame_index=names)
    choose = f"If this index is that of the rows, choose these by it: `{word}.loc[{of}]`" if more else ""
    place = places(own, other, f"{called} are", *hints, choose=choose)
    return values if place is None else values.iloc[place]


def without_index(values: Any) -> Any:
    """The values of a series or data frame alone; others, such as masked arrays, as they are."""
    return values.to_numpy() if hasattr(values, "to_numpy") else values


def together(parts: Mapping[Any, Any], word: str) -> tuple[dict[Any, Any], RowNames]:
    """Parts of the same rows in the order of the first that has an index, and what that calls the rows.

    Args:
        parts: By name or number.
        word: Name of all of them in Python, for a hint.

    Raises:
        InputError: As from `aligned`.
    """
    names = {name: index_names(part) for name, part in parts.items()}
    first = next((name for name in parts if names[name].frame_index is not None), None)
    if first is None:
        return dict(parts), RowNames()
    of = f"{word}[{first!r}].index"
    return {
        name: aligned(
            part, names[first], f"The values of {word}[{name!r}]", f"{word}[{name!r}]", of, more=False
        )
        for name, part in parts.items()
    }, names[first]


def places(
    own: Any, other: Any, subject: str, by_place: str = "", by_name: str = "", *, choose: str = ""
) -> Integers | None:
    """The places of the rows in another part; None if nothing names them, and the order of both counts.

    Ids are compared with ids. If one part has none, indexes are compared, and an index with ids. The same
    names in another order are matched; but an index that only counts may have been made anew. Different names
    are refused where they can be those of other rows: ids on both sides; two indexes that are both of numbers
    or both of texts, or have some names in common; an index that does not count, and ids of as many rows that
    have some names in common.

    Args:
        own: Names of the rows: `RowNames`, or anything with its attributes.
        other: Names of the rows of the other part, likewise.
        subject: The other part, as the beginning of a sentence: `The labels are`.
        by_place: A hint that tells how to say that both are in the same order.
        by_name: The rest of it, which tells how to say that they are not.
        choose: A hint that tells how to choose the rows among more. With it the other part may have further
            rows, which are left out with a warning, unless an index counts that may have been made anew.

    Raises:
        InputError: They are of other rows; or they are the same in another order, and some are repeated or
            one of the two counts.
    """
    own_names, other_names = _names(own), _names(other)
    sorts = [("ids", "ids")]
    if not {"ids"} <= own_names.keys() & other_names.keys():
        sorts = [("index", "index"), ("ids", "index"), ("index", "ids")]
    pairs = {
        (a, b): _of_one_type(own_names[a], other_names[b])
        for a, b in sorts
        if a in own_names and b in other_names
    }
    for sort, (names, others) in pairs.items():
        if choose and len(others) > len(names):
            order = _order_among_more(names, others)
            if order is not None:
                _check_no_count(sort, names, others, subject, choose)
                warn_of_more(subject, len(others), len(names))
                return order
        order = _order_among(names, others)
        if order is None:
            continue
        moved = np.flatnonzero(order != np.arange(len(order)))
        if not len(moved):
            return None
        repeated = len(np.unique(order)) < len(order)
        if repeated or ("index" in sort and (_counts(names) or _counts(others))):
            raise InputError(
                f"{subject} in another order than the rows, "
                + ("and some rows share one id" if repeated else "or under an index that was made anew"),
                expected=f"'{names[moved[0]]}' in row {moved[0]}",
                received=f"'{others[moved[0]]}'",
                hint=(by_place if repeated else by_place + by_name) or None,
            )
        return order
    both_have_ids = getattr(own, "ids", None) is not None and getattr(other, "ids", None) is not None
    for (a, b), (names, others) in pairs.items():
        like = own_names[a].dtype.kind == other_names[b].dtype.kind
        if both_have_ids or _contradict(names, others, a == b, like):
            other_set = set(others.tolist())
            odd = [str(name) for name in names.tolist() if name not in other_set][:1]
            counts = a == b == "index" and (_counts(names) or _counts(others))
            raise InputError(
                f"{subject} of other rows" + (", or under an index that was made anew" if counts else ""),
                expected=f"one for each of {len(names)} ids"
                + "".join(f", '{name}' among them" for name in odd),
                received=f"{len(others)}" + "".join(f", and none for '{name}'" for name in odd),
                hint=by_place or None,
            )
    return None


def warn_of_more(subject: str, count: int, rows: int) -> None:
    """Warn that a part is of more rows than are wanted, and that the others are left out."""
    warn(f"{subject} of more rows than there are here: {count - rows:,} of {count:,} are left out.")


def _order_among_more(names: Names, others: Names) -> Integers | None:
    """(N,) where each of the names stands among more others; None unless each stands there once."""
    times = Counter(others.tolist())
    if len(set(names.tolist())) < len(names) or any(times[name] != 1 for name in names.tolist()):
        return None
    place = {name: number for number, name in enumerate(others.tolist())}
    return np.array([place[name] for name in names.tolist()], dtype=np.int64)


def _check_no_count(sort: tuple[str, str], names: Names, others: Names, subject: str, choose: str) -> None:
    """Raise an `InputError` where names among more others may be numbers of rows that say nothing.

    Some rows of a data frame keep its index, and all rows of the frame count. So the other part may count,
    unless its index would have to hold ids.
    """
    if "index" in sort and (_counts(names) or (_counts(others) and sort == ("ids", "index"))):
        raise InputError(
            f"{subject} of more rows than there are here, under an index that may have been made anew",
            expected=f"one for each of {len(names)} rows",
            received=f"{len(others)}",
            hint=choose,
        )


def _names(rows: Any) -> dict[str, Names]:
    """Ids and index of rows, as far as they are known; ids that are the index are no names of their own."""
    ids, index = (getattr(rows, name, None) for name in ("ids", "frame_index"))
    names = {} if index is None else {"index": index}
    return names if ids is None or np.array_equal(ids, names.get("index", ())) else {"ids": ids, **names}


def _of_one_type(names: Names, others: Names) -> tuple[Names, Names]:
    """Both as whole numbers, or both as texts."""
    if names.dtype.kind == others.dtype.kind:
        return names, others
    return names.astype(str).astype(object), others.astype(str).astype(object)


def _order_among(names: Names, others: Names) -> Integers | None:
    """(N,) where each of the names stands among the others; None unless these are the same.

    Names that are repeated stand in one place each, unless all are in the same order.
    """
    if np.array_equal(names, others):
        return np.arange(len(names))
    place = {name: number for number, name in enumerate(others.tolist())}
    order = np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int64)
    if len(names) != len(others) or order.min() < 0:
        return None
    distinct = len(place) == len(np.unique(order)) == len(names)
    return order if distinct or Counter(names.tolist()) == Counter(others.tolist()) else None


def _contradict(names: Names, others: Names, indexes: bool, like: bool) -> bool:
    """Whether different names can only be those of other rows.

    Args:
        names: (N,) names.
        others: Others.
        indexes: Whether both are indexes of data frames, and none is a column of ids.
        like: Whether both were numbers, or both texts.
    """
    if indexes and like:
        return True
    counts = _counts(names) or _counts(others)
    shared = len(names) == len(others) and not set(names.tolist()).isdisjoint(others.tolist())
    return shared and (indexes or not counts)


def _counts(names: Names) -> bool:
    """Whether names only count the rows, as an index does that nobody gave."""
    return names.dtype.kind in "iu" and np.array_equal(names, np.arange(len(names)))


# --- ids ----------------------------------------------------------------------------------------


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
    array = as_array(ids, called)
    if array.shape != (rows,):
        raise InputError(
            f"{called} do not fit the rows",
            expected=f"{rows} of them, one for each row",
            received=f"an array of shape {array.shape}",
        )
    if array.dtype.kind == "i" or (array.dtype.kind == "u" and array.max(initial=0) <= LARGEST):
        return array.astype(np.int64)
    listed = [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in array.tolist()
    ]
    if listed and all(isinstance(value, int) and not isinstance(value, bool) for value in listed):
        with suppress(OverflowError):
            return np.array(listed, dtype=np.int64)
    missing = [row for row, value in enumerate(listed) if is_missing(value)]
    wrong = missing or [row for row, value in enumerate(listed) if not _is_text(value)]
    if wrong:
        raise InputError(
            f"{called} {'are missing' if missing else 'cannot be kept'} {in_rows(len(wrong), wrong[:5])}",
            expected=_EXPECTED,
            received=ascii(listed[wrong[0]])[:100],
            hint=None if missing else "Make texts of them",
        )
    texts = np.empty(rows, dtype=object)
    texts[:] = [str(value) for value in listed]
    return texts


def ids_from(values: Sequence[Any], called: str = "The ids") -> NDArray[Any]:
    """Ids from the values of a column or index; values that are neither text nor whole number become text.

    Args:
        values: One for each row, of Python's own types or of pandas' types.
        called: The ids in words, for the message.

    Raises:
        InputError: Ids are missing for some rows.
    """
    array = np.empty(len(values), dtype=object)
    array[:] = [_as_text(value) for value in values]
    return check_ids(array, len(array), called)


def _as_text(value: Any) -> Any:
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
