"""How a broken promise is told."""

from __future__ import annotations


def require(holds: object, promise: str, received: object = None) -> None:
    """Raise an `AssertionError` with the promise that is broken, unless it holds."""
    if not holds:
        raise AssertionError(f"{promise}." + ("" if received is None else f" Received: {received}."))
