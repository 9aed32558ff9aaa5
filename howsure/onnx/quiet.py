"""What tools that write graphs note about themselves is left out: it is for those who work on the tools."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Nothing of these loggers below a critical message, and no warnings."""
    loud = [logging.getLogger(name) for name in loggers]
    levels = [each.level for each in loud]
    try:
        for each in loud:
            each.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for each, level in zip(loud, levels, strict=True):
            each.setLevel(level)
