"""Values of files that howsure wrote, each read by the type and range that its field declares.

A dataclass says what a file holds: `rows: Annotated[int, Range(1)]` is a whole number of at least 1, and
`shares: tuple[float, ...]` a list of finite numbers. So no reader checks a field by itself, and none forgets
one. Further fields of a file are ignored.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError

LARGEST = 2**64
"""No whole number that howsure writes is as large: digests have 64 bits."""

SHOWN = 80
"""Letters of a wrong value that a message shows."""

LATER = ("", False)
"""Defaults of fields that came later, so that earlier files lack them; all others have to be there."""

_CALLED = {str: "a text that UTF-8 can write", int: "a whole number", float: "a finite number"}


@dataclass(frozen=True)
class Range:
    """In `Annotated`: where a number lies, or each of several.

    Attributes:
        least: The least that is possible.
        most: The largest.
        above: Whether `least` itself is too little.
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False

    def holds(self, values: Any) -> bool:
        """Whether numbers lie there, and are finite."""
        given = np.asarray(values, np.float64)
        low = given > self.least if self.above else given >= self.least
        return bool(np.all(low & (given <= self.most) & np.isfinite(given)))

    def __str__(self) -> str:
        low = f" {'above' if self.above else 'of at least'} {self.least:g}" if self.least > -math.inf else ""
        high = f" at most {self.most:g}" if self.most < math.inf else ""
        return f"{low}{' and' * bool(low and high)}{high}"


FINITE, POSITIVE, SHARE, COUNT, FROM_0 = Range(), Range(0, above=True), Range(0, 1), Range(1), Range(0)

FileName = Annotated[str, "as the system has it"]
"""A name of a file, which need not be UTF-8; other texts have to be."""


def typed(kind: Any, value: Any, field: str) -> Any:
    """A value of a declared type, from what JSON holds.

    Args:
        kind: `str`, `int`, `float`, `bool`, `X | None`, `tuple` or `Sequence` for a list, `Mapping`, a
            dataclass, `Any`, or one of these in `Annotated` with a `Range` or a tuple of choices.
        value: As `json.loads` gives it; what is of a dataclass already stays as it is.
        field: Place in the file, for messages.

    Raises:
        InputError: It is of another type, out of range, or lacks a field.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        named = kind == FileName and _is_text(value, "surrogateescape")
        found = value if named else typed(parts[0], value, field)
        if isinstance(parts[1], tuple) and found not in parts[1]:
            raise wrong(field, f"one of {', '.join(map(repr, parts[1]))}", value)
        if isinstance(parts[1], Range) and not parts[1].holds(found):
            raise wrong(field, f"{_called(parts[0])}{parts[1]}", value)
        return found
    if origin in (Union, types.UnionType):
        return None if value is None else typed(parts[0], value, field)
    if origin in (tuple, Sequence) and isinstance(value, (list, tuple)):
        each = parts if origin is tuple and parts[-1] is not ... else parts[:1] * len(value)
        if len(each) == len(value):
            pairs = enumerate(zip(each, value, strict=True))
            return tuple(typed(one, item, f"{field}[{place}]") for place, (one, item) in pairs)
    if origin is Mapping and isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: typed(parts[1], each, f"{field}[{short(name)}]") for name, each in value.items()}
    if is_dataclass(kind) and isinstance(value, (Mapping, kind)):  # type: ignore[arg-type]
        return _of_class(kind, value, field) if isinstance(value, Mapping) else value
    if origin is None and _is_one(kind, value):
        return kind(value) if kind in (int, float) else value
    raise wrong(field, _called(kind), value)


def _is_one(kind: Any, value: Any) -> bool:
    """Whether a value is of a plain type."""
    if kind is str:
        return _is_text(value)
    if kind not in (int, float):
        return kind is Any or (kind is bool and isinstance(value, bool))
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return False
    given: Any = value
    whole = isinstance(value, (int, np.integer))
    return abs(given) < LARGEST if whole else kind is float and math.isfinite(given)


def _is_text(value: Any, errors: str = "strict") -> bool:
    """Whether a value is a text that can be written; a name of a file may hold other bytes."""
    try:
        return isinstance(value, str) and value.encode("utf-8", errors) is not None
    except UnicodeEncodeError:
        return False


def _of_class(kind: Any, value: Mapping[str, Any], field: str) -> Any:
    before, given = f"{field}." if field else "", {}
    for each in fields(kind):
        if each.name in value:
            given[each.name] = typed(types_of(kind)[each.name], value[each.name], before + each.name)
        elif each.default not in LATER:
            raise InputError(f"`{before}{each.name}` is missing", expected="all that is saved")
    return kind(**given)


types_of: Callable[[Any], Mapping[str, Any]] = cache(partial(get_type_hints, include_extras=True))
"""The declared types of the fields of a dataclass, by name."""


def numbers(value: Any, shape: tuple[int | None, ...], limits: Range, field: str) -> NDArray[np.float64]:
    """A read-only array from lists of numbers.

    Args:
        value: As `json.loads` gives it.
        shape: That it must have; None stands for any number.
        limits: Range of its numbers.
        field: Place in the file, for messages.

    Raises:
        InputError: It is of another shape, holds something else than numbers, or is out of range.
    """
    given = np.array(value, dtype=object)  # lists in it where they have several lengths
    fits = given.ndim == len(shape) and all(a in (None, b) for a, b in zip(shape, given.shape, strict=True))
    if not fits or not all(_is_one(float, each) for each in given.flat) or not limits.holds(given):
        sides = " × ".join("any" if side is None else str(side) for side in shape)
        raise wrong(field, f"{f'{sides} finite numbers' if shape else 'a finite number'}{limits}", value)
    found = given.astype(np.float64)
    found.flags.writeable = False
    return found


def wrong(field: str, expected: str, received: Any) -> InputError:
    """The error for a value that a field cannot have."""
    return InputError(f"`{field}` cannot be used", expected=expected, received=short(received))


def short(value: Any) -> str:
    """A value as Python writes it, without its end where it is long."""
    said = ascii(value[: SHOWN + 1] if isinstance(value, (str, list, tuple)) else value)
    return f"{said[:SHOWN]}…" if len(said) > SHOWN else said


def _called(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _called(parts[0])
    if origin is tuple and parts[-1] is not ...:
        return f"a list of {len(parts)}"
    if origin in (tuple, Sequence):
        return "a list"
    return "a dict" if origin is Mapping or is_dataclass(kind) else _CALLED.get(kind, "True or False")
