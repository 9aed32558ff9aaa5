"""JSON files that howsure writes and reads again, with the SHA-256 of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from howsure.arguments import check_path
from howsure.atomic import write_whole
from howsure.data.reading import is_out_of_memory, not_for_its_content
from howsure.data.typed import short
from howsure.endings import FITTED, check_ending
from howsure.errors import DependencyError, FileError, HowsureError

Found = TypeVar("Found")

DAMAGED = "It may be damaged, or was changed by something other than howsure"


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
    with made_of(source, f"is not a saved {what}", f"a file written by {written_by}", hint):
        content = plain_json(raw)
        if kind is not None and content["kind"] != kind:
            raise ValueError("it is something else")
        found = content["format"]
        if found == format:
            if content.pop("sha256") != digest(content):
                raise ValueError("it is not what was saved")
            return parse(content)
    raise FileError(
        f"'{source}' is in a format that this version of howsure does not know",
        expected=f"format {format}",
        received=short(found),
        hint=f"{again}, or update howsure",
    )


def plain_json(raw: bytes) -> Any:
    """The value of JSON in UTF-8; a ValueError for NaN and infinity, which no field may have."""
    return json.loads(raw.decode("utf-8"), parse_constant=_not_finite)


def _not_finite(text: str) -> Any:
    raise ValueError(f"it holds {text}")


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of the content of a file, in whatever lines its JSON is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def made_of(path: str | os.PathLike[str], what: str, expected: str | None, hint: str) -> Iterator[None]:
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
        said = f"'{os.fspath(path)}' {what}: {error.what[0].lower()}{error.what[1:]}"
        raise FileError(said, expected=error.expected, received=error.received, hint=hint) from error
    except Exception as error:  # of any kind, as the content may be whatever somebody wrote there
        if is_out_of_memory(error):
            raise not_for_its_content(path, error) from error  # type: ignore[misc]
        said = f"'{os.fspath(path)}' {what} ({_of_content(error)})"
        raise FileError(said, expected=expected, hint=hint) from error


def _of_content(error: Exception) -> str:
    """The fault in the content of a file that howsure wrote, judged by the error."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    said = " ".join(str(error).split())[:200]
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {said}"
    return said if type(error) is ValueError else f"{type(error).__name__}: {said}"
