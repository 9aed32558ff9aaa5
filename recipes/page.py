"""The recipes as they stand on docs/deploy.md: what is run is what the page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.docs import Page

PAGE = Page("deploy")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|//) (\w+\.\w+)\n")


@dataclass(frozen=True)
class Recipe:
    """A section of the page.

    Attributes:
        code: Python that runs beside the graph of the page, or "".
        files: By name, the files that it has people save.
        command: The last line of its shell, which starts a server; "" without one.
    """

    code: str
    files: dict[str, str]
    command: str

    def replaced(self, old: str, new: str) -> Recipe:
        """The recipe with another text in files and command, such as a port."""
        files = {name: text.replace(old, new) for name, text in self.files.items()}
        return Recipe(self.code, files, self.command.replace(old, new))

    def save(self, folder: Path) -> None:
        """Write its files."""
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")


def recipes() -> dict[str, Recipe]:
    """The sections of the page by their headings."""
    headings_and_texts = re.split(r"^## (.+)\n", PAGE.text(), flags=re.MULTILINE)[1:]
    pairs = zip(headings_and_texts[::2], headings_and_texts[1::2], strict=True)
    return {heading: _recipe(text) for heading, text in pairs}


def _recipe(section: str) -> Recipe:
    blocks = _BLOCK.findall(section)
    files = {name[1]: text for _, text in blocks if (name := _FILE.match(text))}
    code = [text for language, text in blocks if language == "python" and not _FILE.match(text)]
    commands = [line for language, text in blocks if language == "sh" for line in text.splitlines()]
    return Recipe("".join(code), files, commands[-1] if commands else "")
