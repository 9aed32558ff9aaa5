"""Views for notebooks: a sentence and a small table, as HTML that stands alone."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from howsure.answers.printed import few_lines_of, id_name_of, kind_of, lead_of
from howsure.audit import Audit
from howsure.compare.comparison import Comparison
from howsure.compare.findings import lead as comparison_lead
from howsure.compare.printed import head_of, lines_of
from howsure.on_first_use import Displayed
from howsure.report.templates import environment
from howsure.words import counted


@dataclass(frozen=True)
class ViewTable:
    """A small table; the first cell of each row is its heading.

    Attributes:
        caption: Title of the table.
        head: Headings of its columns.
        rows: Its cells, as texts.
        numeric: Numbers of the columns that hold numbers.
        strong: (row, column) of the cells in bold.
        bars: A length for each row, in per cent, or None.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Collection[int] = ()
    strong: Collection[tuple[int, int]] = ()
    bars: Sequence[float] | None = None


@dataclass(frozen=True)
class View:
    """The view of an object: paragraphs, tables below them, and below these a text that keeps its lines."""

    said: Sequence[str]
    tables: Sequence[ViewTable] = ()
    printed: str = ""


def html_of(shown: Displayed) -> str:
    """A result, a row of one, a comparison, an audit or an evaluation for a notebook.

    Returns:
        HTML without script or style sheet, some thousand characters. All texts in it are escaped.
    """
    view = pkgutil.resolve_name(type(shown).in_notebooks)(shown)
    return environment().get_template("notebook.html.j2").render(vars(view))


def of_anything(shown: Any) -> View:
    """The view of an object without a view of its own: as it prints."""
    return View([], printed=str(shown))


def of_row(row: Any) -> View:
    """A row of a result: its name and its sentences."""
    return View([f"{row.called}: {row}"])


def of_result(result: Any) -> View:
    """A result of any kind: a sentence about all rows, and those to look at first."""
    told = few_lines_of(result)
    if not told.lines:
        return View([lead_of(result)])
    head = [id_name_of(result) or kind_of(result), "what the model says"]
    rows = [[str(line.row if line.id is None else line.id), line.said] for line in told.lines]
    if told.lines[0].truth is not None:
        head.append("truth")
        for cells, line in zip(rows, told.lines, strict=True):
            cells.append(str(line.truth))
    return View([lead_of(result)], [ViewTable(told.which, head, rows)])


def of_comparison(comparison: Comparison) -> View:
    """The answer in a few sentences, what was noticed, and the short table."""
    lines = lines_of(comparison)
    head = head_of(comparison)
    rows = [[line.method, *line.values] for line in lines]
    strong = {(i, j + 1) for i, line in enumerate(lines) for j, best in enumerate(line.best) if best}
    caption = f"Scores on {counted(comparison.rows, comparison.kind)}"
    if strong:
        caption += "; bold is the best of its column, perhaps by chance"
    table = ViewTable(caption, head, rows, numeric=range(1, len(head)), strong=strong)
    return View([comparison_lead(comparison), *comparison.noticed], [table])


def of_audit(audit: Audit) -> View:
    """The random layers, and every layer."""
    rows = [
        [layer.name, layer.kind, layer.random or layer.note or "", "every pass" if layer.repeated else "once"]
        for layer in audit.layers
    ]
    said = [audit.in_words]
    if audit.plan is not None:
        said.append(f"The plan: {audit.plan}")
    said += [f"Not switched on: {warning}" for warning in audit.warnings]
    if audit.advice:
        said.append(audit.advice)
    caption = f"Layers of {audit.model} on {audit.backend}"
    strong = {(i, 2) for i, layer in enumerate(audit.layers) if layer.random}
    head = ["layer", "kind", "random", "computed"]
    return View(said, [ViewTable(caption, head, rows, strong=strong)] if rows else [])
