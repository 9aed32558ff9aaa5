"""Read csv files as columns; `howsure.inputs.tables` makes rows of them.

A csv file is in UTF-8, with a header, then rows. Options say separator and decimal sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howsure.errors import FileError, InputError
from howsure.inputs.reading import open_native, reading
from howsure.inputs.rows import quoted
from howsure.inputs.tables import Table, is_number
from howsure.words import counted

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_LINE = 2**24
"""Bytes of the longest line: pyarrow reads blocks of this size, and a line must fit into one."""

_SEPARATORS = {";": ";", "\t": "tab", "|": "|"}
"""Usual separators besides the comma, as `separator` takes them."""

_UNEVEN = re.compile(r"Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)
"""Words of pyarrow for a row with more or fewer cells than the header."""

_MISSING = ("?", "-", "--", ".", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "missing", "unknown")
"""Words for a missing value in small letters, which are no names of columns."""


@dataclass(frozen=True)
class CsvForm:
    """The form of csv files.

    Attributes:
        separator: One character between cells.
        decimal: The decimal sign, `.` or `,`.

    Raises:
        InputError: Another separator or decimal sign.
    """

    separator: str = ","
    decimal: str = "."

    def __post_init__(self) -> None:
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in '"\r\n\0':
            raise InputError(
                "The separator of a csv file cannot be used",
                expected="one character, such as , or ; or the word tab",
                received=repr(self.separator),
            )
        if self.decimal not in (".", ","):
            raise InputError(
                "The decimal sign of a csv file cannot be used",
                expected=". or ,",
                received=repr(self.decimal),
            )


def open_csv(
    source: Path, form: CsvForm, texts: Sequence[str], known_names: Sequence[str], columns: Sequence[str]
) -> Table:
    """The columns of a csv file; see `read_csv`."""
    table = read_csv(source, form, texts, known_names, columns)
    names = tuple(table.column_names)

    def as_text(index: int) -> pa.ChunkedArray:
        """A column as the text of its cells, such as `007`."""
        return read_csv(source, form, [names[index]], names).column(index)

    return Table(f"'{source}'", names, tuple(table.columns), table.num_rows, as_text)


def read_csv(
    source: Path,
    form: CsvForm,
    texts: Sequence[str] = (),
    known_names: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> pa.Table:
    """The rows of a csv file as a table, with types as pyarrow infers them.

    Args:
        source: The file.
        form: Its form.
        texts: Names of columns that stay text; names of other files' columns have no effect.
        known_names: Names of classes or features. If all of them are in the first line, it is a header.
        columns: Names of columns that may be there. One that is in the first line, and no number, shows that
            it is a header.

    Raises:
        FileError: The file is missing, or not text in UTF-8.
        InputError: It has no header, two columns with the same name, or rows of different length.
    """
    import pyarrow as pa

    types = dict.fromkeys(texts, pa.string())
    table = _read_with_pyarrow(source, form, types)
    if table.num_columns == 1:  # where an empty line is an empty cell
        _check_separator(source, form, table.column_names[0])
        table = _read_with_pyarrow(source, form, types, ignore_empty_lines=False)
    _check_header(source, table.column_names, known_names, columns)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_binary(column.type):
            raise _not_utf8(source, f" in column '{name}'")
    return table


def _read_with_pyarrow(
    source: Path,
    form: CsvForm,
    types: dict[str, Any],
    *,
    ignore_empty_lines: bool = True,
) -> pa.Table:
    """The table in a file, as `pyarrow.csv.read_csv` reads it with these options."""
    import pyarrow as pa
    import pyarrow.csv

    parse = pa.csv.ParseOptions(
        delimiter=form.separator, newlines_in_values=True, ignore_empty_lines=ignore_empty_lines
    )
    convert = pa.csv.ConvertOptions(column_types=types, decimal_point=form.decimal)
    with reading(source, "csv"):
        try:
            with open_native(source) as file:
                read = pa.csv.ReadOptions(block_size=_LONGEST_LINE)
                table = pa.csv.read_csv(file, read, parse, convert)
        except pa.ArrowInvalid as error:
            raise _in_our_words(source, error) from error
        if any("\0" in name for name in table.column_names):
            raise _not_utf8(source)
    return table


def _in_our_words(source: Path, error: Exception) -> Exception:
    """The error of pyarrow in the words of howsure, as far as it is known."""
    message = str(error)
    uneven = _UNEVEN.search(message)
    if "\0" in message or "UTF8" in message:
        return _not_utf8(source)
    if uneven is not None:
        expected, received, text = uneven.groups()
        return InputError(
            f"A row of '{source}' has {counted(int(received), 'cell')}",
            expected=f"{expected}, as in the header",
            received=text[:80],
            hint="Put cells that contain the separator between quotation marks, or name another separator "
            "with `separator`",
        )
    if "Empty CSV" in message:
        return InputError(
            f"'{source}' holds no header", expected="a line with the names of the columns, then rows"
        )
    if "straddling" in message:
        return InputError(
            f"'{source}' has a line that is too long",
            expected=f"at most {_LONGEST_LINE:,} bytes in a line",
            hint="Give the rows as a .parquet file, or close a quotation mark that was left open",
        )
    return error


def _not_utf8(source: Path, where: str = "") -> FileError:
    return FileError(f"'{source}' is not text in UTF-8{where}", hint="Save it as UTF-8")


def _check_separator(source: Path, form: CsvForm, name: str) -> None:
    """Raise an `InputError` if the only column has another separator in its name."""
    other = next((mark for mark in _SEPARATORS if mark in name and mark != form.separator), None)
    if other is not None:
        raise InputError(
            f"'{source}' has one column, and its name contains another separator",
            expected=f"cells separated by {form.separator!r}",
            received=name[:80],
            hint=f"On the command line: --set separator='{_SEPARATORS[other]}'. "
            f"In Python, give `pandas.read_csv(path, sep={other!r})`",
        )


def _check_header(
    source: Path, names: Sequence[str], known_names: Sequence[str], columns: Sequence[str]
) -> None:
    """Raise an `InputError` if a name is there twice, or if the first line may be a row."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"'{source}' has {names.count(twice)} columns '{twice}'",
            expected="a name of its own for every column",
            received=f"columns {quoted(names)}",
        )
    values = [name for name in names if _is_value(name)]
    has_all_known = bool(known_names) and set(known_names) <= set(names)
    has_a_known_column = any(name in columns and not _is_value(name) for name in names)
    has_an_index = not names[0] and values == [str(number) for number in range(len(names) - 1)]
    if (any(names) and not values) or has_all_known or has_a_known_column or has_an_index:
        return
    raise InputError(
        f"The first line of '{source}' may be a row and no header: it holds values",
        expected="a line with the names of the columns, then rows",
        received=", ".join(names)[:80],
        hint="Write names above the rows. If classes are called so, give them as --class-names",
    )


def _is_value(cell: str) -> bool:
    """True if a cell of the first line is a number, a truth value, or a word for a missing value."""
    text = cell.strip().lower()
    return text in (*_MISSING, "true", "false") or is_number(text.replace(",", "."))
