"""Reading a file of any kind: the one place where the reasons for which it can fail are told apart."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from howsure.data.rows import damaged
from howsure.errors import FileError, HowsureError

_OUT_OF_MEMORY = re.compile(
    r"can(no|')t allocate memory|out of memory|OOM when allocating|unable to allocate"
    r"|failed to allocate|bad_alloc",
    re.I,
)
"""What frameworks say of it in errors that are no `MemoryError`."""

_SMALLER = {
    ".npz": "Save each array as a .npy file, which is read from disk as it is needed",
    ".csv": "Convert it to Parquet, of which `howsure assess` with --out FOLDER reads rows part by part",
    ".parquet": "`howsure assess` with --out FOLDER reads rows part by part",
}
"""What takes less memory, by how a file's name ends."""

_TEXTS = ("csv", "text")
"""Kinds of file that are nothing but text."""

_BY_PLACE = frozenset({errno.EINVAL})
"""What the system says where content leads to a place that a file does not have."""


@contextmanager
def reading(source: Path, kind: str) -> Iterator[None]:
    """Around what reads a file: a `FileError` for whatever goes wrong, which says what that was.

    Args:
        source: The file.
        kind: What it should be, such as `Parquet`.

    Raises:
        FileError: It does not exist, cannot be opened, needs more memory than there is, or is damaged.
        ImportError: A package is missing that reads it.
    """
    try:
        yield
    except (HowsureError, ImportError):
        raise
    except Exception as error:  # readers of damaged files raise errors that have no class in common
        if isinstance(error, UnicodeDecodeError) and kind in _TEXTS:
            raise FileError(f"'{source}' is not text in UTF-8", mend="Save it as UTF-8") from error
        raise not_for_its_content(source, error) or damaged(source, kind, error) from error


def of_content(error: Exception) -> str:
    """What is wrong with the content of a file that howsure wrote, by the error that it led to."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    said = " ".join(str(error).split())
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {said}"
    return said if type(error) is ValueError else f"{type(error).__name__}: {said}"


def is_out_of_memory(error: Exception) -> bool:
    """Whether it was memory that there was too little of, whatever a framework calls that."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return _OUT_OF_MEMORY.search(str(error)) is not None


def not_for_its_content(source: str | os.PathLike[str], error: Exception) -> FileError | None:
    """The error where the system is why a file was not read; None where its content may be.

    Args:
        source: The file.
        error: What its reader raised.
    """
    said = " ".join(str(error).split()).rstrip(".")
    number = error.errno if isinstance(error, OSError) else None
    if is_out_of_memory(error):
        return FileError(
            f"Memory ran out while '{os.fspath(source)}' was read" + (f" ({said})" if said else ""),
            mend=_SMALLER.get(Path(source).suffix.lower(), "Read it where more memory is free")
            + ". If it should fit, it is damaged",
        )
    if isinstance(error, FileNotFoundError):
        return FileError("The file does not exist", received=os.fspath(source))
    if isinstance(error, OSError) and number is not None and number not in _BY_PLACE:
        forbidden = "Give yourself the right to read it, as with chmod u+r"
        return FileError(
            f"'{os.fspath(source)}' cannot be read ({os.strerror(number)})",
            mend=forbidden if isinstance(error, PermissionError) else None,
        )
    return None
