"""Read csv and Parquet files as columns; `howsure.data.tables` makes rows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from howsure.data.align import Called
from howsure.data.by_name import ANY, lone_class, only_count, places_of_names
from howsure.data.csv_files import CSV, CsvForm, read_as_text, read_csv
from howsure.data.ids import ID
from howsure.data.reading import open_native, reading
from howsure.data.rows import TEXT, Array, InputSpec, Rows, quoted
from howsure.data.tables import LABELS, TEXTS, Roles, Table, as_found, called_in, labels_of, rows_of
from howsure.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_LABEL_COLUMN = f"If one of them is the label, call it '{LABELS}', or name it with `--label-column`"


def read_table(source: Path, inputs: Sequence[InputSpec], roles: Roles, form: CsvForm) -> Rows:
    """Rows from a csv file of a form, or from a Parquet file; see `rows_of`.

    Raises:
        FileError: The file is damaged.
        InputError: Text, empty cells, lines or lists of different length, a wrong number of columns.
    """
    names = [spec.name for spec in inputs]
    texts = [spec.name for spec in inputs if spec.dtype == TEXT]
    table = _open(source, form, roles, [*texts, *TEXTS] if texts == names else texts)
    return rows_of(table, inputs, roles)


def read_label_column(
    source: Path,
    form: CsvForm,
    label: str | None = None,
    identity: str | None = None,
    names: Sequence[str] = (),
) -> tuple[Array, Called, tuple[Array, ...]]:
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
    table = _open(source, form, Roles(label, identity), known=() if only_count(names or None) else names)
    if label is None and len(table.names) == 1:
        return _of_class(labels_of(table, 0), table.names[0], names), Called(), ()
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


def open_columns(source: Path, form: CsvForm, roles: Roles, classes: Sequence[str] = ()) -> Table:
    """All columns of a csv or Parquet file of probabilities.

    Args:
        source: The file.
        form: The form of a csv file.
        roles: Columns that the caller named.
        classes: Names of classes that the caller gave; they may be numbers.

    Raises:
        FileError: The file is damaged.
        InputError: The csv file has no header, or rows of different length.
    """
    return _open(source, form, roles, known=classes)


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

    table = _open(source, form, roles, known=features)
    for name in features:
        if table.names.count(name) > 1:
            table.number(name, "for the model")
    usual = {name for name in (LABELS, ID) if name in features and name not in (roles.label, roles.id)}
    *found, rest = roles.of(table, None)
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


def _open(
    source: Path, form: CsvForm, roles: Roles, texts: Sequence[str] = (), known: Sequence[str] = ()
) -> Table:
    """The columns of a csv or Parquet file.

    Args:
        source: The file.
        form: The form of a csv file.
        roles: Columns that the caller named.
        texts: Names of columns that stay text in a csv file.
        known: Names of classes or features, which may be numbers.
    """
    if source.suffix.lower() != CSV:
        return _open_parquet(source)
    columns = [name for name in (*ANY, ID, roles.label, roles.id, *roles.drop) if name is not None]
    table = read_csv(source, form, texts, known, columns)
    names = tuple(table.column_names)
    return Table(
        f"'{source}'",
        names,
        tuple(table.columns),
        table.num_rows,
        _left_out,
        _LABEL_COLUMN,
        lambda index: read_as_text(source, form, names[index]),
    )


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
        _left_out,
        _LABEL_COLUMN,
    )
