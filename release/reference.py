"""Pages of the reference that follow from the registry: one for each kind of answer.

It describes all public classes of the kind that no page in docs/reference/ describes, the result first.
"""

import re
from pathlib import Path

import howsure
from howsure.tasks.task import tasks

DOCS = Path(__file__).parent.parent / "docs"


def described(text: str) -> list[str]:
    """Paths of what a page describes."""
    return re.findall(r"^::: (howsure(?:\.\w+)+)$", text, re.MULTILINE)


def pages_of_kinds() -> dict[str, str]:
    """By its place in docs/, the text of each page."""
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    start = (DOCS / "index.md").read_text(encoding="utf-8")
    elsewhere = {path.rpartition(".")[2] for path in described(pages)}
    found = {}
    for kind in reversed(tasks()):
        module, result = f"{kind.result_type.__module__.rpartition('.')[0]}.", kind.result_type.__name__
        public = [name for name in howsure.__all__ if getattr(howsure, name).__module__.startswith(module)]
        own = sorted({*public} - elsewhere, key=lambda name: (name != result, public.index(name)))
        if own:
            shown = re.search(rf"returns a `{result}` \| (\[[^\]]+\]\()(\S+\))", start)
            said = f"{shown[1]}../{shown[2]} shows this result at work. " if shown else ""
            said += "[Glossary and columns](../words.md) lists the columns."
            classes = "\n\n".join(f"::: howsure.{name}" for name in own)
            found[f"reference/{kind.name}.md"] = f"# {result}: {kind.in_words}\n\n{said}\n\n{classes}\n"
    return found
