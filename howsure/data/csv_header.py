"""Decide whether the first line of a csv file is a header or a row; an error if it may be either.

Only names: a header. Only numbers: a row. Numbers with `?` or `NA` for missing values: a row. Names beside
numbers are a header in three cases: the numbers are quoted and those below are not; the numbers count the
columns; or the numbers may be classes, such as 2 and 4, and a name is above numbers. Otherwise the line is
ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from howsure.data.csv_form import Form, first_lines, first_text
from howsure.data.ids import ID
from howsure.data.tables import LABELS, is_number
from howsure.errors import InputError

_MISSING = ("?", "-", "--", ".", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "missing", "unknown")
"""Texts that mean a missing value when they are beside numbers."""

_WHOLE = re.compile(r"0|-?[1-9][0-9]*")

_LOOKED_AT = 20
"""Number of lines that show what a column contains."""

_MANY = 3
"""Least length of a count of columns that is no chance."""


def counts_classes(first: Sequence[str]) -> bool:
    """True if a first line can only be class numbers, perhaps after an index without a name."""
    filled = [cell.strip() for cell in first if cell.strip()]
    counting = filled == [str(number) for number in range(len(filled))]
    return counting and len(filled) > 1 and (len(filled) > 2 or not first[0].strip())


def is_header(
    source: Path, form: Form, cells: Sequence[str], named: Sequence[str] = (), *, of_classes: bool = False
) -> bool:
    """True if the first line of a csv file is a header.

    Args:
        source: The file.
        form: Its form.
        cells: Cells of the first line.
        named: Column names that the caller knows.
        of_classes: True if columns are named after classes, which may be any whole numbers.

    Raises:
        InputError: It may be a header or a row.
    """
    stripped = [cell.strip() for cell in cells]
    filled = [cell for cell in stripped if cell]
    numbers = [cell for cell in filled if _is_number(cell, form)]
    texts = [cell for cell in filled if not _is_number(cell, form)]
    if named and len(set(filled)) == len(filled) and set(named) <= set(filled):
        return True
    if not filled or (texts and not numbers):
        return not texts or any(text.lower() not in _MISSING for text in texts)
    if numbers and all(text.lower() in _MISSING for text in texts):
        if not texts and len(filled) > 1 and filled == [str(number) for number in range(len(filled))]:
            raise _of_numbers(source, filled)
        return bool(not texts and _only_first_is_quoted(source, form, numbers))
    if _only_first_is_quoted(source, form, numbers) or _count_columns(stripped, numbers):
        return True
    if of_classes and len(set(numbers)) == len(numbers) and all(map(_WHOLE.fullmatch, numbers)):
        below = first_lines(source, form, _LOOKED_AT)[1:]
        if any(_is_name(place, form, stripped, below) for place in range(len(stripped))):
            return True
    raise InputError(
        f"The first line of '{source}' may be a header or a row: some of its cells are numbers",
        expected="a header of names, or of names beside columns that are numbered in order; or a row of "
        "numbers only",
        received=f"{texts[0]!r} beside {numbers[0]!r}",
        hint="Name the columns, and give numbers in every cell of the rows"
        if not of_classes
        else f"If it is a header, name the classes, as --class-names does: {','.join(numbers)}; "
        "if it is a row, write a header above it",
    )


def _of_numbers(source: Path, filled: Sequence[str]) -> InputError:
    return InputError(
        f"The first line of '{source}' may be a header of column numbers or a row",
        expected="a header of names, or a first row that cannot be mistaken for column numbers",
        received=", ".join(filled[:4]) + (", …" if len(filled) > 4 else ""),
        hint="Name the columns; pandas writes no header with `to_csv(index=False, header=False)`",
    )


def _is_number(cell: str, form: Form) -> bool:
    plain = cell.replace(",", ".") if form.decimal == "," else cell
    return is_number(plain.removesuffix("%"))


def _count_columns(cells: Sequence[str], numbers: Sequence[str]) -> bool:
    """True if the numbers in a first line count columns: many of them, or beside `y` or `id`."""
    counting = [[str(start + place) for place in range(len(numbers))] for start in (0, 1)]
    return numbers in counting and (len(numbers) >= _MANY or not {LABELS, ID}.isdisjoint(cells))


def _is_name(place: int, form: Form, cells: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """True if a cell of the first line is a text above numbers only."""
    column = [line[place].strip() for line in below if place < len(line)]
    known = [each for each in column if each and each.lower() not in _MISSING]
    text = bool(cells[place]) and not _is_number(cells[place], form)
    return text and bool(known) and all(_is_number(each, form) for each in known)


def _only_first_is_quoted(source: Path, form: Form, numbers: Sequence[str]) -> bool:
    """True if numbers in the first line are quoted, and no number in the next line is."""
    first, *others = first_text(source, form, 2)
    unquoted = not others or re.search(r'"[-+0-9.,eE% ]+"', others[0]) is None
    return unquoted and all(f'"{number}"' in first for number in numbers)
