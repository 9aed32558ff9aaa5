"""Warnings on the command line: each text once, and of each kind only the first, then a count."""

from __future__ import annotations

from collections import Counter

from rich.console import Console

from howsure.cli.hints import in_options
from howsure.errors import HowsureWarning
from howsure.terminal import say

_BEGINNING = 60
"""Characters of a warning that the count repeats."""


class Warned:
    """Prints warnings when they come.

    Args:
        console: Console for them.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._first: dict[str, str] = {}
        self._more = Counter[str]()

    def show(self, warning: HowsureWarning) -> None:
        """Print a warning, unless it or another of its kind was printed before."""
        text = in_options(str(warning))
        if text in self._said:
            return
        self._said.add(text)
        if warning.kind in self._first:
            self._more[warning.kind] += 1
            return
        self._first[warning.kind] = text
        say(self._console, f"warning: {text}")

    def close(self) -> None:
        """Print how many warnings were not printed."""
        for kind, count in self._more.items():
            beginning = self._first[kind][:_BEGINNING]
            say(self._console, f"warning: {count:,} more such warnings about other rows: {beginning}…")
