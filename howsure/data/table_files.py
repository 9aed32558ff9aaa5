"""csv and Parquet files as columns, whose rows `howsure.data.tables` makes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.data.ids import ID
from howsure.data.native import open_native
from howsure.data.reading import reading
from howsure.data.rows import TEXT, Array, InputSpec, Rows, counted, in_rows, quoted
from howsure.data.tables import LABELS, TEXTS, Roles, Table, as_found, ids_of, is_number, labels_of, rows_of
from howsure.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES_PER_CELL = 64
_LABEL_COLUMN = f"If one of them is the label, call it '{LABELS}', or name it with `--label-column`"


def read_table(source: Path, inputs: Sequence[InputSpec], roles: Roles) -> Rows:
    """Rows from a csv or Parquet file; see `rows_of`.

    Raises:
        FileError: Damaged.
        InputError: Text, empty cells, lines or lists of different length, a wrong number of columns.
    """
    names = [spec.name for spec in inputs]
    texts = [spec.name for spec in inputs if spec.dtype == TEXT]
    if source.suffix.lower() == ".csv":
        table = _open_csv(source, [*texts, *TEXTS] if texts == names else texts)
    else:
        table = _open_parquet(source)
    return rows_of(table, inputs, roles)


def read_label_column(source: Path) -> tuple[Array, Array | None]:
    """(N,) the only column of a csv file, or its column `y`, as found; else (N, K) all columns.

    Beside a column `y` the ids of a column `id`, or None.

    A first line of text is a header, unless a single column has that text again: then it is a class.

    Raises:
        FileError: Damaged.
        InputError: More than one column called `y`; an empty cell.
    """
    table = _open_csv(source)
    if table.names.count(LABELS) > 1:
        raise InputError(
            f"'{source}' does not say which column holds the labels",
            expected=f"one column named '{LABELS}'",
            received=f"{counted(len(table.names), 'column')}: {quoted(table.names)}",
        )
    if len(table.names) > 1 and LABELS not in table.names:
        return np.stack([as_found(table, number) for number in range(len(table.names))], axis=1), None
    if len(table.names) > 1:
        ids = ids_of(table, table.number(ID, "for the ids")) if ID in table.names else None
        return labels_of(table, table.names.index(LABELS)), ids
    found, name = labels_of(table, 0), table.names[0]
    return (np.array([name, *found.tolist()]) if found.dtype.kind == "U" and name in found else found), None


def open_columns(source: Path) -> tuple[Table, bool]:
    """All columns of a csv or Parquet file of probabilities, and whether they have names.

    A first line 0, 1, 2, … names classes, as it is no distribution; 0, 1 might be one.

    Raises:
        FileError: Damaged.
        InputError: Lines of different length, or a first line that may be a header or a row.
    """
    if source.suffix.lower() != ".csv":
        return _open_parquet(source), True
    first = next((cells for _, cells in read_lines(source) if cells), [])
    header = _counts_classes(first) or (bool(first) and _check_first_line(source, first))
    return _open_csv(source, header=header), header


def read_named(source: Path, features: Sequence[str]) -> Rows:
    """The rows of a csv or Parquet file as a table of pyarrow, for a model that takes columns by name.

    Args:
        source: The file, which has names of columns.
        features: Those that the model takes, whatever they are called.

    Returns:
        Rows without the columns `y` and `id`, unless these are among the features: they hold labels and ids.

    Raises:
        FileError: Missing or damaged.
        InputError: Two columns of one name, or empty cells among labels or ids.
    """
    import pyarrow as pa

    table = _open_csv(source, header=True) if source.suffix.lower() == ".csv" else _open_parquet(source)
    for name in features:
        if table.names.count(name) > 1:
            table.number(name, "for the model")
    roles = {
        name: table.number(name, "") for name in (LABELS, ID) if name in table.names and name not in features
    }
    columns = [place for place in range(len(table.names)) if place not in roles.values()]
    frame = pa.table(
        [table.columns[place] for place in columns], names=[table.names[place] for place in columns]
    )
    return Rows(
        frame,
        labels_of(table, roles[LABELS]) if LABELS in roles else None,
        ids=ids_of(table, roles[ID]) if ID in roles else None,
    )


def _counts_classes(first: Sequence[str]) -> bool:
    """Whether a first line can be nothing but class numbers, perhaps after an index without a name."""
    filled = [cell.strip() for cell in first if cell.strip()]
    counting = filled == [str(number) for number in range(len(filled))]
    return counting and len(filled) > 1 and (len(filled) > 2 or not first[0].strip())


def read_lines(source: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a csv file: number, from 1, and cells; an empty line has none.

    Raises:
        FileError: Missing, or not text.
    """
    with reading(source, "csv"), source.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle)
        try:
            for cells in reader:
                yield reader.line_num, cells
        except csv.Error as error:
            if "field limit" not in str(error):
                raise
            raise InputError(
                f"Line {reader.line_num} of '{source}' has a cell that is too long for csv",
                expected=f"at most {csv.field_size_limit():,} characters",
                mend="Give the rows as a .parquet file, or close a quotation mark that was left open",
            ) from error


def _left_out(names: Sequence[str]) -> str:
    """How columns of a file are left out."""
    return f"`--drop {','.join(names)}`"


# --- opening --------------------------------------------------------------------------------------


def _open_parquet(source: Path) -> Table:
    import pyarrow.parquet as pq

    with reading(source, "Parquet"):
        with open_native(source) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            table = file.read()
        table.validate(full=True)
    return parquet_columns(source, table)


def parquet_columns(source: Path, table: pa.Table) -> Table:
    """What was read of a Parquet file, as columns; of tensors the lists that hold them.

    Args:
        source: The file, for messages.
        table: All of its rows, or some.

    Raises:
        InputError: Tensors whose axes are stored in another order than they have.
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
                mend="Write the column from numpy.ascontiguousarray(x): a transposed view keeps its order",
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


def _open_csv(source: Path, texts: Sequence[str] = (), *, header: bool | None = None) -> Table:
    """A csv file; columns of these names are text whatever they hold.

    Args:
        source: The file.
        texts: Names of columns.
        header: Whether names come first; None looks.
    """
    import pyarrow as pa
    import pyarrow.csv

    first = next((cells for _, cells in read_lines(source) if cells), None)
    if first is None:
        raise InputError(f"'{source}' is empty", expected="lines of numbers separated by commas")
    has_header = bool(texts) or (_check_first_line(source, first) if header is None else header)
    if len(first) == 1:
        _check_no_gap(source)
    names = first if has_header else [str(number + 1) for number in range(len(first))]
    options = pa.csv.ReadOptions(
        column_names=None if has_header else names,
        block_size=max(2**20, _BYTES_PER_CELL * len(first)),  # the longest line must fit
    )

    def read(types: dict[str, Any]) -> Any:
        with open_native(source) as opened:
            return pa.csv.read_csv(
                opened,
                read_options=options,
                parse_options=pa.csv.ParseOptions(newlines_in_values=bool(texts)),
                convert_options=pa.csv.ConvertOptions(column_types=types),
            )

    try:
        table = read(dict.fromkeys(texts, pa.string()))
    except (pa.ArrowException, OSError) as error:
        for line, cells in read_lines(source):
            if cells and len(cells) != len(first):
                raise InputError(
                    f"Line {line} of '{source}' has {counted(len(cells), 'cell')}",
                    expected=f"{len(first)}, as in the first line",
                ) from error
        with reading(source, "csv"):
            raise error

    def place(rows: Sequence[int]) -> str:
        lines = [line for line, cells in read_lines(source) if cells][1 if has_header else 0 :]
        shown = ", ".join(str(lines[row]) for row in rows[:5])
        if len(rows) == 1:
            return f"in line {shown}"
        return f"in {len(rows)} lines: {shown}{', …' if len(rows) > 5 else ''}"

    def as_text(index: int) -> Any:
        return read({**dict.fromkeys(texts, pa.string()), names[index]: pa.string()}).column(index)

    return Table(
        f"'{source}'",
        tuple(names),
        tuple(table.columns),
        table.num_rows,
        place,
        _left_out,
        _LABEL_COLUMN,
        as_text,
    )


def _check_first_line(source: Path, cells: list[str]) -> bool:
    """Whether the first line is a header."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if len(cells) == 1 and (separator := next((mark for mark in ";\t" if mark in cells[0]), None)):
        raise InputError(
            f"'{source}' is not separated by commas",
            expected="commas between the cells and points in the numbers",
            received="semicolons" if separator == ";" else "tabs",
            mend=f"Read it with pandas.read_csv(path, sep={separator!r}), and save it with "
            "to_csv(path, index=False)",
        )
    if len(filled) > 1 and filled == [str(number) for number in range(len(filled))]:
        raise InputError(
            f"The first line of '{source}' may be a header of column numbers or a row",
            expected="a header of names, or a first row that cannot be mistaken for column numbers",
            received=", ".join(filled[:4]) + (", …" if len(filled) > 4 else ""),
            mend="Name the columns; pandas writes no header with `to_csv(index=False, header=False)`",
        )
    numbers = [cell for cell in filled if is_number(cell)]
    counting = [[str(start + place) for place in range(len(numbers))] for start in (0, 1)]
    if 0 < len(numbers) < len(filled) and numbers not in counting:
        text = next(cell for cell in filled if not is_number(cell))
        raise InputError(
            f"The first line of '{source}' may be a header or a row: some of its cells are numbers",
            expected="a header of names, or of names beside columns that are numbered in order; or a row of "
            "numbers only",
            received=f"{text!r} beside {numbers[0]!r}",
            mend="Name the columns, and give numbers in every cell of the rows",
        )
    return len(numbers) < len(filled) or not filled


def _check_no_gap(source: Path) -> None:
    """An empty line in a single column would be lost, and the rows after it would move up."""
    empty = None
    for line, cells in read_lines(source):
        if cells and empty is not None:
            raise InputError(f"Line {empty} of '{source}' is empty", expected="a value in every line")
        empty = empty if cells or empty is not None else line
