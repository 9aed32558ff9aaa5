"""Pages of measurements in docs/: the figures that they are written from, tables, and what is folded away.

Words of a page stand in it. Figures and tables stand between `<!-- NAME -->` and `<!-- / -->`, where
`Page.fill` writes them anew. No line of words begins with a marker: Markdown would take the rest for HTML.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"

_PART = re.compile(r"<!-- (\w+) -->(\s*).*?(\s*)<!-- / -->", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page in docs/, and beside it the JSON file of its name with the figures.

    Attributes:
        name: Of both files, without an ending.
    """

    name: str

    def figures(self) -> Any:
        """Those that were kept; an empty dict before the first run."""
        file = DOCS / f"{self.name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def text(self) -> str:
        """The page in Markdown, as it is."""
        return (DOCS / f"{self.name}.md").read_text(encoding="utf-8")

    def keep(self, figures: Any) -> None:
        """Write the figures, from which the page can be written anew."""
        text = json.dumps(figures, indent=1, ensure_ascii=False)
        (DOCS / f"{self.name}.json").write_text(f"{text}\n", encoding="utf-8")

    def write(self, text: str) -> None:
        """Write the page."""
        file = DOCS / f"{self.name}.md"
        file.write_text(text, encoding="utf-8")
        print(f"written: {file}")

    def fill(self, parts: Mapping[str, object]) -> None:
        """Write figures and tables of the page anew, by the names of their markers.

        Raises:
            ValueError: Markers and parts have other names.
        """
        text = self.text()
        if unlike := {found[1] for found in _PART.finditer(text)} ^ {*parts}:
            raise ValueError(f"{self.name}.md and its figures differ in {sorted(unlike)}")

        def put(found: re.Match[str]) -> str:
            return f"<!-- {found[1]} -->{found[2]}{parts[found[1]]}{found[3]}<!-- / -->"

        self.write(_PART.sub(put, text))

    def measure(self, look: Callable[[], Any], page: Callable[[Any], Mapping[str, object]]) -> None:
        """Look at all there is and keep the figures, unless `--page` is given, and write the page."""
        if sys.argv[1:] != ["--page"]:
            self.keep(look())
        self.fill(page(self.figures()))

    def look_at(
        self,
        known: Iterable[str],
        look: Callable[[str], dict[str, Any]],
        page: Callable[[dict[str, Any]], Mapping[str, object]],
    ) -> None:
        """Look at what is named on the command line, or at all, keeping figures and page after each.

        With `--page`, only write the page.

        Args:
            known: Names of all, in the order of the page.
            look: What is found of one.
            page: Its figures and tables, from what was found.
        """
        order, found = list(known), self.figures()
        if unknown := {*sys.argv[1:]} - {*order, "--page"}:
            sys.exit(f"Not known: {', '.join(sorted(unknown))}. Known: {', '.join(order)}, --page.")
        for name in sys.argv[1:] or order:
            if name != "--page":
                found[name] = look(name)
                found = {each: found[each] for each in order if each in found}
                self.keep(found)
            self.fill(page(found))


def table(head: Sequence[object], *lines: Sequence[object]) -> str:
    """In Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def percent(share: float, decimals: int = 1) -> str:
    """A share in per cent."""
    return f"{100 * share:.{decimals}f} %"


def shares(values: Sequence[float], decimals: int = 0) -> str:
    """The lowest and the highest of some shares, in per cent."""
    return f"{100 * min(values):.{decimals}f} to {percent(max(values), decimals)}"


def fold(summary: str, *parts: str) -> list[str]:
    """Parts of a page that open with a click; on GitHub too."""
    return ['<details markdown="1">', f"<summary>{summary}</summary>", *parts, "</details>"]
