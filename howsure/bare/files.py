"""Results from files: a table that howsure saved, or probabilities or numbers that anything else wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.files import load, load_sample, parts_of
from howsure.answers.registry import CLASSES, LABELS, Answer, answers
from howsure.arguments import check_path
from howsure.bare.given import check_no_flags, read_given
from howsure.bare.results import of_given
from howsure.data.align import Called
from howsure.data.by_name import ANY, places_of_names
from howsure.data.csv_files import CsvForm, hint_of_text
from howsure.data.files import check_readable
from howsure.data.numpy_files import open_npy
from howsure.data.rows import Array, quoted
from howsure.data.table_files import open_columns
from howsure.data.tables import (
    ANY_VECTOR,
    Roles,
    Table,
    called_in,
    called_in_export,
    formed,
    is_numeric,
    labels_of,
    unescaped,
)
from howsure.errors import InputError, warn
from howsure.results.saved import is_saved
from howsure.results.thresholds import Thresholds
from howsure.words import before_no_formula

ENDINGS = (".parquet", ".csv", ".npy")

_EXPORTED, _YES, _TRUTH, _TRUTH_NAME = "probabilities.", "yes.", "truth.", "truth_name"
_LEARNT = "learnt_from"
"""In a csv file that `howsure assess --out` wrote: how columns of probabilities begin, and those that only
several labels per row have; its columns of true answers; and its marks of a calibrator."""

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
    def answer(self) -> Answer:
        """The kind of answer that the columns tell of each row."""
        return LABELS if self.several else CLASSES

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
    | `.csv`, `.parquet` | a column for each class, and perhaps one of labels and one of ids |
    | `.csv`, `.parquet` | columns `mean` and `std` of a number, or `mean.NAME` and `std.NAME` of several |
    | `.npy` | an array (N, K), or (N,) of the second of two classes |

    A csv file has a header. A first column without a name is an index: ids, unless it only counts the rows.

    Args:
        path: The file.
        columns: Meaning of its columns, if the file does not show it.
        for_scores: Whether columns of a saved file are left out that no score looks at.

    Raises:
        FileError: Missing or damaged.
        InputError: Columns that are not there, or no probabilities; see `Certainty.from_probabilities`.
    """
    source, given = check_path(path), columns or FileColumns()
    suffix = source.suffix.lower()
    check_readable(source)
    if source.is_dir():
        _check_nothing_asked(source, given)
        return load(source)
    if suffix not in ENDINGS:
        raise InputError(
            f"'{source}' is not a kind of file that results or probabilities are read from",
            expected=f"a file that ends in {', '.join(ENDINGS)}",
        )
    if suffix == ".parquet" and is_saved(source):
        _check_nothing_asked(source, given)
        return load_sample(source, for_scores=for_scores)[0]
    if suffix == ".npy":
        values = np.asarray(open_npy(source))
        values = values[:, None] if given.several and values.ndim == 1 else values
        return _made(source, _normalised(values, given, source), given)
    table = open_columns(source, given.form, given.roles, given.class_names or ())
    for kind in answers():
        if kind.has("claims") and kind.part("claims")(table, given):
            return _marked(kind.part("given_columns")(table, given, source), table)
        if not (kind.has("claims") or kind.has("given")) and _was_written(kind, table):
            raise InputError(
                f"'{source}' is a table that howsure wrote as csv of {kind.in_words}, and reads no more",
                expected="the .parquet form of this table",
            )
    exported = _exported(table.names)
    if exported and any(name.startswith(_YES) for name in table.names):
        given = replace(given, several=True)
    found = _roles(table, source, given)
    chosen, called = _classes(found.classes, given, source)
    if given.class_names is None and not exported:
        columns_of = {name: table.columns[table.names.index(name)] for name in chosen}
        known = {name: each.to_numpy() for name, each in columns_of.items() if not each.null_count}
        check_no_flags(known, found.labels, f"'{source}' has", "--drop")
    values = _normalised(_numbers(table, chosen, source), given, source)
    made = _made(source, values, given, called, found)
    return _marked(made, table) if exported else made


def _was_written(kind: Answer, table: Table) -> bool:
    """Whether a table has every column that all results of a kind have in csv."""
    needed = (each for each in kind.result_type.columns if each.stored and not each.optional)
    there = {name.split(".")[0] for name in table.names}
    return there.issuperset(each.name for each in needed if each.default is None)


def _marked(result: Result, table: Table) -> Result:
    """The result, with the marks of its calibrator where a csv file that howsure wrote has them."""
    if _LEARNT not in table.names:
        return result
    marks = table.columns[table.names.index(_LEARNT)].to_pylist()
    return replace(result, learnt_from=np.array([str(mark) == "True" for mark in marks]))


def read_sample(
    path: str | os.PathLike[str], columns: FileColumns, *, for_scores: bool = False
) -> tuple[Result, int]:
    """As `read_result`, but of a large folder as many rows as `load_sample` draws; and how many there are."""
    if not check_path(path).is_dir():
        found = read_result(path, columns, for_scores=for_scores)
        return found, len(found)
    _check_nothing_asked(check_path(path), columns)
    return load_sample(path, for_scores=for_scores)


def read_parts(path: str | os.PathLike[str], columns: FileColumns) -> Iterator[Result]:
    """As `read_result`, but of a folder one part after the other."""
    if not check_path(path).is_dir():
        yield read_result(path, columns)
        return
    _check_nothing_asked(check_path(path), columns)
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


def _exported(names: Sequence[str]) -> list[str]:
    """The columns of probabilities, where `howsure assess --out` wrote the file; else none."""
    return [name for name in names if name.startswith(_EXPORTED)]


@dataclass(frozen=True, eq=False)
class _Found:
    """Names of the columns of classes, and what other columns hold."""

    classes: list[str]
    labels: Array | None = None
    called: Called = field(default_factory=Called)


def _made(
    source: Path,
    values: Array,
    columns: FileColumns,
    called: Sequence[str] | None = None,
    beside: _Found | None = None,
) -> Result:
    names = columns.class_names if called is None else tuple(called)
    try:
        kind = columns.answer.part("given")
        given = read_given(values, names, kind, "The probabilities")
        if beside is not None:
            given = replace(given, **vars(beside.called), labels=beside.labels)
        return of_given(given, kind, source.name, columns.thresholds)
    except InputError as error:
        off = "do not sum to 1" in error.what and not columns.normalise
        hint = _of_label(names or ()) or ("On the command line: --normalise" if off else None)
        raise error.told_of(f"'{source}'", hint) from error


def _check_nothing_asked(source: Path, columns: FileColumns) -> None:
    roles = columns.roles
    asked = {
        "class names": columns.class_names,
        "a column of labels": roles.label,
        "a column of ids": roles.id,
        "columns to leave out": roles.drop,
        "several labels": columns.several,
        "sums to divide by": columns.normalise,
        "thresholds": columns.thresholds,
    }
    given = [name for name, value in asked.items() if value]
    if given and roles.needed:
        raise InputError(
            f"'{source}' is a saved result, which says itself what its columns are",
            expected="labels in a file of their own, if any",
            received=" and ".join(given),
        )


def _roles(table: Table, source: Path, columns: FileColumns) -> _Found:
    """The role of each column; the remaining ones are classes."""
    names = list(table.names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"'{source}' has two columns '{twice}'",
            expected="distinct names",
            hint=f"Call the one with true answers '{ANY[0]}'" if twice in ANY else None,
        )
    exported, roles = _exported(names), columns.roles
    if exported:
        roles = _roles_exported(names, columns)
    label, identity, left = roles.of(table, None)
    wanted = columns.class_names or ()
    kept = [place for place in (label, identity) if place is not None and names[place] in wanted]
    label, identity = (None if place in kept else place for place in (label, identity))
    several = [place for place, name in enumerate(names) if exported and name.startswith(_TRUTH)]
    places = several if label is None else [label]
    labels = columns.truth_in(table, places, lambda: _labels(table, places)) if places else None
    called = (called_in_export if exported else called_in)(table, identity)
    called = replace(called, id_name=before_no_formula(called.id_name))
    if not exported:
        return _Found([names[place] for place in sorted([*left, *kept])], labels, called)
    if labels is not None and label is not None:
        _check_not_predicted(labels, names[label], table, exported, source)
    if labels is not None and label is not None and names[label] == _TRUTH_NAME:
        column = table.columns[label] if table.as_text is None else table.as_text(label)
        labels = unescaped(np.asarray(column.to_pylist(), dtype=object))
    warn(
        f"'{source.name}' is a table that howsure wrote as csv. Its probabilities, ids and truth are "
        "read; errors, passes and settings are only in the .parquet form."
    )
    return _Found(exported, labels, called)


def _roles_exported(names: list[str], columns: FileColumns) -> Roles:
    """The columns of labels and ids in a csv file that howsure wrote, unless the caller names them."""
    kind = columns.answer.result_type
    own = [name for name in names if kind.can_call(before_no_formula(name))]
    roles = columns.roles
    if roles.label is None and _TRUTH_NAME in names:
        roles = replace(roles, label=_TRUTH_NAME)
    if roles.id is None and len(own) == 1 and own[0] not in (roles.label, *roles.drop):
        roles = replace(roles, id=own[0])
    return roles


def _labels(table: Table, places: Sequence[int]) -> Array:
    """(N,) the labels in one column; of several, as of several labels per row, (N, K)."""
    found = [labels_of(table, place) for place in places]
    return found[0] if len(found) == 1 else np.stack(found, axis=1)


def _classes(names: list[str], columns: FileColumns, source: Path) -> tuple[list[str], list[str] | None]:
    """The columns of the classes, and what these are called; None for numbers."""
    called = [name.removeprefix(_EXPORTED) for name in names]
    wanted = columns.class_names
    if wanted is None and len(names) == 1 and not columns.several:
        raise InputError(
            f"'{source}' has one column of probabilities, '{called[0]}'",
            expected="a column for each class, or both class names where it is the second of two",
            hint=f"On the command line: --class-names other,{called[0]}; "
            "or --several-labels for one yes or no",
        )
    if wanted is None:
        return names, called
    places = places_of_names(wanted, called)
    missing = [name for name, place in zip(wanted, places, strict=True) if place is None]
    if len(names) == 1 and len(wanted) == 2 and not columns.several:
        if places[0] is not None:
            raise InputError(
                f"The only column of '{source}' is the second of two classes",
                expected=f"'{called[0]}' as the second of the class names",
                received=quoted(wanted),
            )
        return names, list(wanted)
    if not missing:
        return [names[place] for place in places if place is not None], list(wanted)
    if len(missing) < len(wanted) or len(names) != len(wanted):
        raise InputError(
            f"'{source}' has no columns {quoted(missing)}",
            expected=f"columns named like the classes, or as many columns as classes, {len(wanted)}",
            received=quoted(names),
        )
    return names, list(wanted)


def _numbers(table: Table, names: list[str], source: Path) -> Array:
    """(N, K) from these columns, or an `InputError` that names those that hold something else."""
    columns = [table.columns[table.names.index(name)] for name in names]
    wrong = [name for name, each in zip(names, columns, strict=True) if not is_numeric(each.type)]
    if wrong or not names:
        cells = [str(table.columns[table.names.index(name)][0]) for name in wrong[:3] if table.rows]
        raise InputError(
            f"'{source}' has columns without numbers: {quoted(wrong)}"
            if wrong
            else f"'{source}' has no columns",
            expected="a column of probabilities for each class, and perhaps labels (`y`) and ids (`id`)",
            received=", ".join(map(repr, cells)) or None,
            hint=_of_label(wrong)
            or next(filter(None, map(hint_of_text, cells)), None)
            or "Say what they are, or leave them out: on the command line --label-column, --id-column, "
            "--drop, or --class-names with the names of the classes' columns"
            if wrong
            else None,
        )
    return formed(table, [table.names.index(name) for name in names], ANY_VECTOR)


def _of_label(names: Sequence[str]) -> str | None:
    """The hint for columns of which one is called as if it held the true answers."""
    name = next((name for name in names if name in ANY), None)
    return name and f"If '{name}' holds the true answers, say so: on the command line --label-column {name}"


def _check_not_predicted(labels: Array, name: str, table: Table, exported: list[str], source: Path) -> None:
    """Raise an `InputError` for labels that are the classes which the table itself holds as predicted."""
    if name not in ("label", "label_name"):
        return
    predicted = _numbers(table, exported, source).argmax(axis=1)
    classes = [column.removeprefix(_EXPORTED) for column in exported]
    if labels.tolist() in (predicted.tolist(), [classes[number] for number in predicted]):
        raise InputError(
            f"Column '{name}' of '{source}' holds what the model predicted",
            expected="a column of true answers",
            hint=f"howsure wrote it. Add the true answers in a column of another name, such as '{ANY[0]}'",
        )
