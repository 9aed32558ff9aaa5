"""Align what comes in two parts by what its rows are called, and never by place where that contradicts.

Rows are called by ids, which a column or file holds, and by the index of a data frame. Both parts may have
both. An index that only counts from 0 may be one that nobody gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.data.ids import ID, ids_from
from howsure.errors import InputError

Names = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Called:
    """What N rows are called. Results, rows and files of labels have the same attributes.

    Attributes:
        ids: (N,) texts or whole numbers, or None.
        id_name: Name of their column, or None.
        frame_index: (N,) the index of their data frame, texts or whole numbers, or None.
    """

    ids: Names | None = None
    id_name: str | None = None
    frame_index: Names | None = None


def called_of(rows: Any, at: Any = slice(None)) -> Called:
    """What some rows of a result, or of another part with the attributes of `Called`, are called."""
    found: dict[str, Any] = {name: getattr(rows, name, None) for name in ("ids", "frame_index")}
    kept = {name: None if names is None else names[at] for name, names in found.items()}
    return Called(id_name=getattr(rows, "id_name", None), **kept)


def called_by(frame: Any) -> Called:
    """What the index of a data frame or series calls its rows: also their ids, unless it counts from 0.

    Raises:
        InputError: The index holds no id for some rows.
    """
    index: Any = getattr(frame, "index", None)
    if not hasattr(index, "names"):
        return Called()
    values = np.asarray(index)
    if values.dtype.kind in "iu" and _counts(values):
        return Called(frame_index=values.astype(np.int64))
    ids = ids_from(list(index), "The ids in the index")
    return Called(ids, ", ".join(str(name) for name in index.names if name is not None) or ID, ids)


def aligned(values: Any, own: Any, called: str = "The labels", word: str = "labels", of: str = "x") -> Any:
    """Values with an index in the order of the rows that they belong to; others as they are.

    Args:
        values: N values or rows, such as a series, a data frame or an array.
        own: What the rows are called: `Called`, or anything with its attributes.
        called: What the values are, in words, the subject of a message.
        word: What they are called in Python, for a hint.
        of: What the rows are called in Python.

    Raises:
        InputError: The index is of other rows, or does not say which value belongs to which row.
    """
    index: Any = getattr(values, "index", None)
    if not hasattr(index, "names"):
        return values
    try:
        names = called_by(values).frame_index
    except InputError:  # it calls some rows nothing
        return values
    is_id = index.name == getattr(own, "id_name", None) and _names(own)["ids"] is not None
    in_order = f"{word}.set_axis({of}.index)" if hasattr(values, "columns") else f"{word}.to_numpy()"
    hints = (
        f"If they are in the order of the rows, say so: `{in_order}`",
        f". If not, bring them into it: `{word}.loc[{of}.index]`",
    )
    place = places(own, Called(ids=names) if is_id else Called(frame_index=names), f"{called} are", *hints)
    return values if place is None else values.iloc[place]


def together(parts: Mapping[Any, Any], word: str) -> tuple[dict[Any, Any], Called]:
    """Parts of the same rows in the order of the first that has an index, and what that calls the rows.

    Args:
        parts: By name or number.
        word: What all of them are called in Python, for a hint.

    Raises:
        InputError: As from `aligned`.
    """
    names = {name: called_by(part) for name, part in parts.items()}
    first = next((name for name in parts if names[name].frame_index is not None), None)
    if first is None:
        return dict(parts), Called()
    of = f"{word}[{first!r}]"
    return {
        name: aligned(part, names[first], f"The values of {word}[{name!r}]", f"{word}[{name!r}]", of)
        for name, part in parts.items()
    }, names[first]


def places(own: Any, other: Any, said: str, by_place: str = "", by_name: str = "") -> Integers | None:
    """Where in another part each row stands; None where nothing says so, and the order of both counts.

    Names are compared with names of the same sort first: ids with ids, an index with an index. The same names
    in another order are matched, unless one of the two only counts: then it may have been left as it was, or
    made anew. Different names are refused where they can be those of other rows: two columns of ids; two
    indexes, both of numbers or both of texts; an index and ids that have some names in common.

    Args:
        own: What the rows are called: `Called`, or anything with its attributes.
        other: What those of the other part are called, likewise.
        said: Of what that part is, the beginning of a sentence: `The labels are`.
        by_place: A hint that tells how to say that both are in the same order.
        by_name: The rest of it, which tells how to say that they are not.

    Raises:
        InputError: They are of other rows; or they are the same in another order, and some are repeated or
            one of the two counts.
    """
    pairs = [
        (mine, theirs, (one, two))
        for one, two in (("ids", "ids"), ("index", "index"), ("ids", "index"), ("index", "ids"))
        for mine, theirs in [(_names(own).get(one), _names(other).get(two))]
        if mine is not None and theirs is not None
    ]
    for mine, theirs, sorts in pairs:
        found = _matched(*_alike(mine, theirs))
        if found is None:
            continue
        if np.array_equal(found, np.arange(len(found))):
            return None
        if len(np.unique(mine)) < len(mine):
            raise InputError(
                f"{said} in another order than the rows, and some rows share one id",
                expected="the same order, or an id of its own for every row",
                received=f"several rows called '{_repeated(mine)}'",
                hint=by_place or None,
            )
        if sorts != ("ids", "ids") and (_counts(mine) or _counts(theirs)):
            place = int(np.argmax(found != np.arange(len(found))))
            raise InputError(
                f"{said} in another order than the rows, or under an index that was made anew",
                expected=f"'{mine[place]}' in row {place}",
                received=f"'{theirs[place]}'",
                hint=by_place + by_name or None,
            )
        return found
    for mine, theirs, sorts in pairs:
        if _contradict(mine, theirs, sorts):
            known = set(map(str, theirs.tolist()))
            odd = next((each for each in map(str, mine.tolist()) if each not in known), None)
            named = "" if odd is None else f", '{odd}' among them"
            raise InputError(
                f"{said} of other rows",
                expected=f"one for each of {len(mine)} ids{named}",
                received=f"{len(theirs)}" + ("" if odd is None else f", and none for '{odd}'"),
                hint=by_place or None,
            )
    return None


def _names(rows: Any) -> dict[str, Names | None]:
    """Ids and index of rows; ids that are the index are no names of their own."""
    ids: Any = getattr(rows, "ids", None)
    index: Any = getattr(rows, "frame_index", None)
    return {"ids": None if index is not None and np.array_equal(ids, index) else ids, "index": index}


def _alike(one: Names, two: Names) -> tuple[Names, Names]:
    """Both as whole numbers, or both as texts."""
    if one.dtype.kind == two.dtype.kind == "i":
        return one, two
    return _texts(one), _texts(two)


def _texts(names: Names) -> Names:
    return np.array([str(name) for name in names.tolist()], dtype=object)


def _matched(one: Names, two: Names) -> Integers | None:
    """(N,) where each of the names stands among the others; None unless these are the same."""
    if len(one) != len(two):
        return None
    if np.array_equal(one, two):
        return np.arange(len(one))
    first, second = (np.argsort(names, kind="stable") for names in (one, two))
    if not np.array_equal(one[first], two[second]):
        return None
    found = np.empty(len(one), dtype=np.int64)
    found[first] = second
    return found


def _contradict(one: Names, two: Names, sorts: tuple[str, str]) -> bool:
    """Whether different names can only be those of different rows."""
    if sorts == ("ids", "ids"):
        return True
    if len(one) != len(two) or _counts(one) or _counts(two):
        return False
    if sorts == ("index", "index") and one.dtype.kind == two.dtype.kind:
        return True
    mine, theirs = _alike(one, two)
    return not set(mine.tolist()).isdisjoint(theirs.tolist())


def _counts(names: Names) -> bool:
    """Whether names only count the rows, as an index does that nobody gave."""
    return names.dtype.kind in "iu" and np.array_equal(names, np.arange(len(names)))


def _repeated(names: Names) -> Any:
    found, times = np.unique(names, return_counts=True)
    return found[np.argmax(times)]
