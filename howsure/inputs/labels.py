"""Check true classes and class names, in all their common forms."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.by_name import (
    from_words,
    in_order_of_names,
    is_turned,
    means_yes_or_no,
    only_count,
    places_of_names,
)
from howsure.inputs.rows import as_array, in_rows, quoted, row_number
from howsure.words import is_printable

Integers = NDArray[np.int64]

_WHOLE = (int, np.integer)
_FROM_0 = "give `labels - 1`; in a file subtract 1, or write the names of the classes"

_FAR = 3
"""Standard errors by which one reading of labels must be better than another."""
_ARE_NUMBERS = "If the model gives such numbers, say so when it is assessed: outputs='values'"
_ARE_SEVERAL = (
    "If a row may have several labels, say so when it is assessed: outputs='label-logits', or "
    "'label-probabilities' behind sigmoids"
)
_IS_ONE_CLASS = (
    "If a row has one class, say so when it is assessed: outputs='logits', or 'probabilities' after softmax"
)

_AS_TEXTS = "If these are class numbers, give their names: `numpy.array(class_names)[labels]`"
_IN_ORDER = "Give the values of a dict in the order of their numbers, and one column of a table"
_NUMBER_NAME = re.compile(r"-?\d+(\.\d+)?")


def check_labels(labels: Any, rows: int, classes: int, names: Sequence[str] | None = None) -> Integers:
    """True classes as (rows,) class numbers, from any common form.

    Args:
        labels: One per row: a class number, a class name, or, for two classes, True and False, where True is
            the second class unless the names of both say the opposite; where they mean yes and no, words may
            say so too. Numbers are names where a class is called by a number, such as '1', unless names only
            count from 0. Or (rows, classes) one-hot. A series
            counts by position. The columns of a one-hot data frame are class names, in any order.
        rows: Number of rows.
        classes: K.
        names: K class names, if words are allowed.

    Raises:
        InputError: Labels are missing, out of range, unknown, or not one class per row; names the rows.

    Example:
        >>> check_labels(["dog", "cat"], 2, 2, ("cat", "dog")).tolist()
        [1, 0]
    """
    listed = _lists_of_names(labels) or ()
    if len({len(of_row) for of_row in listed}) > 1:
        several = next(row for row, of_row in enumerate(listed) if len(of_row) != 1)
        raise InputError(
            "The labels are lists of names",
            expected="the name of one class for each row",
            received=f"{listed[several]} in row {row_number(several)}",
            hint=_ARE_SEVERAL,
        )
    array = _plain_types(as_array(in_order_of_names(labels, classes, names, "class"), "The labels"))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape == (rows, classes):
        return _from_one_hot(array, labels)
    if array.shape != (rows,):
        raise InputError(
            "The labels do not fit the rows",
            expected=f"{rows} labels, one for each row, or one-hot rows of {classes}",
            received=f"an array of shape {array.shape}",
            hint=_ARE_SEVERAL if array.ndim == 2 and len(array) == rows else None,
        )
    if not rows:
        return np.empty(0, dtype=np.int64)
    expected = f"whole numbers from 0 to {classes - 1}" + (", or class names" if names else "")
    unknown = _missing(array)
    if len(unknown):
        raise InputError(
            f"Labels are missing {in_rows(len(unknown), unknown[:5].tolist())}",
            expected=expected,
            received=repr(array.tolist()[unknown[0]]),
            hint="Leave those rows out",
        )
    if classes == 2:
        array = from_words(array, names or ("0", "1"))
    if array.dtype.kind == "O" and all(isinstance(label, str) for label in array):
        return _numbers_of_names(array.tolist(), names)
    if array.dtype == bool and classes == 2:
        return np.asarray(array != is_turned(names), dtype=np.int64)
    whole = None
    if array.dtype.kind in "iuf" and np.all(np.isfinite(array)):
        by_name = _places_of_numbers(array, names)
        if by_name is not None:
            return by_name
        with np.errstate(invalid="ignore"):  # too large for a whole number, and so unequal below
            whole = array.astype(np.int64)
    if whole is None or not np.array_equal(whole, array):
        raise InputError(
            "The labels are not class numbers",
            expected=expected,
            received=f"dtype {array.dtype}, for example {array[:3].tolist()}",
            hint=_ARE_NUMBERS if array.dtype.kind == "f" else None,
        )
    _check_range(whole, classes, names)
    return whole


def _check_range(whole: Integers, classes: int, names: Sequence[str] | None) -> None:
    """Raise an `InputError` for class numbers of which some are none, with the likely reason."""
    wrong = np.flatnonzero((whole < 0) | (whole >= classes))
    if len(wrong):
        hint = None
        if names is not None and str(whole[wrong[0]]) in names:
            hint = "If these are class names, give them as texts"
        elif whole.min() == 1 and whole.max() == classes:
            hint = f"If they count from 1, {_FROM_0}"
        raise InputError(
            f"Labels are out of range {in_rows(len(wrong), wrong[:5].tolist())}",
            expected=f"class numbers from 0 to {classes - 1}, as there are {classes} classes",
            received=int(whole[wrong[0]]),
            hint=hint,
        )


def _places_of_numbers(labels: NDArray[Any], names: Sequence[str] | None) -> Integers | None:
    """Class numbers from numbers that are class names, such as 1, 2, 3; None if no class is called so.

    Raises:
        InputError: A number is no name.
    """
    if names is None or only_count(names) or not any(map(_NUMBER_NAME.fullmatch, names)):
        return None
    numbers, inverse = np.unique(labels, return_inverse=True)
    places = places_of_names(list(numbers), names)
    if None in places:
        raise InputError(
            "The labels are numbers, and classes are called by numbers, but not by these",
            expected=f"names of classes, as {quoted(names)} are",
            received=str(numbers.tolist()[:12]),
            hint=_AS_TEXTS,
        )
    return np.asarray(places, dtype=np.int64)[inverse]


def error_if_misread(
    labels: Any, truth: Integers, predicted: Integers, names: Sequence[str]
) -> InputError | None:
    """An error if labels would agree with the predictions far better when read otherwise; else None.

    There are three cases. Numbers from 1 to K without the last class could also be numbers from 0. Names such
    as 1, 2, 3 could also be numbers. If classes are called yes and no, in this order, 0 and 1 could also be
    no and yes. "Far better" means: with n rows that agree in the other reading and m in this one, n − m is
    above 3 √(n + m). By chance that happens in about one of a thousand cases.

    Args:
        labels: The labels as given; texts are always names.
        truth: (N,) class numbers as they were read.
        predicted: (N,) predicted class numbers.
        names: K class names.
    """
    array = _plain_types(np.asarray(labels))
    if array.dtype.kind not in "iuf" or array.size != len(truth) or not len(truth) or np.ptp(truth) == 0:
        return None
    by_name = not np.array_equal(array.ravel(), truth)
    turned = is_turned(names) and not by_name
    other = array.ravel().astype(np.int64) if by_name else 1 - truth if turned else truth - 1
    if other.min() < 0 or other.max() >= len(names):
        return None
    now, then = int(np.sum(truth == predicted)), int(np.sum(other == predicted))
    if then <= now or (then - now) ** 2 <= _FAR**2 * (then + now):
        return None
    right = f"are right for {then / len(truth):.0%} of the rows, not for {now / len(truth):.0%}"
    if turned:
        return InputError(
            f"The labels seem to be 1 for '{names[0]}', and no class numbers: so the answers {right}",
            expected=f"0 for '{names[0]}', the first class, and 1 for '{names[1]}'",
            received="0 and 1",
            hint="Give them as True and False, `labels == 1`; in a file as true and false",
        )
    if by_name:
        return InputError(
            f"The labels seem to be class numbers, and no names: so the answers {right}",
            expected=f"names of classes, as {quoted(names)} are",
            received=str(np.unique(array).tolist()[:12]),
            hint=_AS_TEXTS,
        )
    return InputError(
        f"The labels seem to count from 1: less 1, the answers {right}",
        expected=f"class numbers from 0 to {len(names) - 1}",
        received=f"{truth.min()} to {truth.max()}",
        hint=f"If they count from 1, {_FROM_0}. If they count from 0, say so with names: "
        "`numpy.array(certainty.class_names)[labels]`",
    )


def check_yes_or_no(
    labels: Any, rows: int, count: int, names: Sequence[str] | None = None
) -> NDArray[np.bool_]:
    """Multi-label truth as (rows, count) booleans, from any common form.

    Args:
        labels: (rows, count) booleans, or 0 and 1; of one label also (rows,), or yes and no in words. Or for
            each row a list of the names of its labels. The columns of a data frame are label names, in any
            order.
        rows: Number of rows.
        count: Number of labels.
        names: Their names, if words are allowed.

    Raises:
        InputError: Another shape, other values, or unknown names.
    """
    listed = _lists_of_names(labels)
    if listed is not None:
        if len(listed) != rows:
            raise InputError(
                "The labels do not fit the rows",
                expected=f"{rows} lists of names, one for each row",
                received=len(listed),
            )
        truth = np.zeros((rows, count), dtype=bool)
        row_of = np.repeat(np.arange(rows), [len(row) for row in listed])
        truth[row_of, _numbers_of_names([name for row in listed for name in row], names, row_of)] = True
        return truth
    array = _plain_types(as_array(in_order_of_names(labels, count, names, "label"), "The labels"))
    if array.shape in ((rows,), (rows, 1)) and count == 1:
        array = from_words(array).reshape(rows, 1)
    if array.shape != (rows, count):
        raise InputError(
            "The labels do not fit the rows",
            expected=f"yes or no for each of {count} labels, in an array of shape ({rows}, {count})",
            received=f"an array of shape {array.shape}",
            hint=_IS_ONE_CLASS if array.ndim == 1 and len(array) == rows else None,
        )
    _check_known(array, "The labels are not yes or no")
    if array.dtype.kind not in "biuf" or not np.all((array == 0) | (array == 1)):
        raise InputError(
            "The labels are not yes or no",
            expected="0 or 1, or False or True, for each label of each row",
            received=f"dtype {array.dtype}, for example {array[:1].tolist()}",
            hint=_advice_for_numbers(array, "whether each label holds, `labels >= 0.5`"),
        )
    return array.astype(bool)


# --- labels in other forms ------------------------------------------------------------------------


def _plain_types(labels: NDArray[Any]) -> NDArray[Any]:
    """Convert objects to plain numbers or booleans if possible, and texts or bytes to text objects."""
    if labels.dtype.kind in "UT":
        return labels.astype(object)
    if labels.dtype.kind == "S" or (labels.size and all(isinstance(label, bytes) for label in labels.flat)):
        return np.char.decode(labels.astype("S"), "utf-8", "replace").astype(object)
    if labels.dtype.kind == "O" and labels.size:
        kinds = {bool if isinstance(label, np.bool_) else type(label) for label in labels.flat}
        if kinds == {bool} or (bool not in kinds and all(issubclass(kind, _WHOLE) for kind in kinds)):
            with contextlib.suppress(OverflowError):
                return labels.astype(bool if kinds == {bool} else np.int64)
    return labels


def _from_one_hot(rows: NDArray[Any], labels: Any) -> Integers:
    """Class numbers from one-hot rows: one value 1, all others 0."""
    _check_known(rows, "The one-hot labels do not say one class")
    kind = rows.dtype.kind
    fits = np.array([kind in "biuf"] * len(rows))
    if kind in "biuf":
        fits = ((rows == 0) | (rows == 1)).all(axis=1) & (np.count_nonzero(rows, axis=1) == 1)
    wrong = np.flatnonzero(~fits)
    if len(wrong):
        raise InputError(
            f"The one-hot labels do not say one class {in_rows(len(wrong), wrong[:5].tolist())}",
            expected=f"a single 1 among {rows.shape[1]} values, and 0 for the others",
            received=f"{rows[wrong[0]].tolist()[:12]} in row {row_number(wrong[0])}",
            hint=_advice_for_one_hot(rows, labels),
        )
    return np.asarray(np.argmax(rows, axis=1), dtype=np.int64)


def _advice_for_one_hot(rows: NDArray[Any], labels: Any) -> str:
    """Advice for rows that are not one-hot: they may be several labels, or a regression."""
    if rows.dtype.kind in "biuf" and ((rows == 0) | (rows == 1)).all():
        return f"Leave those rows out, or say which class it is. {_ARE_SEVERAL}"
    most = "labels.idxmax(axis=1)" if hasattr(labels, "idxmax") else "numpy.argmax(labels, axis=1)"
    return _advice_for_numbers(
        rows, f"the name or number of the most probable class of each row, `{most}`"
    ) or ("Leave those rows out, or say which class it is")


def _advice_for_numbers(values: NDArray[Any], instead: str) -> str | None:
    """Advice for numbers that are no labels: probabilities, or a regression."""
    if values.dtype.kind != "f":
        return None
    may_be = (
        f"If these are probabilities, give {instead}. " if values.min() >= 0 and values.max() <= 1 else ""
    )
    return may_be + _ARE_NUMBERS


def _check_known(labels: NDArray[Any], what: str) -> None:
    """Raise an `InputError`, which begins with `what`, for rows of labels in which one is missing."""
    unknown = np.unique(_missing(labels.ravel()) // max(1, labels.shape[1]))
    if len(unknown):
        raise InputError(
            f"{what}: they are missing {in_rows(len(unknown), unknown[:5].tolist())}",
            expected=f"{labels.shape[1]} known values in each row",
            received=str(labels[unknown[0]].tolist()[:12]),
            hint="Leave those rows out",
        )


def _numbers_of_names(
    labels: Sequence[str], names: Sequence[str] | None, rows: Sequence[int] | NDArray[Any] | None = None
) -> Integers:
    """The numbers of names; an `InputError` lists the nearest known names.

    Args:
        labels: Names.
        names: The known names, in order, or None if unknown.
        rows: Row of each label, or None if each has its own row.
    """
    if names is None:
        raise InputError(
            "The labels are words, and the class names are not known here",
            expected="class numbers, or `class_names`",
            received=ascii(labels[0]) if labels else "no labels",
        )
    number = {name: k for k, name in enumerate(names)}
    unknown = [place for place, label in enumerate(labels) if label not in number]
    if unknown:
        where = unknown if rows is None else [int(rows[place]) for place in unknown]
        word = labels[unknown[0]]
        raise InputError(
            f"Labels are not among the names, {in_rows(len(where), where[:5])}",
            expected=f"one of {quoted(names)}",
            received=ascii(word)[:100],
            hint=_nearest(word, names),
        )
    return np.array([number[label] for label in labels], dtype=np.int64)


def _nearest(word: str, names: Sequence[str]) -> str:
    if all(name.isdecimal() for name in names):
        return "Name the classes in the order of the model's outputs: `class_names=[…]`"
    if means_yes_or_no(word) and len(names) == 2:
        return f"Give the names of the classes; or true and false, where true is '{names[1]}'"
    if word.strip().isdecimal():
        return "If these are class numbers, give them as numbers"
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.strip().lower(), lower, n=3)
    if near:
        return f"The nearest {'is' if len(near) == 1 else 'are'} {quoted([lower[name] for name in near])}"
    return "Give the names that the model was assessed with, or name the classes: `class_names=[…]`"


def _lists_of_names(labels: Any) -> list[Sequence[str]] | None:
    """For each row a list of names; None if the labels have another form."""
    if isinstance(labels, np.ndarray) and labels.dtype != object:
        return None
    if not isinstance(labels, (list, tuple)) and len(getattr(labels, "shape", ())) != 1:
        return None
    return [list(row) for row in labels] if all(map(are_names, labels)) else None


def are_names(row: object) -> bool:
    """True for a list of names, also of none."""
    return isinstance(row, (list, tuple, set, frozenset)) and all(isinstance(name, str) for name in row)


# --- class names ----------------------------------------------------------------------------------


def check_class_names(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """K names as given, or '0' … 'K−1'; an `InputError` for a wrong number or a repeated name."""
    if names is None:
        return tuple(str(number) for number in range(classes))
    return check_names(names, "class", "The class names", classes)


def check_names(
    names: object, noun: str, called: str, count: int | None = None, of: str = "the model"
) -> tuple[str, ...]:
    """Names of classes or labels, in order; an `InputError` for a missing, repeated or unprintable name.

    Args:
        names: As `in_order` takes them.
        noun: Kind of the names: `class` or `label`.
        called: The names in words, for the message.
        count: How many there must be, or None if that is not known.
        of: The thing that has so many.
    """
    expected = f"a list of names, one for each {noun}" if count is None else f"a list of {count} names"
    listed = in_order(names, called, expected)
    if any(is_missing(name) for name in listed):
        raise InputError(
            f"A {noun} has no name", expected=expected, received=", ".join(map(repr, listed[:12]))
        )
    texts = tuple(str(name) for name in listed)
    if count is not None and len(texts) != count:
        raise InputError(
            f"{called} do not fit {of}",
            expected=f"{count} names, one for each {noun}",
            received=f"{len(texts)}: {', '.join(texts[:12])}",
        )
    if len(set(texts)) < len(texts):
        twice = sorted(name for name, times in Counter(texts).items() if times > 1)
        raise InputError(f"A {noun} name occurs twice", expected="distinct names", received=", ".join(twice))
    unprintable = next((name for name in texts if not is_printable(name)), None)
    if unprintable is not None:
        raise InputError(
            f"A {noun} name holds what cannot be printed",
            expected="text in one line, without control characters, that UTF-8 can write",
            received=ascii(unprintable),
        )
    return texts


def in_order(names: object, called: str, expected: str) -> list[Any]:
    """Names as a list in their order, whatever index a series has; an `InputError` if they have no order.

    Args:
        names: A list, tuple, series, array with one axis, or any other iterable of names.
        called: The names in words, for the message.
        expected: Accepted values.
    """
    is_list = isinstance(names, Iterable) and not isinstance(names, (str, bytes, Mapping, Set))
    if not is_list or getattr(names, "ndim", 1) != 1 or hasattr(names, "columns"):
        raise InputError(
            f"{called} are no list in order", expected=expected, received=repr(names)[:200], hint=_IN_ORDER
        )
    return list(names)  # type: ignore[call-overload,no-any-return]


def _missing(labels: NDArray[Any]) -> Integers:
    """Positions of labels that mean "no value"."""
    if labels.dtype.kind == "f":
        return np.flatnonzero(np.isnan(labels))
    return np.flatnonzero([is_missing(label) for label in labels] if labels.dtype.kind == "O" else [])


def is_missing(value: object) -> bool:
    """True for None, NaN, and the NA and NaT of pandas."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))
