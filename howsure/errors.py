"""The exceptions and the one warning howsure raises.

    HowsureError                      everything below; catch this
    ├── InputError (ValueError)       rows, labels, names or arguments that cannot be used
    ├── ModelError (ValueError)       a model that cannot be assessed
    ├── FileError (OSError)           a file that cannot be read or written
    └── DependencyError (ImportError) an optional package is not installed

    HowsureWarning (UserWarning)      the result stands, but the reader should know this

An exception raised inside the user's own layer passes through unchanged.
"""

from __future__ import annotations


class HowsureError(Exception):
    """Base of all exceptions of howsure.

    Args:
        what: What happened, one sentence without the closing full stop.
        expected: What would have been accepted.
        received: What was there instead.
        mend: How to mend it, a sentence.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        received: object = None,
        mend: str | None = None,
    ) -> None:
        self.what = what
        self.expected = expected
        self.received = received
        self.mend = mend
        parts = [what]
        if expected is not None:
            parts.append(f"Expected: {expected}")
        if received is not None:
            parts.append(f"Received: {received}")
        if mend is not None:
            parts.append(mend)
        super().__init__(" ".join(part.rstrip(".") + "." for part in parts))


class InputError(HowsureError, ValueError):
    """Rows, labels, class names or arguments that cannot be used."""


class ModelError(HowsureError, ValueError):
    """A model that cannot be assessed as it is."""


class FileError(HowsureError, OSError):
    """A file that cannot be read or written."""


class DependencyError(HowsureError, ImportError):
    """An optional package is needed and not installed."""


class HowsureWarning(UserWarning):
    """The result stands, but the reader should know what the message says."""
