"""True classes and class names: the shared checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.arguments import as_array
from howsure.data.rows import check_unmasked, in_rows
from howsure.errors import InputError
from howsure.words import is_printable

Integers = NDArray[np.int64]


def check_labels(labels: ArrayLike, rows: int, classes: int) -> Integers:
    """True classes as (rows,) whole numbers in [0, classes), or an `InputError` that says what is wrong."""
    check_unmasked(labels, "The labels")
    given = as_array(labels, "The labels")
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.shape != (rows,):
        raise InputError(
            "The labels do not fit the rows",
            expected=f"{rows} labels, one class number per row",
            received=f"an array of shape {given.shape}",
            mend="From one-hot labels take `numpy.argmax(y, axis=1)`" if given.ndim == 2 else None,
        )
    unknown = _missing(given)
    if len(unknown):
        raise InputError(
            f"Labels are missing {in_rows(len(unknown), unknown[:5].tolist())}",
            expected=f"whole numbers from 0 to {classes - 1}",
            received=repr(given.tolist()[unknown[0]]),
            mend="Leave those rows out",
        )
    whole = None
    if given.dtype.kind in "iuf" and np.all(np.isfinite(given)):
        with np.errstate(invalid="ignore"):  # too large for a whole number, and so unequal below
            whole = given.astype(np.int64)
    if whole is None or not np.array_equal(whole, given):
        raise InputError(
            "The labels are not class numbers",
            expected=f"whole numbers from 0 to {classes - 1}",
            received=f"dtype {given.dtype}, for example {given[:3].tolist()}",
        )
    wrong = np.flatnonzero((whole < 0) | (whole >= classes))
    if len(wrong):
        raise InputError(
            f"Labels are out of range {in_rows(len(wrong), wrong[:5].tolist())}",
            expected=f"class numbers from 0 to {classes - 1}, as the model has {classes} outputs",
            received=int(whole[wrong[0]]),
        )
    return whole


def check_yes_or_no(labels: ArrayLike, rows: int, count: int) -> NDArray[np.bool_]:
    """Which labels hold as (rows, count) booleans, or an `InputError` that says what is wrong."""
    check_unmasked(labels, "The labels")
    given = as_array(labels, "The labels")
    if given.shape != (rows, count):
        raise InputError(
            "The labels do not fit the rows",
            expected=f"yes or no for each of {count} labels, in an array of shape ({rows}, {count})",
            received=f"an array of shape {given.shape}",
        )
    if given.dtype.kind not in "biuf" or not np.all((given == 0) | (given == 1)):
        raise InputError(
            "The labels are not yes or no",
            expected="0 or 1, or False or True, for each label of each row",
            received=f"dtype {given.dtype}, for example {given[:1].tolist()}",
        )
    return given.astype(bool)


def check_class_names(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """K names as given, or '0' … 'K−1'; an `InputError` for the wrong number or a name twice."""
    if names is None:
        return tuple(str(number) for number in range(classes))
    return check_names(names, "class", "The class names", classes)


def check_names(names: object, one: str, called: str, count: int | None = None) -> tuple[str, ...]:
    """Names of classes or labels, in their order, or an `InputError`: missing, twice, or not to be printed.

    Args:
        names: As `in_order` takes them.
        one: What each is a name of, `class` or `label`.
        called: What they are, in words, for the message.
        count: How many outputs the model has, where there is one.
    """
    expected = f"a list of names, one for each {one}" if count is None else f"a list of {count} names"
    listed = in_order(names, called, expected)
    if any(is_missing(name) for name in listed):
        raise InputError(
            f"A {one} has no name", expected=expected, received=", ".join(map(repr, listed[:12]))
        )
    given = tuple(str(name) for name in listed)
    if count is not None and len(given) != count:
        raise InputError(
            f"{called} do not fit the model",
            expected=f"{count} names, one per output",
            received=f"{len(given)}: {', '.join(given[:12])}",
        )
    if len(set(given)) < len(given):
        twice = sorted(name for name, times in Counter(given).items() if times > 1)
        raise InputError(f"A {one} name occurs twice", expected="distinct names", received=", ".join(twice))
    unprintable = next((name for name in given if not is_printable(name)), None)
    if unprintable is not None:
        raise InputError(
            f"A {one} name holds what cannot be printed",
            expected="text in one line, without control characters, that UTF-8 can write",
            received=ascii(unprintable),
        )
    return given


def in_order(names: object, called: str, expected: str) -> list[Any]:
    """Names as a list in their order, whatever index a series has, or an `InputError` where they have none.

    Args:
        names: A list, tuple, series, array of one axis, or anything else that gives one name after the other.
        called: What they are, in words, for the message.
        expected: What would do.
    """
    wrong, mend = None, None
    if isinstance(names, (str, bytes)):
        wrong = "one text"
    elif isinstance(names, Mapping):
        wrong = "a dict, of which a list would be its keys"
        mend = "Give its values in the order of their numbers, `[names[k] for k in range(len(names))]`"
    elif isinstance(names, Set):
        wrong, mend = "a set, which has no order of its own", "Give a list in the order that is meant"
    elif not isinstance(names, Iterable):
        wrong = "no list"
    elif getattr(names, "ndim", 1) != 1 or hasattr(names, "columns"):
        wrong = f"a table of shape {getattr(names, 'shape', 'unknown')}"
        mend = "Give one column of it"
    if wrong is not None:
        raise InputError(f"{called} are {wrong}", expected=expected, received=repr(names)[:200], mend=mend)
    return list(names)  # type: ignore[call-overload,no-any-return]


def _missing(labels: NDArray[Any]) -> Integers:
    """Positions of labels that stand for no value."""
    if labels.dtype.kind == "f":
        return np.flatnonzero(np.isnan(labels))
    return (
        np.flatnonzero([is_missing(label) for label in labels])
        if labels.dtype.kind == "O"
        else np.empty(0, np.int64)
    )


def is_missing(value: object) -> bool:
    """Whether something stands for no value: None, NaN, or the NA and NaT of pandas."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))
