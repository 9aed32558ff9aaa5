"""Results from files: a table that howsure saved, or probabilities that anything else wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure.arguments import check_path
from howsure.bare.given import CLASSES, LABELS, read_given
from howsure.bare.results import of_given
from howsure.data import tables
from howsure.data.numpy_files import open_npy
from howsure.data.rows import Array, quoted
from howsure.errors import FileError, InputError, warn
from howsure.results.certainty import Certainty
from howsure.results.columns import is_saved
from howsure.results.files import load
from howsure.results.multilabel import MultilabelCertainty

ENDINGS = (".parquet", ".csv", ".npy")

_EXPORTED = "probabilities."
"""How the columns of probabilities begin in a csv file that `howsure assess --out` wrote."""

Result = Certainty | MultilabelCertainty


@dataclass(frozen=True)
class Columns:
    """What the columns of a file of probabilities are for.

    Attributes:
        class_names: Names of the classes, or labels: those of the columns that hold them, or of the columns
            in their order; None where all columns that are left are classes.
        label: Name of the column of true classes; None for `y` or `truth`, where there is one.
        id: Name of the column of what each row is called; None for `id`, where there is one.
        drop: Names of columns to leave out.
        several: Whether each column is the probability of a label of its own.
        needed: Whether a column that is named has to be there.
    """

    class_names: tuple[str, ...] | None = None
    label: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    several: bool = False
    needed: bool = True


def read_result(path: str | os.PathLike[str], columns: Columns | None = None) -> Result:
    """The result in a file.

    | file | what is read |
    |---|---|
    | `.parquet` that howsure saved | all of it |
    | `.csv`, `.parquet` | a column for each class, and perhaps one of labels and one of ids |
    | `.npy` | an array (N, K), or (N,) of the second of two classes |

    A csv file whose first line holds only numbers from 0 to 1 has no header. A first column without a name is
    an index: ids, unless it only counts the rows.

    Args:
        path: The file.
        columns: What its columns are for, where that does not show.

    Raises:
        FileError: Missing or damaged.
        InputError: Columns that are not there, or no probabilities; see `Certainty.from_probabilities`.
    """
    source, given = check_path(path), columns or Columns()
    suffix = source.suffix.lower()
    if not source.exists():
        raise FileError("The file does not exist", received=str(source))
    if suffix not in ENDINGS:
        raise InputError(
            f"'{source}' is not a kind of file that results or probabilities are read from",
            expected=f"a file that ends in {', '.join(ENDINGS)}",
        )
    if suffix == ".parquet" and is_saved(source):
        _check_nothing_asked(source, given)
        return load(source)
    each = LABELS if given.several else CLASSES
    if suffix == ".npy":
        return _made(source, np.asarray(open_npy(source)), given, each)
    table, header = _opened(source)
    labels, ids, id_name, names = _roles(table, source, given)
    chosen, called = _classes(names, given, source)
    if not header and given.class_names is None:
        called = None
    values = _numbers(table, chosen, source)
    return _made(source, values, given, each, called, (ids, id_name), labels)


def _made(
    source: Path,
    values: Array,
    columns: Columns,
    each: str,
    called: Sequence[str] | None = None,
    ids: tuple[Any, str | None] | None = None,
    labels: Array | None = None,
) -> Result:
    names = columns.class_names if called is None else tuple(called)
    try:
        given = read_given(values, names, each, "The probabilities")
        if ids is not None:
            given = replace(given, ids=ids[0], id_name=ids[1])
        found: Result = of_given(given, each, source.name)
        return found if labels is None else found.with_truth(labels)
    except InputError as error:
        raise InputError(
            f"'{source}': {error.what[0].lower()}{error.what[1:]}",
            expected=error.expected,
            received=error.received,
            mend=error.mend,
        ) from error


def _check_nothing_asked(source: Path, columns: Columns) -> None:
    asked = [
        name
        for name, value in (
            ("class names", columns.class_names),
            ("a column of labels", columns.label),
            ("a column of ids", columns.id),
            ("columns to leave out", columns.drop),
        )
        if value
    ]
    if asked and columns.needed:
        raise InputError(
            f"'{source}' is a saved result, which says itself what its columns are",
            expected="labels in a file of their own, if any",
            received=" and ".join(asked),
        )


def _roles(
    table: Any, source: Path, columns: Columns
) -> tuple[Array | None, Array | None, str | None, list[str]]:
    """Labels, ids and their name, and the names of all other columns."""
    names = list(table.names)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"'{source}' has two columns '{twice[0]}'", expected="distinct names")
    for name in (columns.label, columns.id, *columns.drop):
        if columns.needed and name is not None and name not in names:
            raise InputError(
                f"'{source}' has no column '{name}'", expected="the name of a column", received=quoted(names)
            )
    left = [name for name in names if name not in columns.drop]
    exported = [name for name in left if name.startswith(_EXPORTED)]
    label = columns.label if columns.label in left else None
    if label is None:
        wanted = columns.class_names or ()
        label = next((name for name in ("y", "truth") if name in left and name not in wanted), None)
    identity = columns.id if columns.id in left else None
    if identity is None and "id" in left and "id" not in (columns.class_names or ()):
        identity = "id"
    if identity is None and names and names[0] == "" and not exported:
        identity = ""
    if label is not None and label == identity:
        raise InputError(f"Column '{label}' of '{source}' has two roles", expected="labels or ids")
    labels = None if label is None else tables._as_found(table, names.index(label))
    ids = None if identity is None else tables._as_found(table, names.index(identity))
    if identity == "" and ids is not None and np.array_equal(ids, np.arange(len(ids))):
        ids = None
    rest = [name for name in left if name not in (label, identity)]
    if exported:
        warn(
            f"'{source.name}' is a table that howsure wrote as csv. Its probabilities, ids and truth are "
            "read; errors, passes and settings are only in the .parquet form."
        )
        rest = exported
    return labels, ids, identity or None, rest


def _classes(names: list[str], columns: Columns, source: Path) -> tuple[list[str], list[str] | None]:
    """The columns of the classes, and what these are called; None for numbers."""
    called = [name.removeprefix(_EXPORTED) for name in names]
    wanted = columns.class_names
    if wanted is None and len(names) == 1 and not columns.several:
        raise InputError(
            f"'{source}' has one column of probabilities, '{called[0]}'",
            expected="a column for each class, or both class names where it is the second of two",
            mend=f"On the command line: --class-names other,{called[0]}",
        )
    if wanted is None:
        return names, called
    missing = [name for name in wanted if name not in called]
    if len(names) == 1 and len(wanted) == 2 and not columns.several:
        if called[0] == wanted[0]:
            raise InputError(
                f"The only column of '{source}' is the second of two classes",
                expected=f"'{called[0]}' as the second of the class names",
                received=quoted(wanted),
            )
        return names, list(wanted)
    if not missing:
        return [names[called.index(name)] for name in wanted], list(wanted)
    if len(missing) < len(wanted) or len(names) != len(wanted):
        raise InputError(
            f"'{source}' has no columns {quoted(missing)}",
            expected=f"columns named like the classes, or as many columns as classes, {len(wanted)}",
            received=quoted(names),
        )
    return names, list(wanted)


# --- columns ------------------------------------------------------------------------------------------


def _opened(source: Path) -> tuple[Any, bool]:
    """The columns of a csv or Parquet file, and whether they have names."""
    if source.suffix.lower() != ".csv":
        return tables._open_parquet(source), True
    first = next((cells for _, cells in tables.read_lines(source) if cells), [])
    counts = _counts_classes([cell.strip() for cell in first])
    header = counts or (bool(first) and tables._check_first_line(source, first))
    return tables._open_csv(source, header=header), header


def _counts_classes(first: list[str]) -> bool:
    """Whether a first line can be nothing but class numbers: 0, 1, 2, …, perhaps after a nameless index."""
    filled = [cell for cell in first if cell]
    counting = filled == [str(number) for number in range(len(filled))]
    return counting and len(filled) > 1 and (len(filled) > 2 or first[0] == "")


def _numbers(table: Any, names: list[str], source: Path) -> Array:
    """(N, K) from these columns, or an `InputError` that names those that hold something else."""
    columns = [table.columns[table.names.index(name)] for name in names]
    wrong = [name for name, each in zip(names, columns, strict=True) if not tables._is_numeric(each.type)]
    if wrong or not names:
        raise InputError(
            f"'{source}' has columns without numbers: {quoted(wrong)}"
            if wrong
            else f"'{source}' has no columns",
            expected="a column of probabilities for each class, and perhaps labels (`y`) and ids (`id`)",
            received=quoted(table.names),
            mend="Say what they are, or leave them out: on the command line --label-column, --id-column, "
            "--drop, or --class-names with the names of the classes' columns"
            if wrong
            else None,
        )
    return np.concatenate([tables._numbers(table, table.names.index(name)) for name in names], axis=1)
