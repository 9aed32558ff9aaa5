"""Read csv and Parquet files as columns; `howsure.inputs.tables` makes rows of them.

A csv file is in UTF-8, with a header, then rows. Options say separator and decimal sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import FileError, InputError
from howsure.inputs.align import ID, RowNames
from howsure.inputs.by_name import ANY, check_no_lone_class, only_count, places_of_names
from howsure.inputs.reading import open_native, reading
from howsure.inputs.rows import TEXT, Array, InputSpec, Rows, quoted
from howsure.inputs.tables import (
    LABELS,
    TEXTS,
    Roles,
    Table,
    is_number,
    labels_of,
    names_in_column,
    rows_of,
    values_of,
)
from howsure.words import counted

if TYPE_CHECKING:
    import pyarrow as pa

CSV, PARQUET, NPY, NPZ = ".csv", ".parquet", ".npy", ".npz"
"""Endings of files of rows that are no images."""

_LONGEST_LINE = 2**24
"""Bytes of the longest line: pyarrow reads blocks of this size, and a line must fit into one."""

_SEPARATORS = {";": ";", "\t": "tab", "|": "|"}
"""Usual separators besides the comma, as `separator` takes them."""

_UNEVEN = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)
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


def read_table(source: Path, inputs: Sequence[InputSpec], roles: Roles, form: CsvForm) -> Rows:
    """Rows from a csv file of a form, or from a Parquet file; see `rows_of`.

    Raises:
        FileError: The file is damaged.
        InputError: Text, empty cells, lines or lists of different length, a wrong number of columns.
    """
    names = [spec.name for spec in inputs]
    texts = [spec.name for spec in inputs if spec.dtype == TEXT]
    table = open_columns(source, form, roles, [*texts, *TEXTS] if texts == names else texts)
    return rows_of(table, inputs, roles)


def read_label_column(
    source: Path,
    form: CsvForm,
    label: str | None = None,
    identity: str | None = None,
    names: Sequence[str] = (),
) -> tuple[Array, RowNames, tuple[Array, ...]]:
    """(N,) true answers of a csv file, as found, and what their rows are called; or (N, K) of several.

    The third are the values of each other column that may hold ids: texts or whole numbers, each of one row.

    Labels are in the named column; in `y`, `label` or another of the names `ANY`; in columns with names that
    the caller knows; or in the only column beside ids. Ids are in the named column, if it exists, in `id`, or
    in a first column without a name unless it only counts. Without known names, several labels are 0 or 1, or
    True or False, in every column, and several numbers have decimals.

    Args:
        source: The file.
        form: Its form.
        label: Name of the column of labels, or None.
        identity: Name of the column of ids, or None.
        names: Names of the classes, labels or numbers, in the order in which their columns are wanted.

    Raises:
        FileError: The file is damaged.
        InputError: Several columns could hold the labels; an empty cell.
    """
    table = open_columns(
        source, form, Roles(label, identity), known_names=() if only_count(names or None) else names
    )
    if label is None and len(table.names) == 1:
        return _check_lone_class(labels_of(table, 0), table.names[0], names), RowNames(), ()
    if label is None and not set(names) <= set(table.names):
        label = next((name for name in ANY if table.names.count(name) == 1 and name not in names), None)
    named = next((name for name in (identity, ID) if name in table.names and name != label), None)
    place, ids_at, rest = Roles(label, named).of(table, None)
    called = names_in_column(table, ids_at)
    if place is None and len(rest) == 1:
        (place,) = rest
    if place is not None:
        others = tuple(_columns_of_possible_ids(table, [at for at in rest if at != place]))
        return _check_lone_class(labels_of(table, place), table.names[place], names), called, others
    column_names = [table.names[number] for number in rest]
    places = places_of_names(names, column_names)
    by_name = bool(names) and None not in places
    if by_name:
        rest = [rest[at] for at in places if at is not None]
    elif (
        not only_count(names or None)
        and len(rest) == len(names)
        and not all(map(str.isdecimal, column_names))
    ):
        raise InputError(
            f"The columns of '{source}' are not called like the classes, labels or numbers",
            expected=f"a column for each of {quoted(names)}",
            received=quoted(column_names),
        )
    columns = [values_of(table, number) for number in rest]
    if all(column.dtype.kind in "biuf" for column in columns):
        yes_or_no = all(np.isin(column, (0, 1)).all() for column in columns)
        decimals = any(column.dtype.kind == "f" and np.any(column != np.round(column)) for column in columns)
        if by_name or yes_or_no or decimals:
            return np.stack(columns, axis=1), called, ()
    texts = [
        table.names[n] for n, column in zip(rest, columns, strict=True) if column.dtype.kind not in "biuf"
    ]
    raise InputError(
        f"'{source}' does not say which column holds the labels",
        expected=f"one column named '{LABELS}'; or a column of 0 and 1 for each label; or a column for each "
        "number of a row, named like it",
        received=f"columns {quoted(table.names)}",
        hint=f"Name it: on the command line --set label_column={(texts or [LABELS])[0]}",
    )


def _columns_of_possible_ids(table: Table, among: Sequence[int]) -> Iterator[Array]:
    """The values of each column among some that holds another text or whole number in every row."""
    import pyarrow as pa

    for column in (table.columns[at] for at in among):
        may_be = (pa.types.is_integer(column.type) or pa.types.is_string(column.type)) and len(column)
        if may_be and not column.null_count and len(column.unique()) == len(column):
            yield np.asarray(column.to_pylist(), dtype=object)


def _check_lone_class(labels: Array, column: str, names: Sequence[str]) -> Array:
    """The same labels; an `InputError` where a column of yes and no is called as one of the classes."""
    if not only_count(names or None):
        check_no_lone_class(labels, column, names)
    return labels


def read_named(source: Path, features: Sequence[str], roles: Roles, form: CsvForm) -> Rows:
    """The rows of a csv or Parquet file as a pyarrow table, for a model that takes columns by name.

    Args:
        source: The file, with column names.
        features: Names of the columns that the model takes, even if they are called `y` or `id`.
        roles: Purposes of columns that are no features, if they are not called `y` and `id`.
        form: The form of a csv file.

    Returns:
        Rows without the columns of labels and ids: `y` and `id`, unless these are among the features.

    Raises:
        FileError: The file is missing or damaged.
        InputError: Two columns with the same name, or empty cells among labels or ids.
    """
    import pyarrow as pa

    table = open_columns(source, form, roles, known_names=features)
    for name in features:
        if table.names.count(name) > 1:
            table.number(name, "for the model")
    usual = {name for name in (LABELS, ID) if name in features and name not in (roles.label, roles.id)}
    *places, rest = roles.of(table, None)
    feature_places = [place for place in places if place is not None and table.names[place] in usual]
    label, identity = (None if place in feature_places else place for place in places)
    columns = sorted([*rest, *feature_places])
    frame = pa.table(
        [table.columns[place] for place in columns], names=[table.names[place] for place in columns]
    )
    labels = None if label is None else labels_of(table, label)
    return Rows(frame, labels, **vars(names_in_column(table, identity)))


# --- opening --------------------------------------------------------------------------------------


def open_columns(
    source: Path, form: CsvForm, roles: Roles, texts: Sequence[str] = (), known_names: Sequence[str] = ()
) -> Table:
    """All columns of a csv or Parquet file.

    Args:
        source: The file.
        form: The form of a csv file.
        roles: Columns that the caller named.
        texts: Names of columns that stay text in a csv file.
        known_names: Names of classes or features, which may be numbers.

    Raises:
        FileError: The file is damaged.
        InputError: The csv file has no header, or rows of different length.
    """
    named = [name for name in (*ANY, ID, roles.label, roles.id, *roles.drop) if name is not None]
    return COLUMN_READERS[source.suffix.lower()](source, form, texts, known_names, named)


def _open_csv(
    source: Path, form: CsvForm, texts: Sequence[str], known_names: Sequence[str], columns: Sequence[str]
) -> Table:
    table = read_csv(source, form, texts, known_names, columns)
    names = tuple(table.column_names)
    return Table(
        f"'{source}'",
        names,
        tuple(table.columns),
        table.num_rows,
        lambda index: read_as_text(source, form, names[index]),
    )


def _open_parquet(source: Path, *_: Any) -> Table:
    import pyarrow.parquet as pq

    with reading(source, "Parquet"):
        with open_native(source) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            table = file.read()
            if len(table) != file.metadata.num_rows:
                raise ValueError(f"it ends after {len(table)} rows, and its footer says more")
        table.validate(full=True)
    return parquet_columns(source, table)


COLUMN_READERS: Mapping[str, Callable[..., Table]] = {PARQUET: _open_parquet, CSV: _open_csv}
"""The formats of files with named columns, by their endings, and what reads them; a new format is one entry.

A reader takes the file, the form of csv files, the columns that stay text, names of classes or features that
may be numbers, and columns that may be there.
"""


def has_columns(path: Path) -> bool:
    """Whether a file of this name has columns with names."""
    return path.suffix.lower() in COLUMN_READERS


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
    )


# --- csv files ------------------------------------------------------------------------------------


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


def read_as_text(source: Path, form: CsvForm, name: str) -> pa.ChunkedArray:
    """One column of a csv file as the text of its cells, such as `007`."""
    return read_csv(source, form, [name], [name]).column(name)


def _read_with_pyarrow(
    source: Path,
    form: CsvForm,
    types: dict[str, Any],
    *,
    ignore_empty_lines: bool = True,
    use_threads: bool = True,
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
                read = pa.csv.ReadOptions(block_size=_LONGEST_LINE, use_threads=use_threads)
                table = pa.csv.read_csv(file, read, parse, convert)
        except pa.ArrowInvalid as error:
            if use_threads and _UNEVEN.search(str(error)):  # only a single thread counts the rows
                return _read_with_pyarrow(
                    source, form, types, ignore_empty_lines=ignore_empty_lines, use_threads=False
                )
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
        row, expected, received, text = uneven.groups()
        return InputError(
            f"Row {int(row) - 2} of '{source}' has {counted(int(received), 'cell')}",  # the header is row 1
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
