"""Warnings on the command line: each once, and of one kind the first, and how many more there were."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from howsure.errors import HowsureWarning
from howsure.terminal import say

_BEGINNING = 60
"""Characters by which a warning is known again."""


class Warned:
    """Shows warnings as they come.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._first: dict[str, str] = {}
        self._more = Counter[str]()

    def show(self, warning: HowsureWarning) -> None:
        """Say it, unless it was said before, or one of its kind was."""
        text = str(warning)
        if text in self._said:
            return
        self._said.add(text)
        if warning.kind in self._first:
            self._more[warning.kind] += 1
            return
        self._first[warning.kind] = text
        say(self._console, f"warning: {text}")

    def close(self) -> None:
        """Say how many were not said."""
        for kind, count in self._more.items():
            beginning = self._first[kind][:_BEGINNING]
            say(self._console, f"warning: {count:,} more of other rows, like: {beginning}…")
