"""Results from files: a table that howsure saved, or probabilities or numbers that anything else wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.arguments import check_path
from howsure.errors import InputError, warn
from howsure.external.given import read_given
from howsure.external.results import of_given
from howsure.inputs.align import RowNames
from howsure.inputs.by_name import ANY
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import check_readable
from howsure.inputs.formats import IN_WORDS, PARQUET, format_of, holds_answers, open_table
from howsure.inputs.rows import Array
from howsure.inputs.tables import Roles, Table, hint_of_text, labels_of, names_in_column
from howsure.results.saved import is_saved
from howsure.results.thresholds import Thresholds
from howsure.scale.load import load, load_sample, parts_of
from howsure.tasks.task import Task, task_named, tasks

if TYPE_CHECKING:
    import pyarrow as pa

Result = Any
"""A `Certainty`, or a result of another kind."""


@dataclass(frozen=True)
class FileColumns:
    """The meaning of the columns of a file of probabilities, or of numbers.

    Attributes:
        class_names: Names of the classes, or labels: those of the columns that hold them, or of the columns
            in their order; None if all columns that are left are classes. Or names of targets: their
            columns are `mean.NAME` and `std.NAME`.
        roles: Columns of labels, of ids, and those that are left out.
        several: Whether each column is the probability of a label of its own.
        normalise: Whether the numbers of each row are divided by their sum.
        label_in_file: Name of the column of labels in a file of their own, or None.
        thresholds: Thresholds of the verdicts on given probabilities, or None.
        labelled: Whether labels are needed. If not, those of a table are left out where a row has none.
        form: The form of csv files.
    """

    class_names: tuple[str, ...] | None = None
    roles: Roles = Roles()  # noqa: RUF009 (frozen, so it may be shared)
    several: bool = False
    normalise: bool = False
    label_in_file: str | None = None
    thresholds: Thresholds | None = None
    labelled: bool = True
    form: CsvForm = CsvForm()  # noqa: RUF009

    @property
    def task(self) -> Task[Any]:
        """The task of the answers that the columns tell of each row."""
        return task_named("labels" if self.several else "classes")

    @property
    def alike(self) -> FileColumns:
        """The same for a further table, where a column may be missing, and labels too."""
        return replace(self, roles=replace(self.roles, needed=False), labelled=False)

    def truth_in(self, table: Table, columns: Sequence[int], read: Callable[[], Array]) -> Array | None:
        """The true answers in some columns, or None if labels are not needed and a row has none.

        Args:
            table: The columns.
            columns: Numbers of those that hold the true answers.
            read: Reads them; an `InputError` for an empty cell.
        """
        try:
            return read()
        except InputError as error:
            if self.labelled:
                raise
            if any(table.columns[place].null_count < table.rows for place in columns):
                warn(f"{error.what}. So its labels are left out.")
            return None


def read_result(
    path: str | os.PathLike[str], columns: FileColumns | None = None, *, for_scores: bool = False
) -> Result:
    """The result in a file.

    | file | what is read |
    |---|---|
    | `.parquet` that howsure saved, or a folder of parts | all of it |
    | of columns | a column for each class, and perhaps one of labels and one of ids |
    | of columns | columns `mean` and `std` of a number, or `mean.NAME` and `std.NAME` of several |
    | of one array | an array (N, K), or (N,) of the second of two classes |

    A csv file has a header. A first column without a name is an index: ids, unless it only counts the rows.

    Args:
        path: The file.
        columns: Meaning of its columns, if the file does not show it.
        for_scores: Whether columns of a saved file are left out that no score looks at.

    Raises:
        FileError: Missing or damaged.
        InputError: Columns that are not there, or no probabilities; see `Certainty.from_probabilities`.
    """
    source, columns = check_path(path), columns or FileColumns()
    format = format_of(source)
    check_readable(source)
    if source.is_dir():
        _check_no_settings(source, columns)
        return load(source)
    if format is None or not holds_answers(source):
        raise InputError(
            f"'{source}' is not a kind of file that results or probabilities are read from",
            expected=f"a file that ends in {IN_WORDS['answers']}",
        )
    if format is PARQUET and is_saved(source):
        _check_no_settings(source, columns)
        return load_sample(source, for_scores=for_scores)[0]
    if format.array is not None:
        values = np.asarray(format.array(source))
        values = values[:, None] if columns.several and values.ndim == 1 else values
        return _result_from(source, _normalised(values, columns, source), columns)
    table = open_table(source, columns.form, columns.roles, known_names=columns.class_names or ())
    if any(_was_written(task, table) for task in tasks()):
        raise InputError(
            f"'{source}' is a table that howsure wrote as csv, which it does not read again",
            expected="the .parquet form of this table, as `howsure assess --out TABLE.parquet` writes it",
        )
    for task in tasks():
        if task.can("claims") and task.claims(table, columns):
            return task.given_columns(table, columns, source)
    content = _roles(table, source, columns)
    return _result_from(source, content.classes, columns, content)


def _was_written(task: Task[Any], table: Table) -> bool:
    """Whether a table has every column that all results of a kind have in csv."""
    needed = (column for column in task.result_type.columns if not (column.optional or column.on_demand))
    names = {name.split(".")[0] for name in table.names}
    kept = (column for column in needed if column.in_table or column.is_map)
    return names.issuperset(column.name for column in kept if column.default is None)


def read_sample(
    path: str | os.PathLike[str], columns: FileColumns, *, for_scores: bool = False
) -> tuple[Result, int]:
    """As `read_result`, but of a large folder as many rows as `load_sample` draws; and how many there are."""
    if not check_path(path).is_dir():
        result = read_result(path, columns, for_scores=for_scores)
        return result, len(result)
    _check_no_settings(check_path(path), columns)
    return load_sample(path, for_scores=for_scores)


def read_parts(path: str | os.PathLike[str], columns: FileColumns) -> Iterator[Result]:
    """As `read_result`, but of a folder one part after the other."""
    if not check_path(path).is_dir():
        yield read_result(path, columns)
        return
    _check_no_settings(check_path(path), columns)
    yield from parts_of(path)


def _normalised(values: Array, columns: FileColumns, source: Path) -> Array:
    """The rows divided by their sums, where that is asked for."""
    numbers = values.ndim == 2 and values.dtype.kind in "iuf" and bool(values.size)
    if not numbers or columns.several or not columns.normalise:
        return values
    with np.errstate(invalid="ignore"):
        total = values.sum(axis=1, dtype=np.float64)
        if not (np.isfinite(total).all() and values.min() >= 0 and total.min() > 0):
            return values  # which is told with the rows
    low, high = total.min(), total.max()
    warn(f"The rows of '{source.name}' are divided by their sums, which are {low:.6g} to {high:.6g}.")
    return np.asarray(values / total[:, None])


@dataclass(frozen=True, eq=False)
class _Content:
    """The columns of classes, as a table of Arrow, and what other columns hold."""

    classes: pa.Table
    labels: Array | None = None
    called: RowNames = field(default_factory=RowNames)


def _result_from(source: Path, values: Any, columns: FileColumns, beside: _Content | None = None) -> Result:
    labels, called = (None, RowNames()) if beside is None else (beside.labels, beside.called)
    try:
        kind = columns.task.given()
        numbers = read_given(values, columns.class_names, kind, "The probabilities", labels)
        values = _normalised(numbers.values, columns, source)
        numbers = replace(numbers, **vars(called), values=values, labels=labels)
        return of_given(numbers, kind, source.name, columns.thresholds)
    except InputError as error:
        raise error.told_of(f"'{source}'", _hint(error, columns, beside)) from error


def _hint(error: InputError, columns: FileColumns, beside: _Content | None) -> str | None:
    """The options of the command line that may mend what is wrong with the numbers of a file."""
    if "do not sum to 1" in error.what and not columns.normalise:
        options = "On the command line: --set normalise=true"
    elif "column" in error.what:
        options = (
            "On the command line, `label_column`, --id-column, `drop`, --class-names and `several_labels` "
            "say what columns are"
        )
    else:
        options = None
    if beside is None:
        return options
    name = next((name for name in beside.classes.column_names if name in ANY), None)
    if name is not None:
        return f"If '{name}' holds the true answers, say so: on the command line --set label_column={name}"
    cells = [column[0] for column in beside.classes.columns if len(column)]
    return next(filter(None, map(hint_of_text, cells)), options)


def _check_no_settings(source: Path, columns: FileColumns) -> None:
    roles = columns.roles
    settings = {
        "class names": columns.class_names,
        "a column of labels": roles.label,
        "a column of ids": roles.id,
        "columns to leave out": roles.drop,
        "several labels": columns.several,
        "sums to divide by": columns.normalise,
        "thresholds": columns.thresholds,
    }
    names = [name for name, value in settings.items() if value]
    if names and roles.needed:
        raise InputError(
            f"'{source}' is a saved result, which says itself what its columns are",
            expected="labels in a file of their own, if any",
            received=" and ".join(names),
        )


def _roles(table: Table, source: Path, columns: FileColumns) -> _Content:
    """The role of each column; the remaining ones are classes."""
    names = list(table.names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"'{source}' has two columns '{twice}'",
            expected="distinct names",
            hint=f"Call the one with true answers '{ANY[0]}'" if twice in ANY else None,
        )
    classes, label, identity = columns.roles.beside(table, columns.class_names or ())
    labels = None
    if label is not None:
        labels = columns.truth_in(table, [label], lambda: labels_of(table, label))
    return _Content(classes, labels, names_in_column(table, identity))
