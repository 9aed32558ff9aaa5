"""Values of files that howsure wrote, each read by the type and range that its field declares.

A dataclass says what a file holds: `rows: Annotated[int, COUNT]` is a whole number of at least 1, and
`shares: tuple[float, ...]` a list of numbers. `msgspec.convert` reads them. So no reader checks a field by
itself, and none forgets one. Further fields of a file are ignored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Annotated, Any, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError

SHOWN = 80
"""Letters of a wrong value that a message shows."""

LARGEST = sys.float_info.max

FINITE, SHARE = msgspec.Meta(ge=-LARGEST, le=LARGEST), msgspec.Meta(ge=0, le=1)
POSITIVE, COUNT, FROM_0 = msgspec.Meta(gt=0, le=LARGEST), msgspec.Meta(ge=1), msgspec.Meta(ge=0)
"""Ranges of one number, in `Annotated`."""

FileName = Annotated[str, "as the system has it"]
"""A name of a file, which need not be UTF-8."""


def typed(kind: Any, value: Any, field: str) -> Any:
    """A value of a declared type, from what JSON holds.

    Args:
        kind: A type as `msgspec.convert` takes it.
        value: As `json.loads` gives it, or a number of numpy; what is of a dataclass already stays as it is.
        field: Place in the file, for messages.

    Raises:
        InputError: It is of another type, out of range, or lacks a field.
    """
    given = value.item() if isinstance(value, np.generic) else value
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `")
        expected, _, received = said.removeprefix("Expected ").partition(", got ")
        inside = place.removeprefix("$").rstrip("`")
        name = f"{field}{inside}".lstrip(".") or "content"
        raise InputError(
            f"`{name}` cannot be used", expected=expected, received=received if inside else short(value)
        ) from error


types_of: Callable[[Any], Mapping[str, Any]] = cache(partial(get_type_hints, include_extras=True))
"""The declared types of the fields of a dataclass, by name."""


def numbers(value: Any, shape: tuple[int, ...], limits: msgspec.Meta, field: str) -> NDArray[np.float64]:
    """A read-only array from lists of numbers.

    Args:
        value: As `json.loads` gives it.
        shape: That it must have.
        limits: Range of its numbers.
        field: Place in the file, for messages.

    Raises:
        InputError: It is of another shape, holds something else than numbers, or is out of range.
    """
    kind: Any = Annotated[float, limits]
    for _ in shape:
        kind = tuple[kind, ...]
    found = np.array(typed(kind, value, field), np.float64)
    if found.shape != shape:
        raise wrong(field, f"{' × '.join(map(str, shape))} numbers", value)
    found.flags.writeable = False
    return found


def wrong(field: str, expected: str, received: Any) -> InputError:
    """The error for a value that a field cannot have."""
    return InputError(f"`{field}` cannot be used", expected=expected, received=short(received))


def short(value: Any) -> str:
    """A value as Python writes it, without its end where it is long."""
    said = ascii(value[: SHOWN + 1] if isinstance(value, (str, list, tuple)) else value)
    return f"{said[:SHOWN]}…" if len(said) > SHOWN else said
