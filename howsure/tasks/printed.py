"""A whole result in words, for `print`, notebooks and the terminal.

A kind may bring a sentence about all its rows (`lead`), lines about those to look at first (`lines`), and a
paragraph about how they came out (`summary`). For a kind without these parts, rows are counted and printed in
their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from howsure.inputs.align import ID
from howsure.tasks.sentences import called
from howsure.tasks.task import ability_or
from howsure.words import counted

FEW_ROWS = 10
"""Up to so many rows are all printed, in their order."""

MOST_UNDECIDED = 5
"""If there are more rows, so many are printed."""


@dataclass(frozen=True)
class Line:
    """The sentence about a row, or about one label of a row.

    Attributes:
        row: Number of the row in the input, from 0.
        id: The caller's name for it, or None.
        called: Its name in a text.
        said: The answer of the model.
        truth: The true answer, or None if it is not given.
    """

    row: int
    id: int | str | None
    called: str
    said: str
    truth: str | None = None

    def __str__(self) -> str:
        return f"{self.called}: {self.said}" + (f" Truth: {self.truth}." if self.truth is not None else "")


@dataclass(frozen=True)
class Lines:
    """Lines about some rows, or answers, and which these are: `The 5 most undecided images`."""

    which: str
    lines: tuple[Line, ...]


def kind_of(result: Any) -> str:
    """Name of one row of a result in sentences, `image` or `row`."""
    return str(getattr(result, "kind", "row"))


def id_name_of(result: Any) -> str | None:
    """The caller's name for the ids of the rows; None if they have none."""
    return None if result.ids is None else str(result.id_name)


def lead_of(result: Any) -> str:
    """A result in one sentence, and one about the rows that rules hand over."""
    return f"{_lead(result)} {handed_over_in_words(result)}".rstrip()


def handed_over_in_words(result: Any) -> str:
    """How many rows rules hand over, a sentence; empty if no rules did."""
    if getattr(result, "hand_over", None) is None:
        return ""
    rows = counted(len(result), kind_of(result))
    return f"The rules hand {int(result.hand_over.sum()):,} of {rows} to a person."


def summary_of(result: Any) -> str:
    """How a result came out, a paragraph."""
    return f"{ability_or(result, 'summary', _lead)(result)} {handed_over_in_words(result)}".rstrip()


def lines_of(result: Any, count: int | None = None) -> Lines:
    """Lines about all rows in their order, or about at most `count` rows to look at first."""
    found: Lines = ability_or(result, "lines", _in_order)(result, count)
    return found


def few_lines_of(result: Any) -> Lines:
    """Lines about all rows if there are few, else about those to look at first."""
    return lines_of(result, None if len(result) <= FEW_ROWS else MOST_UNDECIDED)


def text_of(result: Any) -> str:
    """A line for each of few rows; of more, a sentence about all and lines about those to look at first."""
    told = few_lines_of(result)
    said = [str(line) for line in told.lines]
    if 0 < len(result) <= FEW_ROWS:
        return "\n".join(said)
    heading = lead_of(result)
    return "\n".join([f"{heading} {told.which}:", *said]) if said else heading


def _lead(result: Any) -> str:
    said: str = ability_or(result, "lead", _counted)(result)
    return said


def _counted(result: Any) -> str:
    rows, kind = len(result), kind_of(result)
    return f"There {'is' if rows == 1 else 'are'} {counted(rows, kind)}." if rows else NONE.format(kind)


NONE = "There were no {}s to assess."


def _in_order(result: Any, count: int | None) -> Lines:
    kind, id_name = kind_of(result), id_name_of(result)
    lines = []
    for position in range(len(result) if count is None else min(count, len(result))):
        number = int(result.row[position])
        id = None if id_name is None else result.ids[position]
        lines.append(Line(number, id, called(kind, number, id, id_name or ID), str(result[position])))
    which = f"All {kind}s" if len(lines) == len(result) else f"The first {counted(len(lines), kind)}"
    return Lines(which, tuple(lines))
