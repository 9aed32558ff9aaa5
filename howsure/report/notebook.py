"""Views for notebooks: a sentence and a small table, as HTML that stands alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from markupsafe import Markup, escape

from howsure.displayed import Displayed
from howsure.report.templates import environment
from howsure.results.result import Result
from howsure.tasks.printed import few_lines_of, id_name_of, kind_of, lead_of
from howsure.tasks.sentences import AnswerRow


@dataclass(frozen=True)
class Cell:
    """A value in a table with a small text after it.

    Attributes:
        value: As text; a dash where it is not defined.
        aside: The small text, such as its interval, or empty.
        best: Whether no other one of its column is better.
        equal: Whether it is not the best, but the rows cannot tell it from the best.
    """

    value: str
    aside: str = ""
    best: bool = False
    equal: bool = False

    def __html__(self) -> str:
        """As pages show it."""
        value = Markup("<strong>{}</strong>").format(self.value) if self.best else escape(self.value)
        mark = Markup('<abbr title="may be as good as the best">≈</abbr> ') if self.equal else ""
        aside = Markup(' <span class="aside">{}</span>').format(self.aside) if self.aside else ""
        return f"{mark}{value}{aside}"


@dataclass(frozen=True)
class TableColumn:
    """A column of a `ViewTable`.

    Attributes:
        name: Its heading.
        cells: Texts, or what makes HTML of itself.
        aside: A small text beside the heading, or empty.
        style: A class of `report.css` for its cells: `numeric` is for numbers, `small` for pictures, whose
            heading is not shown.
    """

    name: str
    cells: Sequence[Any]
    aside: str = ""
    style: str = "numeric"


TextColumn = partial(TableColumn, style="")
"""A column of texts."""


@dataclass(frozen=True)
class ViewTable:
    """A table of a notebook or a page; the first cell of each row is its heading.

    Attributes:
        caption: Title of the table.
        head: Headings of its columns.
        rows: Its cells: texts, or what makes HTML of itself.
        numeric: Numbers of the columns that hold numbers, where `styles` does not say it.
        asides: Small texts beside headings, by number of the column.
        colours: A colour beside each first cell; empty for none.
        styles: Style of the cells, by number of the column; see `TableColumn`.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numeric: Collection[int] = ()
    asides: Mapping[int, str] = field(default_factory=dict)
    colours: Sequence[str] = ()
    styles: Mapping[int, str] = field(default_factory=dict)

    def style_of(self, place: int) -> str:
        """Style of the cells of a column."""
        return "numeric" if place in self.numeric else self.styles.get(place, "")

    @classmethod
    def of(cls, caption: str, columns: Sequence[TableColumn], colours: Sequence[str] = ()) -> ViewTable:
        """A table of columns."""
        return cls(
            caption,
            head=[column.name for column in columns],
            rows=list(zip(*(column.cells for column in columns), strict=True)),
            asides={place: column.aside for place, column in enumerate(columns) if column.aside},
            colours=colours,
            styles={place: column.style for place, column in enumerate(columns)},
        )


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
