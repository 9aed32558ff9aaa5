"""True classes and class names: the shared checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.data.rows import in_rows
from howsure.errors import InputError

Integers = NDArray[np.int64]


def check_labels(labels: ArrayLike, rows: int, classes: int) -> Integers:
    """True classes as (rows,) whole numbers in [0, classes), or an `InputError` that says what is wrong."""
    given = np.asarray(labels)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.shape != (rows,):
        raise InputError(
            "The labels do not fit the rows",
            expected=f"{rows} labels, one class number per row",
            received=f"an array of shape {given.shape}",
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
    given = np.asarray(labels)
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
    if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
        raise InputError(
            "The class names are " + ("one text" if isinstance(names, (str, bytes)) else "no list"),
            expected=f"a list of {classes} names",
            received=repr(names),
        )
    given = tuple(str(name) for name in names)
    if len(given) != classes:
        raise InputError(
            "The class names do not fit the model",
            expected=f"{classes} names, one per output",
            received=f"{len(given)}: {', '.join(given[:12])}",
        )
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise InputError("A class name occurs twice", expected="distinct names", received=", ".join(twice))
    return given
