"""Read csv and Parquet files as columns; `howsure.data.tables` makes rows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.data.align import Called
from howsure.data.by_name import ANY, lone_class, only_count, places_of_names
from howsure.data.csv_form import CSV, Form, first_lines, form_of, kind_of, opened, read_lines
from howsure.data.ids import ID
from howsure.data.reading import open_native, reading
from howsure.data.rows import TEXT, Array, InputSpec, Rows, counted, in_rows, quoted
from howsure.data.tables import LABELS, TEXTS, Roles, Table, as_found, called_in, labels_of, rows_of
from howsure.errors import InputError, warn

if TYPE_CHECKING:
    import pyarrow as pa
import re

from howsure.data.csv_form import first_text
from howsure.data.tables import is_number

_BYTES_PER_CELL = 64
_LABEL_COLUMN = f"If one of them is the label, call it '{LABELS}', or name it with `--label-column`"


def read_table(source: Path, inputs: Sequence[InputSpec], roles: Roles) -> Rows:
    """Rows from a csv or Parquet file; see `rows_of`.

    Raises:
        FileError: The file is damaged.
        InputError: Text, empty cells, lines or lists of different length, a wrong number of columns.
    """
    names = [spec.name for spec in inputs]
    texts = [spec.name for spec in inputs if spec.dtype == TEXT]
    if kind_of(source) == CSV:
        table = _open_csv(source, [*texts, *TEXTS] if texts == names else texts)
    else:
        table = _open_parquet(source)
    return rows_of(table, inputs, roles)


def read_label_column(
    source: Path, label: str | None = None, identity: str | None = None, names: Sequence[str] = ()
) -> tuple[Array, Called, tuple[Array, ...]]:
    """(N,) true answers of a csv file, as found, and what their rows are called; or (N, K) of several.

    The third are the values of each other column that may hold ids: texts or whole numbers, each of one row.

    Labels are in the named column; in `y`, `label` or another of the names `ANY`; in columns with names that
    the caller knows; or in the only column beside ids. Ids are in the named column, if it exists, in `id`, or
    in a first column without a name unless it only counts. Without known names, several labels are 0 or 1, or
    True or False, in every column, and several numbers have decimals.

    A first line of text is a header, unless a single column contains the same text again; then it is a class.

    Args:
        source: The file.
        label: Name of the column of labels, or None.
        identity: Name of the column of ids, or None.
        names: Names of the classes, labels or numbers, in the order in which their columns are wanted.

    Raises:
        FileError: The file is damaged.
        InputError: Several columns could hold the labels; an empty cell.
    """
    table = _open_csv(source, header=None if label is None else True)
    if label is None and len(table.names) == 1:
        found, name = labels_of(table, 0), table.names[0]
        again = found.dtype.kind == "U" and name in found
        return (np.array([name, *found.tolist()]) if again else _of_class(found, name, names)), Called(), ()
    if label is None and not set(names) <= set(table.names):
        label = next((name for name in ANY if table.names.count(name) == 1 and name not in names), None)
    named = next((name for name in (identity, ID) if name in table.names and name != label), None)
    place, ids_at, rest = Roles(label, named).of(table, None)
    called = called_in(table, ids_at)
    if place is None and len(rest) == 1:
        (place,) = rest
    if place is not None:
        others = tuple(_distinct(table, [at for at in rest if at != place]))
        return _of_class(labels_of(table, place), table.names[place], names), called, others
    there = [table.names[number] for number in rest]
    places = places_of_names(names, there)
    known = bool(names) and None not in places
    if known:
        rest = [rest[at] for at in places if at is not None]
    elif not only_count(names or None) and len(rest) == len(names) and not all(map(str.isdecimal, there)):
        raise InputError(
            f"The columns of '{source}' are not called like the classes, labels or numbers",
            expected=f"a column for each of {quoted(names)}",
            received=quoted(there),
        )
    columns = [as_found(table, number) for number in rest]
    if all(each.dtype.kind in "biuf" for each in columns):
        yes_or_no = all(np.isin(each, (0, 1)).all() for each in columns)
        decimals = any(each.dtype.kind == "f" and np.any(each != np.round(each)) for each in columns)
        if known or yes_or_no or decimals:
            return np.stack(columns, axis=1), called, ()
    texts = [table.names[n] for n, each in zip(rest, columns, strict=True) if each.dtype.kind not in "biuf"]
    raise InputError(
        f"'{source}' does not say which column holds the labels",
        expected=f"one column named '{LABELS}'; or a column of 0 and 1 for each label; or a column for each "
        "number of a row, named like it",
        received=f"columns {quoted(table.names)}",
        hint=f"Name it: on the command line --label-column {(texts or [LABELS])[0]}",
    )


def _distinct(table: Table, among: Sequence[int]) -> Iterator[Array]:
    """The values of each column among some that holds another text or whole number in every row."""
    import pyarrow as pa

    for column in (table.columns[at] for at in among):
        may_be = (pa.types.is_integer(column.type) or pa.types.is_string(column.type)) and len(column)
        if may_be and not column.null_count and len(column.unique()) == len(column):
            yield np.asarray(column.to_pylist(), dtype=object)


def _of_class(labels: Array, column: str, names: Sequence[str]) -> Array:
    """Names of classes, where a column is called as one of them and not by its number."""
    return labels if column.isdecimal() or only_count(names or None) else lone_class(labels, column, names)


def open_columns(source: Path, named: Sequence[str] = ()) -> tuple[Table, bool]:
    """All columns of a csv or Parquet file of probabilities, and True if they have names.

    A first line 0, 1, 2, … names classes, since it is no distribution; 0, 1 could be one.

    Args:
        source: The file.
        named: Column names that the caller knows: a first line that contains all of them is a header.

    Raises:
        FileError: The file is damaged.
        InputError: Lines of different length, or a first line that may be a header or a row.
    """
    if kind_of(source) != CSV:
        return _open_parquet(source), True
    form = form_of(source)
    first = next(iter(first_lines(source, form, 1)), [])
    header = counts_classes(first) or (bool(first) and is_header(source, form, first, named, of_classes=True))
    return _open_csv(source, header=header, percent=True), header


def read_named(source: Path, features: Sequence[str], roles: Roles | None = None) -> Rows:
    """The rows of a csv or Parquet file as a pyarrow table, for a model that takes columns by name.

    Args:
        source: The file, with column names.
        features: Names of the columns that the model takes, even if they are called `y` or `id`.
        roles: Purposes of columns that are no features, if they are not called `y` and `id`.

    Returns:
        Rows without the columns of labels and ids: `y` and `id`, unless these are among the features.

    Raises:
        FileError: The file is missing or damaged.
        InputError: Two columns with the same name, or empty cells among labels or ids.
    """
    import pyarrow as pa

    table = _open_csv(source, header=True) if kind_of(source) == CSV else _open_parquet(source)
    for name in features:
        if table.names.count(name) > 1:
            table.number(name, "for the model")
    asked = Roles() if roles is None else roles
    usual = {name for name in (LABELS, ID) if name in features and name not in (asked.label, asked.id)}
    *found, rest = asked.of(table, None)
    kept = [place for place in found if place is not None and table.names[place] in usual]
    label, identity = (None if place in kept else place for place in found)
    columns = sorted([*rest, *kept])
    frame = pa.table(
        [table.columns[place] for place in columns], names=[table.names[place] for place in columns]
    )
    labels = None if label is None else labels_of(table, label)
    return Rows(frame, labels, **vars(called_in(table, identity)))


def _left_out(names: Sequence[str]) -> str:
    """How to leave out columns of a file, in words."""
    return f"`--drop {','.join(names)}`"


# --- opening --------------------------------------------------------------------------------------


def _open_parquet(source: Path) -> Table:
    import pyarrow.parquet as pq

    with reading(source, "Parquet"):
        with open_native(source) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            table = file.read()
            if len(table) != file.metadata.num_rows:
                raise ValueError(f"it ends after {len(table)} rows, and its footer says more")
        table.validate(full=True)
    return parquet_columns(source, table)


def parquet_columns(source: Path, table: pa.Table) -> Table:
    """The content of a Parquet file as columns; tensor columns become lists.

    Args:
        source: The file, for messages.
        table: All of its rows, or some.

    Raises:
        InputError: Tensors that are stored with their axes in another order.
    """
    import pyarrow as pa

    def plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = column.type
        if not isinstance(kind, pa.BaseExtensionType):
            return column
        permutation = getattr(kind, "permutation", None)
        if permutation is not None and permutation != [*range(len(permutation))]:
            # pyarrow 26 writes and reads some of them in two different orders.
            raise InputError(
                f"Column '{name}' of '{source}' holds tensors whose axes are stored in another order",
                expected="tensors in C order, without a permutation of axes",
                received=f"permutation {permutation}",
                hint="Write the column from numpy.ascontiguousarray(x): a transposed view keeps its order",
            )
        return pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)

    return Table(
        f"'{source}'",
        tuple(table.column_names),
        tuple(map(plain, table.column_names, table.columns)),
        table.num_rows,
        lambda rows: in_rows(len(rows), rows[:5]),
        _left_out,
        _LABEL_COLUMN,
    )


def _open_csv(
    source: Path, texts: Sequence[str] = (), *, header: bool | None = None, percent: bool = False
) -> Table:
    """A csv file as a table; columns with names in `texts` stay text.

    Args:
        source: The file.
        texts: Names of columns.
        header: True if names come first, False if not; None to find out.
        percent: True divides columns of numbers with a percent sign by 100.
    """
    import pyarrow as pa
    import pyarrow.csv

    form = form_of(source)
    first = next(iter(first_lines(source, form, 1)), None)
    if first is None:
        raise InputError(f"'{source}' is empty", expected="lines of numbers separated by commas")
    has_header = bool(texts) or (is_header(source, form, first) if header is None else header)
    if len(first) == 1:
        _check_no_gap(source, form)
    names = first if has_header else [str(number + 1) for number in range(len(first))]
    options = pa.csv.ReadOptions(
        column_names=None if has_header else names,
        block_size=max(2**20, _BYTES_PER_CELL * len(first)),  # the longest line must fit
        encoding=form.encoding,
    )

    def read(types: dict[str, Any]) -> Any:
        with opened(source, form) as file:
            return pa.csv.read_csv(
                file,
                read_options=options,
                parse_options=pa.csv.ParseOptions(delimiter=form.separator, newlines_in_values=True),
                convert_options=pa.csv.ConvertOptions(column_types=types, decimal_point=form.decimal),
            )

    try:
        table = read(dict.fromkeys(texts, pa.string()))
    except (pa.ArrowException, OSError) as error:
        for line, cells in read_lines(source, form):
            if cells and len(cells) != len(first):
                raise InputError(
                    f"Line {line} of '{source}' has {counted(len(cells), 'cell')}",
                    expected=f"{len(first)}, as in the first line",
                ) from error
        with reading(source, "csv"):
            raise error
    form.said(source)
    columns = list(table.columns)
    if percent:
        before = [column.type for column in columns]
        columns = [_without_sign(column, form) for column in columns]
        if before != [column.type for column in columns]:
            warn(f"The numbers of '{source.name}' with a percent sign are divided by 100.")

    def place(rows: Sequence[int]) -> str:
        lines = [line for line, cells in read_lines(source, form) if cells][1 if has_header else 0 :]
        shown = ", ".join(str(lines[row]) for row in rows[:5])
        if len(rows) == 1:
            return f"in line {shown}"
        return f"in {len(rows)} lines: {shown}{', …' if len(rows) > 5 else ''}"

    def as_text(index: int) -> Any:
        return read({**dict.fromkeys(texts, pa.string()), names[index]: pa.string()}).column(index)

    return Table(
        f"'{source}'", tuple(names), tuple(columns), table.num_rows, place, _left_out, _LABEL_COLUMN, as_text
    )


def _without_sign(column: Any, form: Form) -> Any:
    """A column of texts such as `2.7%` as numbers, here 0.027; any other column unchanged."""
    import pyarrow as pa
    import pyarrow.compute

    if not pa.types.is_string(column.type) or not len(column) or not str(column[0]).strip().endswith("%"):
        return column
    texts = pa.compute.utf8_trim_whitespace(column)
    numbers = pa.compute.utf8_trim_whitespace(pa.compute.utf8_rtrim(texts, "%"))
    if form.decimal == ",":
        numbers = pa.compute.replace_substring(numbers, ",", ".")
    if not pa.compute.all(pa.compute.ends_with(texts, "%")).as_py():
        return column
    try:
        return pa.compute.divide(numbers.cast(pa.float64()), 100.0)
    except pa.ArrowInvalid:
        return column


def _check_no_gap(source: Path, form: Form) -> None:
    """Raise for an empty line in a single column: it would be lost, and shift the rows after it."""
    empty = None
    for line, cells in read_lines(source, form):
        if cells and empty is not None:
            raise InputError(f"Line {empty} of '{source}' is empty", expected="a value in every line")
        empty = empty if cells or empty is not None else line


# --- header lines of csv ------------------------------------------------------------------------------
# Decide whether the first line of a csv file is a header or a row; an error if it may be either.
#
# Only names: a header. Only numbers: a row. Numbers with `?` or `NA` for missing values: a row. Names beside
# numbers are a header in three cases: the numbers are quoted and those below are not; the numbers count the
# columns; or the numbers may be classes, such as 2 and 4, and a name is above numbers. Otherwise the line is
# ambiguous.


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
