"""Checks that arguments of several functions share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError


def check_whole(value: object, name: str, *, least: int, even: bool = False) -> None:
    """Raise an `InputError` unless `value` is a whole number of at least `least`, even if asked for."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (even and value % 2):  # type: ignore[operator]
        expected = f"{'an even' if even else 'a whole'} number of at least {least}"
        raise InputError(f"`{name}` cannot be used", expected=expected, received=repr(value))


def check_path(path: object) -> Path:
    """A path of a file, or an `InputError` for what is none."""
    if isinstance(path, (str, os.PathLike)):
        text = os.fspath(path)
        if isinstance(text, str) and text and "\0" not in text:
            return Path(text)
    raise InputError("This is no path of a file", expected="a text or a pathlib.Path", received=repr(path))


def as_floats(values: object, called: str) -> NDArray[np.float64]:
    """Numbers in double precision, or an `InputError` for what are none.

    Args:
        values: Anything.
        called: What they are, in words, for the message.
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind in "biufO":
            return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{called} are not numbers", expected="an array of numbers", received=repr(values)[:200])


def check_type(value: object, wanted: Any, name: str, example: str) -> None:
    """Raise an `InputError` unless `value` is of a type; `example` shows what is."""
    if not isinstance(value, wanted):
        raise InputError(f"`{name}` cannot be used", expected=example, received=repr(value))
