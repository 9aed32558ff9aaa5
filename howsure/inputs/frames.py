"""Data frames of pandas, polars and others as rows, through narwhals and Arrow, like files of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from howsure.errors import InputError
from howsure.inputs.align import ID, RowNames, ids_from, index_names
from howsure.inputs.rows import Array, InputSpec, Rows
from howsure.inputs.tables import ANY_VECTOR, LABELS, Roles, Table, column_of, rows_from, rows_of


def is_frame(x: object) -> bool:
    """True for a data frame or a series; imports none of their libraries."""
    if not (hasattr(type(x), "columns") or hasattr(type(x), "to_frame")):
        return False
    import narwhals as nw

    return isinstance(_native(x), (nw.DataFrame, nw.LazyFrame, nw.Series))


def read_frame(frame: Any, inputs: Sequence[InputSpec] | None) -> Rows:
    """The rows of a data frame, with the labels and ids among its columns.

    Columns become rows as in files, see `howsure.inputs.tables.rows_of`: a column `y` holds labels, a column
    `id` ids. Without a column `id`, a pandas index gives the ids, unless it only counts the rows.

    Args:
        frame: A data frame; or a series, whose values are the rows.
        inputs: The model's inputs, or None if it does not declare them.

    Raises:
        InputError: Columns that are not numbers, empty cells, or columns that do not fit the model.
    """
    table, is_series = _opened(frame)
    rows = Rows(column_of(table, 0)) if is_series else rows_of(table, inputs, Roles())
    return with_index(rows, index_names(frame))


def labelled_frame(frame: Any, features: Sequence[str]) -> Rows:
    """The data frame itself, for a model that takes one, without its columns of labels and ids.

    Args:
        frame: A data frame, or a series.
        features: Names of the columns that the model takes, even if they are called `y` or `id`.

    Raises:
        InputError: As from `read_frame`, except for columns that are not numbers.
    """
    import narwhals as nw

    opened = in_memory(frame)
    columns = {}
    if not isinstance(opened, nw.Series):
        columns = {
            name: opened[name] for name in (LABELS, ID) if name in opened.columns and name not in features
        }
    ids = ids_from(columns[ID].to_list()) if ID in columns else None
    rest = opened.drop(list(columns)).to_native() if columns else frame
    labels = columns[LABELS].to_numpy() if LABELS in columns else None
    return with_index(Rows(rest, labels, ids=ids), index_names(frame))


def as_array(frame: Any, spec: InputSpec | None) -> Array:
    """(N, …) all columns of a data frame, or the values of a series, as the rows of one input."""
    table, is_series = _opened(frame)
    return column_of(table, 0) if is_series else rows_from(table, range(len(table.names)), spec or ANY_VECTOR)


def numbers_in(frame: Any, names: Sequence[str]) -> Array:
    """(N, F) the columns of these names, in order.

    Raises:
        InputError: One is missing, or holds something else than numbers.
    """
    table, _ = _opened(frame)
    return rows_from(table, [table.number(name, "for the model") for name in names], ANY_VECTOR)


def with_index(rows: Rows, index: RowNames) -> Rows:
    """The rows of a data frame with what its index calls them; it gives the ids where no column does."""
    if rows.ids is None:
        return replace(rows, **vars(index))
    return replace(rows, frame_index=index.frame_index)


def _opened(frame: Any) -> tuple[Table, bool]:
    """The columns, and True for a series."""
    import narwhals as nw

    opened = in_memory(frame)
    is_series = isinstance(opened, nw.Series)
    columns = nw.maybe_reset_index(opened)
    if is_series:
        columns = columns.alias("x").to_frame()
    objects = [name for name, kind in columns.schema.items() if kind == nw.Object]
    if objects and columns.implementation.is_polars():  # polars would give Arrow their addresses
        raise InputError(
            f"The data frame has Python objects in column '{objects[0]}'",
            expected="numbers or texts in every column",
            hint=f"Leave it out, `x.drop({objects})`, or make numbers or texts of it",
        )
    try:
        arrow = columns.to_arrow()
    except (TypeError, ValueError, NotImplementedError) as error:  # the base classes of pyarrow's errors
        raise InputError(
            f"The data frame has a column that cannot be read ({' '.join(map(str, error.args))})",
            expected="values of one kind in every column, such as numbers",
            hint="Make numbers of them as in training, or leave the column out",
        ) from error
    table = Table(
        "the data frame",
        tuple(arrow.column_names),
        tuple(arrow.columns),
        arrow.num_rows,
    )
    return table, is_series


def in_memory(frame: Any) -> Any:
    """A data frame or series in narwhals, whose rows are in memory."""
    import narwhals as nw

    opened = _native(frame)
    if isinstance(opened, nw.LazyFrame):
        raise InputError(
            "The data frame is not in memory",
            expected="a data frame of pandas, polars, or another that holds its rows",
            received=f"{type(frame).__module__}.{type(frame).__qualname__}",
            hint="Bring it into memory first, as `x.collect()` or `x.compute()` does",
        )
    return opened


def _native(frame: Any) -> Any:
    """A data frame or series in narwhals; any other object unchanged."""
    import narwhals as nw

    if hasattr(frame, "iloc") and not all(isinstance(name, str) for name in getattr(frame, "columns", ())):
        # In pandas, column names may be numbers.
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    try:
        return nw.from_native(frame, pass_through=True, allow_series=True)
    except ValueError as error:  # repeated column names
        raise InputError(
            f"The data frame cannot be read ({' '.join(str(error).split())})",
            expected="a name of its own for every column",
        ) from error
