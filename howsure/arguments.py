"""Checks that arguments of several functions share."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from howsure.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

NAMES = ("class_names", "target_names")
"""Arguments for names of outputs."""

LEAST_SHARE = 1e-9
"""The least share that is told from 0, and 1 from the largest: more takes a thousand million rows to see."""


def check_whole(value: object, name: str, *, least: int, even: bool = False, why: str = "") -> None:
    """Raise an `InputError` unless `value` is a whole number of at least `least`, even if asked for."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (even and value % 2):  # type: ignore[operator]
        expected = f"{'an even' if even else 'a whole'} number of at least {least}{why}"
        raise InputError(f"`{name}` cannot be used", expected=expected, received=repr(value))


def check_path(path: object) -> Path:
    """A path of a file, or an `InputError` for what is none."""
    if isinstance(path, (str, os.PathLike)):
        text = os.fspath(path)
        if isinstance(text, str) and text and "\0" not in text and _can_be_a_name(text):
            return Path(text)
    raise InputError("This is no path of a file", expected="a text or a pathlib.Path", received=repr(path))


def _can_be_a_name(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def check_choice(value: object, choices: Sequence[str | None], name: str) -> None:
    """Raise an `InputError` unless `value` is one of some words, or None if that is among them."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        expected = f"one of {', '.join(map(repr, choices))}"
        raise InputError(f"`{name}` cannot be used", expected=expected, received=repr(value))


def check_flag(value: object, name: str) -> None:
    """Raise an `InputError` unless `value` is True or False."""
    check_type(value, (bool, np.bool_), name, "True or False")


def check_progress(value: object) -> None:
    """Raise an `InputError` unless this can be told of progress, asks for a bar, or is None."""
    if not (value is None or isinstance(value, bool) or callable(value)):
        expected = "True for a bar, a function of (rows done, rows in all), or None"
        raise InputError("`progress` cannot be used", expected=expected, received=repr(value))


def as_number(value: object, name: str, example: str) -> float:
    """A real number in double precision, or an `InputError`; True and False are none.

    Args:
        value: Anything.
        name: Name of the argument.
        example: An accepted value, in words, for the message.
    """
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        if real:
            return float(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond all of double precision
        pass
    raise InputError(f"`{name}` cannot be used", expected=example, received=repr(value))


def as_share(value: object, name: str) -> float:
    """A number between 0 and 1, `LEAST_SHARE` or more from either, or an `InputError`.

    Args:
        value: Anything.
        name: Name of the argument.
    """
    expected = f"a number between 0 and 1, from {LEAST_SHARE:g} to 1 − {LEAST_SHARE:g}"
    share = as_number(value, name, expected)
    if not LEAST_SHARE <= share <= 1 - LEAST_SHARE:
        raise InputError(f"`{name}` is out of range", expected=expected, received=repr(value))
    return share


def check_by_name(value: object, name: str) -> dict[str, Any]:
    """A mapping by name as a dict, or an `InputError`; None gives an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(
            f"`{name}` cannot be used", expected="a dict with texts as its keys", received=repr(value)
        )
    return dict(value)


def check_type(value: object, types: Any, name: str, example: str) -> None:
    """Raise an `InputError` unless `value` is of a type; `example` shows what is."""
    if not isinstance(value, types):
        raise InputError(f"`{name}` cannot be used", expected=example, received=repr(value))


def accept_alias(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, which takes `target_names` for `class_names`, and the other way round.

    Example:
        >>> howsure.assess(prices, houses, target_names=["price"]).target_names
        ('price',)
    """
    own, other = NAMES if NAMES[0] in inspect.signature(function).parameters else reversed(NAMES)

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        if other in kwargs and own not in kwargs:
            kwargs[own] = kwargs.pop(other)
        return function(*args, **kwargs)

    return called
