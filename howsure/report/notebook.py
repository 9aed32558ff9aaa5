"""Views for notebooks: a sentence and a small table, as HTML that stands alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from howsure.displayed import Displayed
from howsure.report.templates import environment
from howsure.results.result import Result
from howsure.tasks.printed import few_lines_of, id_name_of, kind_of, lead_of
from howsure.tasks.sentences import AnswerRow


@dataclass(frozen=True)
class ViewTable:
    """A table of a notebook or a page; the first cell of each row is its heading.

    Attributes:
        caption: Title of the table.
        head: Headings of its columns.
        rows: Its cells: texts, or what makes HTML of itself.
        numeric: Numbers of the columns that hold numbers.
        asides: Small texts beside headings, by number of the column.
        colours: A colour beside each first cell; empty for none.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numeric: Collection[int] = ()
    asides: Mapping[int, str] = field(default_factory=dict)
    colours: Sequence[str] = ()


@dataclass(frozen=True)
class View:
    """The view of an object: paragraphs, a table below them, and below it a text that keeps its lines."""

    said: Sequence[str]
    table: ViewTable | None = None
    printed: str = ""


def html_of(shown: Displayed) -> str:
    """A result, a row of one, a comparison, an audit or an evaluation for a notebook.

    Returns:
        HTML without script or style sheet, some thousand characters. All texts in it are escaped.
    """
    if isinstance(shown, Result):
        view = of_result(shown)
    elif isinstance(shown, AnswerRow):
        view = View([f"{shown.called}: {shown}"])
    else:
        view = View([], printed=str(shown))
    return environment().get_template("notebook.html.j2").render(vars(view))


def of_result(result: Any) -> View:
    """A result of any kind: a sentence about all rows, and those to look at first."""
    few = few_lines_of(result)
    if not few.lines:
        return View([lead_of(result)])
    head = [id_name_of(result) or kind_of(result), "what the model says"]
    rows = [[str(line.row if line.id is None else line.id), line.said] for line in few.lines]
    if few.lines[0].truth is not None:
        head.append("truth")
        for cells, line in zip(rows, few.lines, strict=True):
            cells.append(str(line.truth))
    return View([lead_of(result)], ViewTable(few.which, head, rows))
