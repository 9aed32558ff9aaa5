"""Files that howsure writes: their endings, and how they become whole or are not there; and their folders."""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from howsure.arguments import check_path
from howsure.errors import FileError, InputError

TABLES = (".parquet", ".csv")
LINES = (".csv",)
PAGES = (".html",)
FITTED = (".json",)
"""Endings of calibrators, familiarity and plans."""
GRAPHS = (".onnx",)

TEMPORARY = ".howsure-"
"""How the names of files begin that are being written; one stays where a process is killed meanwhile."""


def check_ending(path: str | os.PathLike[str], endings: tuple[str, ...], *, needed: bool = True) -> str:
    """The ending of a name, in small letters; before anything is computed or written.

    Args:
        path: Path of a file to write.
        endings: Endings for its content.
        needed: Whether a name without an ending is refused too.

    Raises:
        InputError: The name has another ending, or this is no path.
    """
    file = check_path(path)
    ending = file.suffix.lower()
    if ending in endings or not (ending or needed):
        return ending
    raise InputError(f"'{file}' has the wrong ending", expected=f"a name that ends in {' or '.join(endings)}")


def write_whole(path: str | os.PathLike[str], write: Callable[[str], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    If `path` is a link, its target is written. A file that was there keeps its permissions.

    Args:
        path: Path of the finished file.
        write: Called with the name of the temporary file.

    Raises:
        InputError: This is no path.
        FileError: Nothing can be written there, or writing failed; whatever was at `path` is still there.
    """
    target = check_place(path)
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
    temporary = _empty_file_beside(target)
    try:
        write(temporary)
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        raise FileError(
            f"Writing '{target}' failed ({error.strerror or error})",
            hint="An earlier file of that name, if there was one, is unchanged",
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def check_place(path: str | os.PathLike[str]) -> Path:
    """The path at which a file would be written, links followed.

    Raises:
        InputError: This is no path.
        FileError: The folder is missing or closed, the name too long, or what is there is no file to replace.
    """
    file = check_path(path)
    target = Path(os.path.realpath(file))
    try:
        status = target.stat()
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise FileError(f"Cannot write to '{file}' ({error.strerror or error})") from error
    if status is not None:
        if stat.S_ISDIR(status.st_mode):
            raise FileError(f"'{file}' is a folder", expected="the name of a file to write")
        if not stat.S_ISREG(status.st_mode):
            raise FileError(f"'{file}' is a device or a pipe", expected="the name of a file to write")
        if not os.access(target, os.W_OK):
            raise FileError(f"Cannot write to '{file}' (it is read-only)")
    os.unlink(_empty_file_beside(target))
    return target


def check_folder(folder: Path) -> None:
    """Raise a `FileError` if no file could be written in a folder. It may be missing, and is not made."""
    existing = next(
        parent for parent in (folder, *folder.parents) if os.path.lexists(parent) or parent == parent.parent
    )
    if not existing.is_dir():
        raise FileError(
            f"The folder '{folder}' cannot be made ('{existing}' is no folder)",
            expected="the name of a folder",
        )
    os.unlink(_empty_file_beside(existing / TEMPORARY))


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and its parents, for what is written meanwhile.

    After an exception the new folders that are empty go again.

    Raises:
        FileError: It cannot be made.
    """
    new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder '{folder}' cannot be made ({error.strerror or error})") from error
    try:
        yield
    except BaseException:
        for parent in new:  # the innermost first
            with suppress(OSError):  # something is in it
                parent.rmdir()
        raise


def _empty_file_beside(target: Path) -> str:
    """An empty file in the same folder, so that moving it into place is one step."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=TEMPORARY, suffix=".part")
    except OSError as error:
        raise FileError(
            f"Cannot write to '{target}' ({error.strerror or error})",
            hint=None
            if target.parent.exists()
            else f"Make the folder first: mkdir -p {shlex.quote(str(target.parent))}",
        ) from error
    os.close(handle)
    return name


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
