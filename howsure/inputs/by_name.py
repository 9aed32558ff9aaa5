"""Classes, labels and targets by their names: columns in any order, numbers of any type, yes and no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.rows import quoted

Array = NDArray[Any]

_YES = ("yes", "true", "y", "t", "on", "positive")
_NO = ("no", "false", "n", "f", "off", "negative")
"""Words that mean yes or no, in small letters. Numbers as texts are none: they may be class numbers."""

_UNNAMED = (("value",), ("0",))
"""Names of an only target or label that nobody named."""

ANY = ("y", "label", "labels", "target", "truth")
"""Names of a column that say no more than that it holds the labels."""

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")


def places_of_names(values: Sequence[object], names: Sequence[str]) -> list[int | None]:
    """For each name that was found its place among the known ones, or None.

    A number has one name, whatever its type: 1, 1.0, '1' and '1.0' are the same.
    """
    place_of = {_as_float_text(name): place for place, name in reversed(list(enumerate(names)))}
    place_of |= {name: place for place, name in enumerate(names)}
    return [place_of.get(str(value), place_of.get(_as_float_text(str(value)))) for value in values]


def only_count(names: Sequence[str] | None) -> bool:
    """True if the names are no more than the numbers 0 … K − 1, in order."""
    return names is None or places_of_names(range(len(names)), names) == list(range(len(names)))


def is_turned(names: Sequence[str] | None) -> bool:
    """True if the first of two names means yes, and the second no."""
    return _yes_or_no_of(names) == [True, False]


def from_words(values: Array, names: Sequence[str] | None = None) -> Array:
    """Yes and no in words as True and False; anything else unchanged.

    Args:
        values: Texts, or anything else.
        names: Two class names. Then words other than true and false are read so only if one of these means
            yes, the other no; and none if all are names.
    """
    texts = values.ravel().tolist() if values.dtype.kind in "OUT" else []
    if not texts or not all(map(means_yes_or_no, texts)) or (names is not None and set(texts) <= set(names)):
        return values
    words = [text.strip().lower() for text in texts]
    if names is not None and len(set(_yes_or_no_of(names))) < 2 and not set(words) <= {"true", "false"}:
        return values
    return np.array([word in _YES for word in words]).reshape(values.shape)


def means_yes_or_no(word: object) -> bool:
    """True for a word that means yes or no."""
    return isinstance(word, str) and word.strip().lower() in _YES + _NO


def in_order_of_names(labels: Any, count: int, names: Sequence[str] | None, noun: str) -> Any:
    """The columns of a data frame in the order of the names; anything else unchanged.

    One-hot labels may lack columns: no row is of these classes. A lone column of yes and no that is called as
    a class is refused, also as a series. One of another name counts by place, as does a header that nobody
    gave.

    Args:
        labels: As a caller gives them.
        count: Number of names.
        names: K names, or None for '0' … 'K−1'.
        noun: Kind of the columns: `class`, `label` or `target`.

    Raises:
        InputError: Other columns.
    """
    expected_names = [str(number) for number in range(count)] if names is None else list(names)
    axes = len(getattr(labels, "shape", ()))
    if noun == "class" and axes == 1 and getattr(labels, "name", None) is not None:
        if not only_count(names):
            check_no_lone_class(np.asarray(labels), labels.name, expected_names)
        return labels
    if axes != 2 or not hasattr(labels, "columns"):
        return labels
    columns, values, named = columns_of(labels), np.asarray(labels), has_columns(labels)
    if len(columns) == 1 and noun == "class" and named:
        from_dummies = not isinstance(columns[0], str) and bool((values == 1).all())
        if from_dummies or not only_count(names):
            check_no_lone_class(values, columns[0], expected_names)
    counts_by_place = noun == "class" or not named or columns[0] in ANY or tuple(expected_names) in _UNNAMED
    if len(columns) == 1 and counts_by_place:
        return values
    places = places_of_names(columns, expected_names)
    may_lack_some = noun == "class" and named
    needed = min(len(columns), count) if may_lack_some else count
    if None in places or len(set(places)) < needed:
        names_in_words = f"the {noun} names, {quoted(expected_names)}"
        raise InputError(
            f"The columns of the labels are not the {noun} names",
            expected=f"one column for each of {names_in_words}",
            received=quoted(list(map(str, columns))),
            hint=f"Name them so, or give `labels.to_numpy()`, in the order of the {noun} names"
            if len(columns) == count
            else "Give the columns of the labels alone",
        )
    result = np.zeros((len(values), count), values.dtype)
    result[:, np.array(places, dtype=int)] = values
    return result


def chosen_columns(frame: Any, names: Sequence[str], called: str, *, rename: bool = True) -> Any:
    """The columns of these names of a data frame, in their order; anything else unchanged.

    Args:
        frame: With columns that may also be others.
        names: As many as columns are wanted.
        called: The values in words, the subject of a message.
        rename: Whether names may be new ones for as many columns, none of which is called so.

    Raises:
        InputError: There are no such columns.
    """
    if not has_columns(frame):
        return frame
    columns = list(map(str, columns_of(frame)))
    places = places_of_names(names, columns)
    missing = [name for name, place in zip(names, places, strict=True) if place is None]
    if rename and len(missing) == len(names) == len(columns):
        return frame
    if missing:
        raise InputError(
            f"{called} have no columns {quoted(missing)}",
            expected=f"all of {quoted(names)}"
            + (", or names for as many columns as there are" if rename else ""),
            received=f"columns {quoted(columns)}",
            hint=None if rename else "If they are in this order, give the numbers alone: `.to_numpy()`",
        )
    if hasattr(frame, "iloc"):
        return frame.iloc[:, places]
    return frame.select(places) if hasattr(frame, "column_names") else frame[:, places]


def has_columns(frame: Any) -> bool:
    """True for a data frame whose columns somebody named."""
    is_frame = hasattr(frame, "columns") and len(getattr(frame, "shape", ())) == 2
    return is_frame and type(frame.columns).__name__ != "RangeIndex"


def columns_of(frame: Any) -> list[Any]:
    """Names of the columns of a data frame, of Arrow too."""
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def check_no_lone_class(values: Array, name: object, names: Sequence[str]) -> None:
    """Raise an `InputError` for a column of yes and no that is called as one class: which are the others?"""
    (place,) = places_of_names([name], names)
    flags = from_words(values)
    if place is not None and len(flags) and flags.dtype.kind in "biuf" and np.isin(flags, (0, 1)).all():
        raise InputError(
            f"The only column of the labels is that of the class '{names[place]}'",
            expected=f"a column for each of {quoted(names)}; or of another name, with names of classes",
            received="yes and no, or 1 and 0",
            hint=f"Give names: `numpy.where(labels == 1, {names[place]!r}, …)`",
        )


def _as_float_text(name: str) -> str:
    """`1.0` for `1`, and other texts as they are."""
    return f"{name}.0" if _WHOLE.fullmatch(name) else name


def _yes_or_no_of(names: Sequence[str] | None) -> list[bool | None]:
    """For two names, whether each means yes, True, or no, False; none if one of them does not."""
    if names is None or len(names) != 2:
        return []
    yes, no = (*_YES, "1", "1.0"), (*_NO, "0", "0.0")
    meanings = [True if name.lower() in yes else False if name.lower() in no else None for name in names]
    return [] if None in meanings else meanings
