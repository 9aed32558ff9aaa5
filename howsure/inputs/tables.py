"""Convert columns of csv and Parquet files, and of data frames, to rows of numbers with labels and ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.align import ID, LARGEST, RowNames, ids_from
from howsure.inputs.rows import TEXT, Array, InputSpec, Rows, in_rows, quoted, row_number
from howsure.words import counted, upper

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = "y"
INDEX = "__index_level_0__"
"""Column of a Parquet file in which pandas keeps an index without a name."""

TEXTS = ("text", "x")
"""Names of a text column besides the input's name, which users rarely choose themselves."""

_LABEL_COLUMN = f"If one of them is the label, call it '{LABELS}', or name it with `label_column`"

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}")
"""A text that is exactly how Python prints a whole number; it may still exceed 64 bits."""

ANY_VECTOR = InputSpec("x", (None,), "float32")
"""The assumed input of a model that does not declare one."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a file or data frame, with the words by which a reader finds rows and columns again.

    Attributes:
        called: Name in messages: `'rows.csv'`, `the data frame`.
        names: Names of the columns.
        columns: The columns, as chunked arrays of pyarrow.
        rows: Number of rows.
        as_text: Returns a column as the original text of its cells, for files of text; else None.
    """

    called: str
    names: tuple[str, ...]
    columns: tuple[Any, ...]
    rows: int
    as_text: Callable[[int], Any] | None = None

    def number(self, name: str, what: str) -> int:
        """Number of the only column with this name, or an `InputError`."""
        if self.names.count(name) != 1:
            times = self.names.count(name)
            raise InputError(
                f"{upper(self.called)} has {f'{times} columns' if times else 'no column'} '{name}' {what}",
                expected="the name of one column",
                received=f"columns {quoted(self.names)}",
            )
        return self.names.index(name)


@dataclass(frozen=True)
class Roles:
    """Purposes of the columns that are no features.

    Attributes:
        label: Name of the column of true classes. Default: `y`, if it exists.
        id: Name of the column of row ids. Default: `id`, if it exists.
        drop: Names of columns to leave out.
        needed: True if a named column must exist.
    """

    label: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    needed: bool = True

    def of(
        self, table: Table, inputs: Sequence[InputSpec] | None
    ) -> tuple[int | None, int | None, list[int]]:
        """Numbers of the columns of labels and ids, or None, and of all other columns that are not dropped.

        A column `y` or `id` has its role unless another column was named for it, or an input has this name. A
        first column without a name holds ids; pandas and R write an index so, and pandas `INDEX` to Parquet.

        Raises:
            InputError: A named column does not exist, or one column has two roles.
        """
        to_drop = [name for name in self.drop if self.needed or name in table.names]
        dropped = [table.number(name, "to leave out") for name in to_drop]
        several = [] if inputs is None or len(inputs) == 1 else [spec.name for spec in inputs]
        places: list[int | None] = []
        for what, name, usual in (("labels", self.label, LABELS), ("ids", self.id, ID)):
            if name is None and usual in table.names and usual not in (*several, *self.drop):
                name = usual if usual not in (self.label, self.id) else None
            if name is not None and not self.needed and name not in table.names:
                name = None
            places.append(None if name is None else table.number(name, f"for the {what}"))
        index = next((name for name in ("", INDEX) if name in table.names[: None if name else 1]), None)
        if places[1] is None and index is not None and index not in self.drop:
            places[1] = table.names.index(index)
        used = [*dropped, *(number for number in places if number is not None)]
        twice = next((table.names[number] for number in used if used.count(number) > 1), None)
        if twice is not None:
            raise InputError(f"Column '{twice}' has two roles", expected="labels, ids or left out")
        return places[0], places[1], [number for number in range(len(table.names)) if number not in used]

    def beside(self, table: Table, wanted: Sequence[str]) -> tuple[pa.Table, int | None, int | None]:
        """The columns of features or classes, and the numbers of the columns of labels and ids beside them.

        Args:
            table: The columns.
            wanted: Names of features or classes, also where one is called `y` or `id`.

        Raises:
            InputError: As from `of`.
        """
        import pyarrow as pa

        label_place, id_place, rest = self.of(table, None)
        places = (label_place, id_place)
        named = (self.label, self.id)
        own = [place for place in places if place is not None and table.names[place] in {*wanted} - {*named}]
        label, identity = (None if place in own else place for place in places)
        kept = sorted([*rest, *own])
        columns = [table.columns[place] for place in kept]
        return pa.table(columns, names=[table.names[place] for place in kept]), label, identity


def rows_of(table: Table, inputs: Sequence[InputSpec] | None, roles: Roles) -> Rows:
    """Rows from columns, with the labels and ids among them.

    For one input, all columns except labels and ids, in order, form the row, reshaped to the input in C
    order; or a single column of lists with the input's name does. For several inputs, the columns with their
    names do. A column of lists counts as many columns. Text is one column with the input's name, `text` or
    `x`; other columns are then left out.

    Args:
        table: The columns.
        inputs: The model's inputs; None if it does not declare them, and then a row is a vector.
        roles: Purposes of columns.

    Raises:
        InputError: Text, empty cells, lists of different length, a wrong number of columns.
    """
    label, identity, features = roles.of(table, inputs)
    names = [spec.name for spec in inputs or ()]
    x: Array | dict[str, Array]
    if inputs is None:
        x = rows_from(table, features, ANY_VECTOR)
    elif len(inputs) == 1 and inputs[0].dtype == TEXT:
        x = rows_from(table, [_column_of_text(table, inputs[0])], inputs[0])
    elif len(inputs) == 1:
        whole = [i for i in features if table.names[i] == names[0] and _is_list(table.columns[i])]
        x = rows_from(table, whole or features, inputs[0])
    else:
        missing = [name for name in names if table.names.count(name) != 1]
        if missing:
            raise InputError(
                f"{upper(table.called)} does not have one column each for {quoted(missing)}",
                expected=f"columns named like the model's inputs, {quoted(names)}",
                received=f"columns {quoted(table.names)}",
            )
        x = {spec.name: rows_from(table, [table.names.index(spec.name)], spec) for spec in inputs}
    columns = tuple(table.names[i] for i in features)
    return Rows(
        x,
        None if label is None else labels_of(table, label),
        **vars(names_in_column(table, identity)),
        columns=columns if isinstance(x, np.ndarray) and x.shape[1:] == (len(columns),) else (),
    )


def names_in_column(table: Table, identity: int | None) -> RowNames:
    """The names of rows in a column: ids; or an index, if it has no name and only counts the rows.

    It counts from 0, as in pandas, or from 1, as in R.
    """
    if identity is None:
        return RowNames()
    ids, name = ids_of(table, identity), table.names[identity].replace(INDEX, "")
    if not name and any(np.array_equal(ids, np.arange(start, start + len(ids))) for start in (0, 1)):
        return RowNames(frame_index=ids)
    return RowNames(ids, name or ID)


def ids_of(table: Table, index: int) -> Array:
    """(N,) the ids in a column: whole numbers if all are written as such, else texts, such as `007`."""
    column = table.columns[index] if table.as_text is None else table.as_text(index)
    _check_filled(table, index, column, "an id in every row")
    cells: list[Any] = column.to_pylist()
    is_text = table.as_text is not None
    if is_text and all(_WHOLE_NUMBER.fullmatch(cell) and abs(int(cell)) <= LARGEST for cell in cells):
        cells = [int(cell) for cell in cells]
    return ids_from(cells, f"The ids in column '{table.names[index]}'")


def labels_of(table: Table, index: int) -> Array:
    """(N,) true classes in a column. Numbers in unusual notation stay texts, such as `01`.

    Raises:
        InputError: A row has no label.
    """
    import pyarrow as pa

    column = table.columns[index]
    _check_filled(table, index, column, "a label in every row", "Leave those rows out")
    if table.as_text is not None and pa.types.is_integer(column.type):
        texts = [cell.strip() for cell in table.as_text(index).to_pylist()]
        if not all(map(_WHOLE_NUMBER.fullmatch, texts)):
            return np.asarray(texts)
    return values_of(table, index)


# --- columns to arrays ----------------------------------------------------------------------------


def column_of(table: Table, index: int) -> Array:
    """(N,) the values of a column, or (N, m) its lists."""
    return _numbers_in(table, index) if _is_list(table.columns[index]) else values_of(table, index)


def _is_list(column: Any) -> bool:
    """True if every cell of a column is a list of numbers."""
    return hasattr(column.type, "value_type") and is_numeric(column.type)


def rows_from(table: Table, features: Sequence[int], spec: InputSpec) -> Array:
    """(N, *spec.shape) from the columns at `features`, in C order."""
    if spec.dtype == TEXT:
        return _text(table, features[0], spec)
    _check_no_text(table, features)
    free = [size is None for size in spec.shape]
    expected_width = prod(size for size in spec.shape if size is not None)
    if sum(free) > 1:
        raise InputError(
            f"{upper(table.called)} cannot say how its columns form a row of shape {spec.shape}",
            expected="rows with at most one size that is free",
            hint="Give the rows as a .npz or .npy file",
        )
    if table.rows == 0 and any(hasattr(table.columns[index].type, "value_type") for index in features):
        return np.empty((0, *(1 if size is None else size for size in spec.shape)), dtype=np.float32)
    parts = [_numbers_in(table, index) for index in features]
    width = sum(part.shape[1] for part in parts)
    if width != expected_width and not (any(free) and width and width % expected_width == 0):
        raise _wrong_width(table, features, width, expected_width, spec)
    rows = np.empty((table.rows, width), dtype=np.result_type(*parts))
    start = 0
    for part in parts:
        rows[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return rows.reshape(
        (table.rows, *(width // expected_width if size is None else size for size in spec.shape))
    )


def _column_of_text(table: Table, spec: InputSpec) -> int:
    """Number of the column with the text of the only input."""
    candidates = [name for name in dict.fromkeys((spec.name, *TEXTS)) if name in table.names]
    if not candidates or table.names.count(candidates[0]) > 1:
        raise InputError(
            f"{upper(table.called)} does not say which column holds the text",
            expected=f"names of columns in the first line, one of them '{TEXTS[0]}' or '{spec.name}'",
            received=f"columns {quoted(table.names)}",
        )
    return table.names.index(candidates[0])


def _text(table: Table, index: int, spec: InputSpec) -> Array:
    """(N, *spec.shape) from one column of text."""
    import pyarrow as pa

    if spec.shape not in ((), (1,), (None,)):
        raise InputError(
            f"{upper(table.called)} cannot hold rows of several texts for input '{spec.name}'",
            expected="a .npz or .npy file with an array of strings",
            received=f"rows of shape {spec.shape}",
        )
    column = table.columns[index]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(
            f"Column '{table.names[index]}' of {table.called} is not text",
            expected="text in every cell",
            received=str(column.type),
        )
    _check_no_nulls(table, index, column, 1, expected="text in every cell")
    return np.array(column.to_pylist(), dtype=object).reshape((-1, *(1 for _ in spec.shape)))


def _wrong_width(
    table: Table, features: Sequence[int], width: int, expected_width: int, spec: InputSpec
) -> InputError:
    names = [table.names[index] for index in features]
    multiple = "a multiple of " if None in spec.shape else ""
    if any(name == "" or name.startswith(("Unnamed:", "__index_level_")) for name in names):
        hint: str | None = "One column looks like an index of pandas: save with `index=False`"
    else:
        hint = _LABEL_COLUMN if width == expected_width + 1 else None
        reserved = [name for name in (LABELS, ID) if name in table.names and name not in names]
        if reserved and width < expected_width:
            hint = (
                f"{quoted(reserved)} is not counted: it holds labels or ids, so rename it if it is a feature"
            )
    return InputError(
        f"{upper(table.called)} has {counted(width, 'number')} per row",
        expected=f"{multiple}{expected_width}, for rows of shape {spec.shape}",
        received=f"columns {quoted(names)}" if names else "no columns",
        hint=hint,
    )


def _check_no_text(table: Table, features: Sequence[int]) -> None:
    texts = [index for index in features if not is_numeric(table.columns[index].type)]
    if not texts:
        return
    names = [table.names[index] for index in texts]
    cells = table.columns[texts[0]].to_pylist()
    wrong = [row for row, cell in enumerate(cells) if not is_number(cell)]
    what = f"{counted(len(texts), 'column')} without numbers: {quoted(names)}"
    if 0 < len(wrong) < len(cells):
        what = f"cells that are not numbers in column '{names[0]}', {in_rows(len(wrong), wrong[:5])}"
    cell = cells[wrong[0]] if wrong else ""
    raise InputError(
        f"{upper(table.called)} has {what}",
        expected="a number in every cell",
        received=repr(cell) if wrong else str(table.columns[texts[0]].type),
        hint=hint_of_text(cell)
        or "Encode them as in training, or drop them from the data frame; on the command line: "
        f"`--set drop={','.join(names)}`. {_LABEL_COLUMN}",
    )


def hint_of_text(cell: object) -> str | None:
    """How to mend a cell that is a number in another form than csv files have here; None for other text."""
    text = str(cell).strip()
    if text.endswith("%") and is_number(text[:-1].replace(",", ".")):
        return "Leave out the per cent signs, and divide the numbers by 100 if they are probabilities"
    if text.count(",") == 1 and is_number(text.replace(",", ".")):
        return (
            "If the comma is a decimal sign, say so: on the command line --set decimal=,; in Python, give "
            "`pandas.read_csv(path, decimal=',')`"
        )
    return None


def is_number(cell: object) -> bool:
    """True if a cell of a table, or its text, is a number."""
    try:
        float(str(cell))
    except ValueError:
        return False
    return "_" not in str(cell)


def is_numeric(kind: Any) -> bool:
    """True for a pyarrow type of numbers, or of lists of numbers."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return is_numeric(kind.value_type)
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)


def _numbers_in(table: Table, index: int) -> Array:
    """(N, m) the column's numbers; m is the length of its lists, or 1."""
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
                f"The lists in column '{table.names[index]}' of {table.called} differ in length",
                expected=f"{lengths[0]} values, as in row {row_number(0)}",
                received=f"{lengths[lengths != lengths[0]][0]} in row {row_number(other)}",
            )
        values, per_row = values.flatten(), per_row * int(lengths[0])
        _check_no_nulls(table, index, values, per_row)
    if pa.types.is_decimal(values.type) or pa.types.is_null(values.type):
        values = values.cast(pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(table.rows, per_row)


def values_of(table: Table, index: int) -> Array:
    """(N,) a column without empty cells as a numpy array of numbers, texts or booleans."""
    column = table.columns[index]
    _check_no_nulls(table, index, column, 1)
    if hasattr(column.type, "value_type") or not is_numeric(column.type):
        return np.asarray(column.to_pylist())
    return np.asarray(column.to_numpy())


def _check_no_nulls(
    table: Table,
    index: int,
    values: Any,
    per_row: int,
    expected: str = "a number in every cell",
    hint: str | None = "Fill them in as in training, or leave those rows out",
) -> None:
    if values.null_count:
        is_null = values.is_null().to_numpy(
            **({} if hasattr(values, "chunks") else {"zero_copy_only": False})
        )
        rows = np.unique(np.flatnonzero(is_null) // per_row).tolist()
        raise _empty_cells(table, index, rows, expected, hint)


def _check_filled(table: Table, index: int, column: Any, expected: str, hint: str | None = None) -> None:
    """Raise an `InputError` for empty cells, and for texts without a letter."""
    import pyarrow as pa

    _check_no_nulls(table, index, column, 1, expected, hint)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        blank = [row for row, cell in enumerate(column.to_pylist()) if not cell.strip()]
        if blank:
            raise _empty_cells(table, index, blank, expected, hint)


def _empty_cells(
    table: Table, index: int, rows: Sequence[int], expected: str, hint: str | None
) -> InputError:
    return InputError(
        f"{upper(table.called)} has empty cells in column '{table.names[index]}', "
        f"{in_rows(len(rows), rows[:5])}",
        expected=expected,
        hint=hint,
    )
