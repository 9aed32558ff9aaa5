"""Checks that arguments of several functions share."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.errors import InputError


def check_whole(value: object, name: str, *, least: int, even: bool = False) -> None:
    """Raise an `InputError` unless `value` is a whole number of at least `least`, even if asked for."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (even and value % 2):  # type: ignore[operator]
        expected = f"{'an even' if even else 'a whole'} number of at least {least}"
        raise InputError(f"`{name}` cannot be used", expected=expected, received=repr(value))


def check_type(value: object, wanted: Any, name: str, example: str) -> None:
    """Raise an `InputError` unless `value` is of a type; `example` shows what is."""
    if not isinstance(value, wanted):
        raise InputError(f"`{name}` cannot be used", expected=example, received=repr(value))
