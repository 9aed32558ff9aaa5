"""csv and Parquet files as rows of numbers and a column of labels."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from howsure.data.rows import TEXT, Array, InputSpec, Rows, counted, damaged, in_rows, quoted
from howsure.errors import FileError, InputError

_LABELS = "y"
_TEXTS = ("text", "x")
"""What the column of text may be called besides the name of the input, which few have chosen."""
_BYTES_PER_CELL = 64


@dataclass(frozen=True, eq=False)
class _Table:
    """Columns of a file, and how a reader finds a row of it again."""

    source: Path
    names: tuple[str, ...]
    columns: tuple[Any, ...]  # pyarrow's chunked arrays
    rows: int
    place: Callable[[Sequence[int]], str]  # row numbers -> 'in row 4' or 'in line 6'


def read_table(source: Path, inputs: Sequence[InputSpec]) -> Rows:
    """Rows from a csv or Parquet file.

    For one input all columns but `y`, in the order of the file, form the row, reshaped to the input in C
    order; for several the columns named like the inputs do. A column of lists counts as many columns.
    Text is one column, named like its input, `text` or `x`; further columns are left out.

    Raises:
        FileError: Damaged.
        InputError: Text, empty cells, lines or lists of different length, a wrong number of columns.
    """
    names = [spec.name for spec in inputs]
    texts = [spec.name for spec in inputs if spec.dtype == TEXT]
    if source.suffix.lower() == ".csv":
        table = _open_csv(source, [*texts, *_TEXTS] if texts == names else texts)
    else:
        table = _open_parquet(source)
    if table.names.count(_LABELS) > 1:
        raise InputError(f"'{source}' has more than one column '{_LABELS}'", expected="one column of labels")
    if len(inputs) == 1 and texts:
        x: Array | dict[str, Array] = _form(table, [_column_of_text(table, inputs[0])], inputs[0])
    elif len(inputs) == 1:
        features = [i for i, name in enumerate(table.names) if name != _LABELS]
        x = _form(table, features, inputs[0])
    else:
        missing = [name for name in names if table.names.count(name) != 1]
        if missing:
            raise InputError(
                f"'{source}' does not have one column each for {quoted(missing)}",
                expected=f"columns named like the model's inputs, {quoted(names)}",
                received=f"columns {quoted(table.names)}",
            )
        x = {spec.name: _form(table, [table.names.index(spec.name)], spec) for spec in inputs}
    has_labels = _LABELS in table.names and (len(inputs) == 1 or _LABELS not in names)
    return Rows(x, _as_found(table, table.names.index(_LABELS)) if has_labels else None)


def read_label_column(source: Path) -> Array:
    """(N,) the only column of a csv file, or its column `y`, as found; else (N, K) all columns.

    Raises:
        FileError: Damaged.
        InputError: More than one column called `y`; an empty cell.
    """
    table = _open_csv(source)
    if table.names.count(_LABELS) > 1:
        raise InputError(
            f"'{source}' does not say which column holds the labels",
            expected=f"one column named '{_LABELS}'",
            received=f"{counted(len(table.names), 'column')}: {quoted(table.names)}",
        )
    if len(table.names) > 1 and _LABELS not in table.names:
        return np.stack([_as_found(table, number) for number in range(len(table.names))], axis=1)
    return _as_found(table, 0 if len(table.names) == 1 else table.names.index(_LABELS))


def read_lines(source: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a csv file: number, from 1, and cells; an empty line has none.

    Raises:
        FileError: Missing, or not text.
    """
    try:
        with source.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle)
            for cells in reader:
                yield reader.line_num, cells
    except UnicodeDecodeError as error:
        raise FileError(f"'{source}' is not text in UTF-8", mend="Save it as UTF-8") from error
    except csv.Error as error:
        raise damaged(source, "csv", error) from error
    except FileNotFoundError as error:
        raise FileError("The file does not exist", received=str(source)) from error
    except OSError as error:
        raise FileError(f"'{source}' cannot be read ({error.strerror or error})") from error


# --- opening --------------------------------------------------------------------------------------


def _open_parquet(source: Path) -> _Table:
    import pyarrow.parquet as pq

    try:
        with source.open("rb") as opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            table = file.read()
        table.validate(full=True)
    except Exception as error:  # what pyarrow meets in a damaged file
        raise damaged(source, "Parquet", error) from error
    return _Table(
        source,
        tuple(table.column_names),
        tuple(table.columns),
        table.num_rows,
        lambda rows: in_rows(len(rows), rows[:5]),
    )


def _open_csv(source: Path, texts: Sequence[str] = (), *, header: bool = False) -> _Table:
    """A csv file; columns of these names are text whatever they hold; `header` says that names come first."""
    import pyarrow as pa
    import pyarrow.csv

    first = next((cells for _, cells in read_lines(source) if cells), None)
    if first is None:
        raise InputError(f"'{source}' is empty", expected="lines of numbers separated by commas")
    has_header = header or bool(texts) or _check_first_line(source, first)
    if len(first) == 1:
        _check_no_gap(source)
    names = first if has_header else [str(number + 1) for number in range(len(first))]
    options = pa.csv.ReadOptions(
        column_names=None if has_header else names,
        block_size=max(2**20, _BYTES_PER_CELL * len(first)),  # the longest line must fit
    )
    try:
        with source.open("rb") as opened:  # pyarrow takes no names that are not UTF-8
            table = pa.csv.read_csv(
                opened,
                read_options=options,
                parse_options=pa.csv.ParseOptions(newlines_in_values=bool(texts)),
                convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())),
            )
    except (pa.ArrowException, OSError) as error:
        for line, cells in read_lines(source):
            if cells and len(cells) != len(first):
                raise InputError(
                    f"Line {line} of '{source}' has {counted(len(cells), 'cell')}",
                    expected=f"{len(first)}, as in the first line",
                ) from error
        raise damaged(source, "csv", error) from error

    def place(rows: Sequence[int]) -> str:
        lines = [line for line, cells in read_lines(source) if cells][1 if has_header else 0 :]
        shown = ", ".join(str(lines[row]) for row in rows[:5])
        if len(rows) == 1:
            return f"in line {shown}"
        return f"in {len(rows)} lines: {shown}{', …' if len(rows) > 5 else ''}"

    return _Table(source, tuple(names), tuple(table.columns), table.num_rows, place)


def _check_first_line(source: Path, cells: list[str]) -> bool:
    """Whether the first line is a header."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if len(cells) == 1 and (separator := next((mark for mark in ";\t" if mark in cells[0]), None)):
        raise InputError(
            f"'{source}' is not separated by commas",
            expected="commas between the cells and points in the numbers",
            received="semicolons" if separator == ";" else "tabs",
        )
    if len(filled) > 1 and filled == [str(number) for number in range(len(filled))]:
        raise InputError(
            f"The first line of '{source}' may be a header of column numbers or a row",
            expected="a header of names, or a first row that cannot be mistaken for column numbers",
            received=", ".join(filled[:4]) + (", …" if len(filled) > 4 else ""),
            mend="Name the columns; pandas writes no header with `to_csv(index=False, header=False)`",
        )
    numbers = [cell for cell in filled if _is_number(cell)]
    counting = [[str(start + place) for place in range(len(numbers))] for start in (0, 1)]
    if 0 < len(numbers) < len(filled) and numbers not in counting:
        text = next(cell for cell in filled if not _is_number(cell))
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


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return "_" not in str(cell)


# --- columns to arrays ----------------------------------------------------------------------------


def _form(table: _Table, features: Sequence[int], spec: InputSpec) -> Array:
    """(N, *spec.shape) from the columns at `features`."""
    if spec.dtype == TEXT:
        return _text(table, features[0], spec)
    _check_no_text(table, features)
    free = [size is None for size in spec.shape]
    known = prod(size for size in spec.shape if size is not None)
    if sum(free) > 1:
        raise InputError(
            f"'{table.source}' cannot say how its columns form a row of shape {spec.shape}",
            expected="rows with at most one size that is free",
            mend="Give the rows as a .npz or .npy file",
        )
    if table.rows == 0 and any(hasattr(table.columns[index].type, "value_type") for index in features):
        return np.empty((0, *(1 if size is None else size for size in spec.shape)), dtype=np.float32)
    parts = [_numbers(table, index) for index in features]
    width = sum(part.shape[1] for part in parts)
    if width != known and not (any(free) and width and width % known == 0):
        raise _wrong_width(table, features, width, known, spec)
    rows = np.empty((table.rows, width), dtype=np.result_type(*parts))
    start = 0
    for part in parts:
        rows[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return rows.reshape((table.rows, *(-1 if size is None else size for size in spec.shape)))


def _column_of_text(table: _Table, spec: InputSpec) -> int:
    """Number of the column that holds the text of the only input."""
    found = [name for name in dict.fromkeys((spec.name, *_TEXTS)) if name in table.names]
    if not found or table.names.count(found[0]) > 1:
        raise InputError(
            f"'{table.source}' does not say which column holds the text",
            expected=f"names of columns in the first line, one of them '{_TEXTS[0]}' or '{spec.name}'",
            received=f"columns {quoted(table.names)}",
        )
    return table.names.index(found[0])


def _text(table: _Table, index: int, spec: InputSpec) -> Array:
    """(N, *spec.shape) from one column of text."""
    import pyarrow as pa

    if spec.shape not in ((), (1,), (None,)):
        raise InputError(
            f"'{table.source}' cannot hold rows of several texts for input '{spec.name}'",
            expected="a .npz or .npy file with an array of strings",
            received=f"rows of shape {spec.shape}",
        )
    column = table.columns[index]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(
            f"Column '{table.names[index]}' of '{table.source}' is not text",
            expected="text in every cell",
            received=str(column.type),
        )
    _check_no_nulls(table, index, column, 1, expected="text in every cell")
    return np.array(column.to_pylist(), dtype=object).reshape((-1, *(1 for _ in spec.shape)))


def _wrong_width(
    table: _Table, features: Sequence[int], width: int, known: int, spec: InputSpec
) -> InputError:
    names = [table.names[index] for index in features]
    multiple = "a multiple of " if None in spec.shape else ""
    if any(name == "" or name.startswith(("Unnamed:", "__index_level_")) for name in names):
        mend: str | None = "One column looks like an index of pandas: save with `index=False`"
    else:
        mend = f"If one of them is the label, call it '{_LABELS}'" if width == known + 1 else None
    return InputError(
        f"'{table.source}' has {counted(width, 'number')} per row",
        expected=f"{multiple}{known}, for rows of shape {spec.shape}",
        received=f"columns {quoted(names)}" if names else "no columns",
        mend=mend,
    )


def _check_no_text(table: _Table, features: Sequence[int]) -> None:
    text, mixed = [], []
    for index in features:
        if not _is_numeric(table.columns[index].type):
            cells = table.columns[index].to_pylist()
            wrong = [row for row, cell in enumerate(cells) if not _is_number(cell)]
            if 0 < len(wrong) < len(cells):
                mixed.append((index, wrong, cells[wrong[0]]))
            else:
                text.append(index)
    if text:
        raise InputError(
            f"'{table.source}' has {counted(len(text), 'column')} without numbers: "
            f"{quoted([table.names[index] for index in text])}",
            expected="numbers in every column",
            received=", ".join(sorted({str(table.columns[index].type) for index in text})),
            mend=f"Encode them as in training, leave them out, or call the labels '{_LABELS}'",
        )
    if mixed:
        index, wrong, cell = mixed[0]
        raise InputError(
            f"'{table.source}' has cells that are not numbers in column '{table.names[index]}', "
            f"{table.place(wrong)}",
            expected="a number in every cell",
            received=repr(cell),
        )


def _is_numeric(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_numeric(kind.value_type)
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _numbers(table: _Table, index: int) -> Array:
    """(N, m) the column's numbers; m is the length of its lists, 1 where it has none."""
    import pyarrow as pa
    import pyarrow.compute

    values = table.columns[index].combine_chunks()
    per_row = 1
    _check_no_nulls(table, index, values, per_row)
    while hasattr(values.type, "value_type"):
        lengths = pa.compute.list_value_length(values).to_numpy(zero_copy_only=False)
        if np.any(lengths != lengths[0]):
            other = int(np.argmax(lengths != lengths[0])) // per_row
            raise InputError(
                f"The lists in column '{table.names[index]}' of '{table.source}' differ in length",
                expected=f"{lengths[0]} values, as in row 0",
                received=f"{lengths[lengths != lengths[0]][0]} in row {other}",
            )
        values, per_row = values.flatten(), per_row * int(lengths[0])
        _check_no_nulls(table, index, values, per_row)
    if pa.types.is_decimal(values.type) or pa.types.is_null(values.type):
        values = values.cast(pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(table.rows, per_row)


def _as_found(table: _Table, index: int) -> Array:
    column = table.columns[index]
    _check_no_nulls(table, index, column, 1)
    if hasattr(column.type, "value_type") or not _is_numeric(column.type):
        return np.asarray(column.to_pylist())
    return np.asarray(column.to_numpy())


def _check_no_nulls(
    table: _Table, index: int, values: Any, per_row: int, expected: str = "a number in every cell"
) -> None:
    if values.null_count:
        is_null = values.is_null().to_numpy(
            **({} if hasattr(values, "chunks") else {"zero_copy_only": False})
        )
        rows = np.unique(np.flatnonzero(is_null) // per_row).tolist()
        raise InputError(
            f"'{table.source}' has empty cells in column '{table.names[index]}', {table.place(rows)}",
            expected=expected,
            mend="Fill them in as in training, or leave those rows out",
        )
