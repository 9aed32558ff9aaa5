"""The reference as text: `python -m release.reference` writes docs/reference/ from signatures and docstrings.

A page has a title and an introduction, written by hand, and a heading for each public name that it describes,
such as "## `howsure.assess`" or "## class `howsure.Plan`". This command writes what stands below headings,
and README.md, which lists all names.
"""

import inspect
import re
import typing
from collections.abc import Iterator
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import howsure

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
CONTENTS = "README.md"
WIDTH = 88
"""Longer signatures have one argument a line."""

HIDDEN = {
    *(
        "answer",
        "begin",
        "can_call",
        "check_familiarity",
        "check_noise",
        "choices",
        "columns",
        "first_numbers",
    ),
    *("from_table", "gathered", "has", "in_notebooks", "in_table", "make_plan", "names", "needs", "numbered"),
    *("one_goes_unnamed", "row_type", "told_of", "unscored", "verdict_number"),
}
"""Members that only a new kind of answer or a new method needs: docs/extend.md."""

SPECIAL = {"__call__", "__getitem__"}
"""Special methods that users reach by brackets."""

TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Errors"}
"""Sections of a docstring that are lists, and how the reference calls them."""


class Verbatim(str):
    """An annotation that is shown without quotes."""

    def __repr__(self) -> str:
        """The text itself."""
        return self


def described(text: str) -> list[str]:
    """Names of what a page describes, such as `howsure.assess`."""
    return re.findall(r"^## (?:class )?`(howsure\.[\w.]+)`$", text, re.MULTILINE)


def pages() -> dict[str, str]:
    """By the name of its file, the text of each page, in the order of the site."""
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    names = [name for name in re.findall(r"- reference/(\w+\.md)$", site, re.MULTILINE) if name != CONTENTS]
    found = {name: (FOLDER / name).read_text(encoding="utf-8") for name in names}
    return {CONTENTS: contents(found)} | {name: page(text) for name, text in found.items()}


def contents(found: dict[str, str]) -> str:
    """The page that lists all names, each with its first sentence."""
    parts = ["# Reference", "Every public name. Each link leads to its arguments."]
    for file, text in found.items():
        lines = [
            f"- [`{path}`]({file}#{anchor(path)}): {escaped(first_sentence(public(path)))}"
            for path in described(text)
        ]
        title = text.partition("\n")[0].removeprefix("# ")
        parts += [f"## [{title}]({file})", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def page(text: str) -> str:
    """A page with all below its headings written anew."""
    parts = [text.partition("\n## ")[0].rstrip()]
    for path in described(text):
        thing = public(path)
        parts += of_class(thing) if inspect.isclass(thing) else [f"## `{path}`", *of_function(path, thing)]
    return "\n\n".join(parts) + "\n"


def public(path: str) -> Any:
    """What a name such as `howsure.assess` stands for."""
    return attrgetter(path.removeprefix("howsure."))(howsure)


def anchor(path: str) -> str:
    """Where a name is on its page. `Plan` and `plan` are on one page, and anchors know no capitals."""
    return ("class-" if inspect.isclass(public(path)) else "") + path.replace(".", "").lower()


def of_class(described_class: type) -> Iterator[str]:
    """The parts of a class: how to make one if users do, its attributes, and its methods."""
    yield f"## class `howsure.{described_class.__name__}`"
    sections = docstring(described_class)
    if "Args" in sections:
        yield signature(described_class.__name__, described_class)
    methods = list[str]()
    for name, member in members(described_class):
        if isinstance(member, property | cached_property):
            attributes = sections.setdefault("Attributes", [])
            if not any(entry.startswith(f"`{name}`:") for entry in attributes):
                attributes.append(f"`{name}`: {escaped(first_sentence(member))}")
        elif callable(attribute := getattr(described_class, name)):
            path = f"{described_class.__name__}.{name}"
            methods += [f"### `{path}`", *of_function(path, attribute)]
    yield from written(sections)
    yield from methods


def members(described_class: type) -> Iterator[tuple[str, Any]]:
    """Public members that howsure defines, those of the class itself first."""
    seen = set[str]()
    for each in described_class.__mro__:
        if each.__module__.startswith("howsure."):
            for name, member in vars(each).items():
                if name not in seen | HIDDEN and (name in SPECIAL or not name.startswith("_")):
                    yield name, member
            seen |= {*vars(each)}


def of_function(path: str, function: Any) -> Iterator[str]:
    """The parts of a function or a method."""
    yield signature(path, function)
    yield from written(docstring(function))


def signature(path: str, function: Any) -> str:
    """A call with its arguments, their types and defaults, and what it returns."""
    found = inspect.signature(function)
    shown = list[str]()
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not any(text.startswith("*") for text in shown):
            shown.append("*")
        if parameter.annotation is not parameter.empty:
            parameter = parameter.replace(annotation=Verbatim(in_words(parameter.annotation)))
        shown.append(str(parameter))
    returned = "" if inspect.isclass(function) else f" -> {returns(function, found)}"
    line = f"{path}({', '.join(shown)}){returned}"
    if len(line) > WIDTH:
        line = "\n    ".join([f"{path}(", *(f"{text}," for text in shown)]) + f"\n){returned}"
    return f"```python\n{line}\n```"


def returns(function: Any, found: inspect.Signature) -> str:
    """What a function returns, of all its overloads."""
    overloads = typing.get_overloads(inspect.unwrap(function))
    each = [in_words(inspect.signature(overload).return_annotation) for overload in overloads]
    return " | ".join(dict.fromkeys(text for text in each if text != "Any")) or in_words(
        found.return_annotation
    )


def in_words(annotation: Any) -> str:
    """An annotation as it stands in the code."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def docstring(thing: Any) -> dict[str, list[str]]:
    """The sections of a docstring, lists as their entries; what stands before them is called ''."""
    first, *others = re.split(r"^(\w+):\n(?=    )", inspect.getdoc(thing) or "", flags=re.MULTILINE)
    sections = {"": [escaped(paragraph) for paragraph in first.strip().split("\n\n")]}
    for title, body in zip(others[::2], others[1::2], strict=True):
        text = inspect.cleandoc(f"\n{body}")
        if title in TITLES:
            entries = re.split(r"\n(?=\S)", text)
            sections[title] = [re.sub(r"^([\w*]+): ", r"`\1`: ", escaped(entry)) for entry in entries]
        else:
            sections[title] = [text]
    return sections


def first_sentence(thing: Any) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def escaped(text: str) -> str:
    """A text of a docstring as one line of Markdown, with links to the pages that it names."""
    text = re.sub(r"(`?)docs/([\w/-]+\.md)\1", r"[docs/\2](../\2)", " ".join(text.split()))
    return re.sub(r"(`[^`]*`)|([*<])", lambda found: found[1] or f"\\{found[2]}", text)


def written(sections: dict[str, list[str]]) -> Iterator[str]:
    """The sections of a docstring in Markdown."""
    for title, body in sections.items():
        if title in TITLES:
            yield f"{TITLES[title]}:"
            yield "\n".join(f"- {entry}" for entry in body)
        elif title == "Example":
            yield f"```pycon\n{body[0]}\n```"
        elif title == "Returns":
            yield f"Returns: {escaped(body[0])}"
        else:
            yield from body


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(pages())} pages of {FOLDER.relative_to(ROOT)} are as the docstrings say")
