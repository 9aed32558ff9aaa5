"""Files that howsure wrote and reads again: JSON with a SHA-256 of what it holds, and values by their types.

A dataclass says what a file holds: `rows: Annotated[int, COUNT]` is a whole number of at least 1, and
`shares: tuple[float, ...]` a list of numbers. `msgspec.convert` reads them. So no reader checks a field by
itself, and none forgets one. Further fields of a file are ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_path
from howsure.atomic import FITTED, check_ending, write_whole
from howsure.errors import DependencyError, FileError, HowsureError, InputError
from howsure.inputs.reading import is_out_of_memory, not_for_its_content

Found = TypeVar("Found")

DAMAGED = "It may be damaged, or was changed by something other than howsure"

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
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        expected, _, received = message.removeprefix("Expected ").partition(", got ")
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
    array = np.array(typed(kind, value, field), np.float64)
    if array.shape != shape:
        raise wrong(field, f"{' × '.join(map(str, shape))} numbers", value)
    array.flags.writeable = False
    return array


def wrong(field: str, expected: str, received: Any) -> InputError:
    """The error for a value that a field cannot have."""
    return InputError(f"`{field}` cannot be used", expected=expected, received=short(received))


def short(value: Any) -> str:
    """A value as Python writes it, without its end where it is long."""
    text = ascii(value[: SHOWN + 1] if isinstance(value, (str, list, tuple)) else value)
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text


# --- sealed files -------------------------------------------------------------------------------


def write_sealed(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write a JSON file; an earlier file stays until the new one is complete.

    Raises:
        InputError: The name has another ending than `.json`.
        FileError: It cannot be written.
    """
    check_ending(path, FITTED, needed=False)
    text = json.dumps({**content, "sha256": digest(content)}, indent=1) + "\n"
    write_whole(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def read_sealed(
    path: str | os.PathLike[str],
    what: str,
    format: int,
    parse: Callable[[dict[str, Any]], Found],
    *,
    written_by: str,
    again: str,
    kind: str | None = None,
) -> Found:
    """The content of a file of `write_sealed`.

    Args:
        path: The file.
        what: It should be, such as `plan`.
        format: Number of the format that `parse` reads.
        parse: Makes something of the content.
        written_by: The function that writes such files.
        again: How to make one again.
        kind: Kind that the content must name, or None.

    Raises:
        FileError: It is missing, damaged, changed, of another format, or something else.
    """
    source = check_path(path)
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise FileError(f"Cannot read the {what} '{source}' ({error.strerror or error})") from error
    hint = f"If it was one, it is damaged: {again[0].lower()}{again[1:]}"
    with content_errors(source, f"is not a saved {what}", f"a file written by {written_by}", hint):
        content = plain_json(raw)
        if kind is not None and content["kind"] != kind:
            raise ValueError("it is something else")
        version = content["format"]
        if version == format:
            if content.pop("sha256") != digest(content):
                raise ValueError("it is not what was saved")
            return parse(content)
    raise FileError(
        f"'{source}' is in a format that this version of howsure does not know",
        expected=f"format {format}",
        received=short(version),
        hint=f"{again}, or update howsure",
    )


def plain_json(raw: bytes) -> Any:
    """The value of JSON in UTF-8; a ValueError for NaN and infinity, which no field may have."""
    return json.loads(raw.decode("utf-8"), parse_constant=_not_finite)


def _not_finite(text: str) -> Any:
    raise ValueError(f"it holds {text}")


def digest(content: object) -> str:
    """The SHA-256 of something that JSON holds, in whatever lines it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def content_errors(
    path: str | os.PathLike[str], what: str, expected: str | None, hint: str
) -> Iterator[None]:
    """Around code that makes something of the content of a file: whatever it raises becomes a `FileError`.

    Args:
        path: The file.
        what: Goes on with what it is then: `is not a saved plan`.
        expected: Accepted content; if one field is wrong, its accepted values are told instead.
        hint: A remedy.
    """
    try:
        yield
    except (FileError, DependencyError):
        raise
    except HowsureError as error:
        message = f"'{os.fspath(path)}' {what}: {error.what[0].lower()}{error.what[1:]}"
        raise FileError(message, expected=error.expected, received=error.received, hint=hint) from error
    except Exception as error:  # of any kind, as the content may be whatever somebody wrote there
        if is_out_of_memory(error):
            raise not_for_its_content(path, error) from error  # type: ignore[misc]
        message = f"'{os.fspath(path)}' {what} ({_fault_in_words(error)})"
        raise FileError(message, expected=expected, hint=hint) from error


def _fault_in_words(error: Exception) -> str:
    """The fault in the content of a file that howsure wrote, judged by the error."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    message = " ".join(str(error).split())[:200]
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {message}"
    return message if type(error) is ValueError else f"{type(error).__name__}: {message}"
