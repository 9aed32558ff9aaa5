"""Check the paths of a command before work begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from howsure.atomic import check_place
from howsure.errors import FileError, InputError


def check_exists(path: Path, what: str) -> None:
    """Raise a `FileError` if there is nothing at a path. The message calls it `what`."""
    try:
        path.stat()
    except FileNotFoundError as error:
        raise FileError(f"The {what} does not exist", received=path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"The {what} cannot be read ({reason})", received=path) from error


def check_output(path: Path, suffix: str | tuple[str, ...], taken: Sequence[Path]) -> None:
    """Raise if the path has another ending, cannot be written, or is one of the paths in `taken`."""
    endings = (suffix,) if isinstance(suffix, str) else suffix
    if path.suffix.lower() not in endings:
        expected = f"a name that ends in {' or '.join(endings)}"
        raise InputError(f"'{path}' has the wrong ending", expected=expected)
    place = check_place(path)
    for other in taken:
        if place == other.resolve() or (place.exists() and other.exists() and place.samefile(other)):
            raise InputError(f"'{path}' would overwrite '{other}'", expected="another name for the output")
