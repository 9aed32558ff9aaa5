"""Sentences of the package that hold their subject back: `python -m release.held_back` lists them.

They begin with "Of …", with "Where …" for "if", or with "What …", "Which …" or "Whoever …" in the place of a
noun. Counted are docstrings, and other texts that are sentences.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HELD_BACK = re.compile(r"(Of|Where|Wherever|What|Whatever|Whoever|Whichever|Which|Whose)\s+\S+\s+\S")
END = re.compile(r"(?<=[.!?:])[\"'”*)`]*\s+|\n\s*\n")
LEAST_WORDS = 8
"""Words from which a text outside of docstrings is a sentence without a full stop, and no heading."""


def texts(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Line and text of each string, and whether it is a docstring; `…` stands for fields of f-strings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts.update(map(id, node.values))
            said = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield node.lineno, "".join(map(str, said)), False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value, id(node) in docstrings


def held_back(source: str) -> list[tuple[int, str]]:
    """Line and words of each such sentence in the source of a module; questions are none."""
    found = []
    for line, text, is_docstring in texts(ast.parse(source)):
        for sentence in (" ".join(each.split()) for each in END.split(text)):
            whole = is_docstring or sentence.endswith((".", ":")) or len(sentence.split()) >= LEAST_WORDS
            if whole and HELD_BACK.match(sentence) and not sentence.endswith("?"):
                found.append((line, sentence))
    return found


if __name__ == "__main__":
    for path in sorted((Path(__file__).parent.parent / "howsure").rglob("*.py")):
        for line, sentence in held_back(path.read_text(encoding="utf-8")):
            print(f"{path}:{line}: {sentence}")
