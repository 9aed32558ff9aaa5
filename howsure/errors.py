"""The exceptions and the one warning howsure raises.

    HowsureError                      everything below; catch this
    ├── InputError (ValueError)       rows, labels, names or arguments that cannot be used
    ├── ModelError (ValueError)       a model that cannot be assessed
    ├── FileError (OSError)           a file that cannot be read or written
    └── DependencyError (ImportError) an optional package is not installed, or cannot be imported

    HowsureWarning (UserWarning)      the result stands, but the reader should know this

An exception raised inside the user's own layer passes through unchanged; a note says which sides of images
would do, or what the model was called with. On the command line it is one line. If results go into a folder,
it is named as its part's fault.
"""

from __future__ import annotations

import itertools
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from howsure.words import printable

LOGGER = logging.getLogger(__package__)
"""The logger `howsure`, for servers: warnings, and a line about each `assess`. Nothing is shown unless the
caller configures it."""

LOGGER.addHandler(logging.NullHandler())


class HowsureError(Exception):
    """Base of all exceptions of howsure.

    Args:
        what: The problem, one sentence without the closing full stop.
        expected: The accepted values.
        received: The rejected value.
        hint: A remedy, a sentence.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        received: object = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.expected = expected
        self.received = received
        self.hint = hint
        parts = [what]
        if expected is not None:
            parts.append(f"Expected: {expected}")
        if received is not None:
            parts.append(f"Received: {received}")
        if hint is not None:
            parts.append(hint)
        super().__init__(printable(" ".join(part.rstrip(".") + "." for part in parts)))

    def told_of(self, whom: str, hint: str | None = None) -> Self:
        """The same error, which begins with whom it is about: a file, a label.

        Args:
            whom: Begins the message.
            hint: Something else to do about it, a sentence.
        """
        what = f"{whom}: {self.what[0].lower()}{self.what[1:]}"
        hints = [text.rstrip(".") for text in (self.hint, hint) if text is not None]
        return type(self)(what, expected=self.expected, received=self.received, hint=". ".join(hints) or None)


class InputError(HowsureError, ValueError):
    """Rows, labels, class names or arguments that cannot be used."""


class ModelError(HowsureError, ValueError):
    """A model that cannot be assessed as it is."""


class FileError(HowsureError, OSError):
    """A file that cannot be read or written."""


class DependencyError(HowsureError, ImportError):
    """An optional package is needed and is not installed, or cannot be imported."""


class HowsureWarning(UserWarning):
    """The result stands, but read the message.

    Args:
        said: The message.
        kind: The common part of such warnings about other rows, which may tell other numbers; None if there
            are no others.

    Attributes:
        kind: As given, or the message.
    """

    def __init__(self, said: str = "", kind: str | None = None) -> None:
        super().__init__(printable(said))
        self.kind = said if kind is None else kind


def is_of_a_model(error: Exception) -> bool:
    """Whether the code of a model or its framework raised it, called by an adapter."""
    called = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    *_, last = [f"{__package__}.", *(module for module in called if module.startswith(f"{__package__}."))]
    adapters = f"{__package__}.adapters."
    behind = itertools.dropwhile(lambda module: not module.startswith(adapters), called)
    return last.startswith(adapters) and any(not module.startswith(f"{__package__}.") for module in behind)


def exception_text(error: BaseException) -> str:
    """The text of an exception that is none of howsure's errors: its first line, and its notes.

    Before that, Keras says in a line of its own which layer raised it.
    """
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines() if line.strip()]
    by_keras = bool(lines) and lines[0].startswith("Exception encountered when")
    text = " ".join(lines[: 1 + by_keras])[:300]
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    notes = getattr(error, "__notes__", [])
    return ". ".join([text.rstrip("."), *notes]) if notes else text


HeardWarnings = dict[str, tuple[str, set[str]]]
"""By kind of warning, the first that was said, and the methods that it was said of."""

_HEARD_WARNINGS: ContextVar[HeardWarnings | None] = ContextVar("_HEARD_WARNINGS", default=None)
_CONTEXT: ContextVar[tuple[str, str]] = ContextVar("_CONTEXT", default=("", ""))


@contextmanager
def deduplicated_warnings() -> Iterator[HeardWarnings]:
    """In this scope `warn` says each kind once. All is kept, also where a filter drops the warning."""
    heard = HeardWarnings()
    before = _HEARD_WARNINGS.set(heard)
    try:
        yield heard
    finally:
        _HEARD_WARNINGS.reset(before)


@contextmanager
def row_context(rows: str = "", method: str = "") -> Iterator[None]:
    """In this scope errors, and warnings that are heard, say that they are of these rows.

    Args:
        rows: Name of the set; empty for rows that need no name. Sentences about these are not told of others.
        method: Name of the method that assesses them, which is kept of what is heard.
    """
    before = _CONTEXT.set((rows, method))
    try:
        yield
    except HowsureError as error:
        if rows:
            raise error.told_of(f"In '{rows}'") from error
        raise
    finally:
        _CONTEXT.reset(before)


_POSTPONED: ContextVar[list[Callable[[], None]] | None] = ContextVar("_POSTPONED", default=None)


@contextmanager
def warnings_never_errors() -> Iterator[None]:
    """Around runs of a model that only find out what it is: in this scope no warning becomes an error.

    Warnings of a model or its framework come when rows are assessed. Warnings of howsure itself come after
    this scope, under the filters of the caller. If no warning is an error the filters stay untouched, since
    Python forgets with each change which warnings it has shown.
    """
    if _POSTPONED.get() is not None or not _any_is_an_error():
        yield
        return
    waiting: list[Callable[[], None]] = []
    before = _POSTPONED.set(waiting)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        _POSTPONED.reset(before)
    for tell in waiting:
        tell()


def _any_is_an_error() -> bool:
    """Whether there are warnings that the filters make errors."""
    for action, *which in warnings.filters:
        if action == "error" or which == [None, Warning, None, 0]:  # which decides of all that are left
            return action == "error"
    return False


def warn(message: str, kind: str | None = None) -> None:
    """Warn whoever called howsure, with a `HowsureWarning` that points at their line.

    That is the caller of the outermost of howsure's frames, however many frames of ours, of a framework or of
    Python's own library lie between it and here.

    Args:
        message: The message.
        kind: As for `HowsureWarning`.
    """
    if (heard := _HEARD_WARNINGS.get()) is not None:
        (rows, method), key = _CONTEXT.get(), message if kind is None else kind
        if rows and key not in heard:
            message, key = f"In '{rows}': {message[0].lower()}{message[1:]}", f"{rows}: {key}"
        if key in heard:
            heard[key][1].add(method)
            return
        heard[key] = message, {method}
    frame = ours = sys._getframe()
    while (before := frame.f_back) is not None:
        frame = before
        if str(frame.f_globals.get("__name__")).partition(".")[0] == __package__:
            ours = frame
    caller = ours.f_back or ours
    registry = caller.f_globals.setdefault("__warningregistry__", {})
    place = caller.f_code.co_filename, caller.f_lineno

    def tell() -> None:
        LOGGER.warning(message)
        warnings.warn_explicit(HowsureWarning(message, kind), None, *place, registry=registry)

    if (waiting := _POSTPONED.get()) is None:
        tell()
    else:
        waiting.append(tell)
