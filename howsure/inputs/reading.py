"""Read files of any kind: the one place that distinguishes the reasons for failure."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from howsure.errors import FileError, HowsureError, HowsureWarning, warnings_never_errors
from howsure.inputs.rows import damaged

if TYPE_CHECKING:
    import pyarrow as pa

_OUT_OF_MEMORY = re.compile(
    r"can(no|')t allocate memory|out of memory|OOM when allocating|unable to allocate"
    r"|failed to allocate|bad_alloc",
    re.I,
)
"""Words for lack of memory in errors of frameworks that are no `MemoryError`."""


@contextmanager
def reading(source: Path, kind: str) -> Iterator[None]:
    """Around code that reads a file: turns any error into a `FileError` that gives the reason.

    Args:
        source: The file.
        kind: Kind of file, such as `Parquet`.

    Raises:
        FileError: It does not exist, cannot be opened, does not fit in memory, or is damaged.
        ImportError: The package that reads it is missing.
    """
    try:
        with warnings_never_errors():
            yield
    except (HowsureError, HowsureWarning, ImportError):
        raise
    except Exception as error:  # readers of damaged files raise errors without a common class
        if isinstance(error, UnicodeDecodeError) and kind in ("csv", "text"):
            raise FileError(f"'{source}' is not text in UTF-8", hint="Save it as UTF-8") from error
        raise not_for_its_content(source, error) or damaged(source, kind, error) from error


def open_native(path: str | os.PathLike[str]) -> pa.NativeFile:
    """A file, opened for Arrow's threads.

    Buffers that Arrow reads from a Python file object belong to Python. If a thread frees the last of them
    while the interpreter ends, the process aborts. Any name that the system accepts works.

    Raises:
        OSError: It cannot be opened; with the `errno` and message of `open`.
    """
    import pyarrow as pa

    with open(path, "rb"):  # for its errors: Arrow's have no `errno` for a folder
        return pa.OSFile(os.fsencode(path), "rb")


def is_out_of_memory(error: Exception) -> bool:
    """True if memory ran out, in any framework's form of that error."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return _OUT_OF_MEMORY.search(str(error)) is not None


def not_for_its_content(source: str | os.PathLike[str], error: Exception) -> FileError | None:
    """The error if the system could not read a file; None if the file's content may be the cause."""
    message = " ".join(str(error).split()).rstrip(".")
    number = error.errno if isinstance(error, OSError) else None
    if is_out_of_memory(error):
        return FileError(
            f"Memory ran out while '{os.fspath(source)}' was read" + (f" ({message})" if message else ""),
            hint="A .npy file is read from disk as it is needed; `howsure assess` with --out FOLDER reads a "
            ".parquet file part by part. If it should fit, it is damaged",
        )
    if isinstance(error, FileNotFoundError):
        return FileError("The file does not exist", received=os.fspath(source))
    # EINVAL comes where content points to a position outside the file.
    if isinstance(error, OSError) and number is not None and number != errno.EINVAL:
        forbidden = "Give yourself the right to read it, as with chmod u+r"
        return FileError(
            f"'{os.fspath(source)}' cannot be read ({os.strerror(number)})",
            hint=forbidden if isinstance(error, PermissionError) else None,
        )
    return None
