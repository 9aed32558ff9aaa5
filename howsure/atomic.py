"""Files that are whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from howsure.errors import FileError


def write_whole(path: str | os.PathLike[str], write: Callable[[str], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    Args:
        path: Where the finished file belongs.
        write: Called with the name of the temporary file.

    Raises:
        FileError: The folder is missing, or writing failed; whatever was at `path` is still there.
    """
    target = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise FileError(f"Cannot write to '{target}' ({error.strerror or error})") from error
    os.close(handle)
    try:
        write(temporary)
        mode = 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        raise FileError(
            f"Writing '{target}' failed ({error.strerror or error})",
            mend="An earlier file of that name, if there was one, is unchanged",
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
