"""Read rows and class names from files and folders; each error names the row, column or file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from howsure.arguments import check_path
from howsure.errors import FileError, InputError
from howsure.inputs import images
from howsure.inputs.align import check_ids
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.formats import IN_WORDS, format_of, open_table
from howsure.inputs.loaders import length
from howsure.inputs.reading import reading
from howsure.inputs.rows import MOST_AXES, Array, InputSpec, Rows, check_rows
from howsure.inputs.sizes import RowsOfSizes
from howsure.inputs.tables import ANY_VECTOR, LABELS, Roles, labels_of, names_in_column

_ACCEPTED = f"a {IN_WORDS['rows']} file, an image, or a folder of these"


def read_rows(
    path: str | os.PathLike[str],
    inputs: Sequence[InputSpec] | None,
    channels: Callable[[], int | None] = lambda: None,
    *,
    skip_unreadable: bool = False,
    roles: Roles = Roles(),  # noqa: B008 (frozen, so it may be shared)
    form: CsvForm = CsvForm(),  # noqa: B008
) -> Rows:
    """The rows in a file or folder, checked against the model's inputs.

    | path | rows | labels | ids |
    |---|---|---|---|
    | arrays with names | array `x`, or the only array; for several inputs the arrays named like them | \
array `y` | array `id` |
    | one array | the array, memory-mapped | | |
    | columns | in the order of the file, reshaped to the input's shape (C order); for several inputs the \
columns named like them; a list column counts as many columns | column `y` | column `id` |
    | image or folder of images | sorted by name; grey, RGB or RGBA by the input's channels, 0 … 255, \
never resized, rotated as EXIF says, first frame only | number of the class sub-folder, sorted by name | \
names of the files |

    For a model that does not declare its inputs, the rows are: an array; the array `x` or all arrays by name,
    unchecked; or the columns of a table. Images then have their channels first, as PyTorch modules expect.

    Args:
        path: File or folder; `howsure.inputs.formats` has the endings.
        inputs: The model's inputs, or None.
        channels: Returns the number of channels of its images, or None; for models that declare no inputs.
        skip_unreadable: Leave unreadable images out and list them instead of raising.
        roles: Purposes of columns, if they are not called `y` and `id`; other files have none.
        form: The form of a csv file.

    Returns:
        Rows that `check_rows` accepts, not cast.

    Raises:
        FileError: The file is missing or damaged, or an image is unreadable.
        InputError: The content cannot be rows of this model.
    """
    source = check_path(path)
    check_readable(source)
    if source.is_dir() or images.is_image_name(source):
        specs = [images.undeclared_input(channels())] if inputs is None else inputs
        rows = images.read_images(source, specs, skip_unreadable)
        if isinstance(rows.x, RowsOfSizes):
            return rows if inputs is not None else replace(rows, x=rows.x.changed(_channels_first))
        rows = _checked_rows(rows, source, specs)
        return replace(rows, x=_channels_first(rows.x)) if inputs is None else rows
    format = format_of(source)
    if format is None:
        raise InputError(f"'{source}' is not a kind of file that holds rows", expected=_ACCEPTED)
    rows = format.rows(source, inputs, roles, form)
    if inputs is None:
        return _checked_rows(rows, source, [ANY_VECTOR]) if format.columns is not None else rows
    return _checked_rows(rows, source, inputs)


def _channels_first(images: Array) -> Array:
    return np.moveaxis(images, -1, 1)


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
    table = open_table(source, form, roles, known_names=features)
    for name in features:
        if table.names.count(name) > 1:
            table.number(name, "for the model")
    frame, label, identity = roles.beside(table, features)
    labels = None if label is None else labels_of(table, label)
    return Rows(frame, labels, **vars(names_in_column(table, identity)))


def read_class_names(text: str) -> tuple[str, ...]:
    """Class names, in the order of the model's outputs.

    Args:
        text: The names, separated by commas; one alone with a comma behind it; or the path of a `.txt` file
            with one name a line.

    Raises:
        FileError: The file is missing, or not text.
        InputError: Not a list of names.

    Example:
        >>> read_class_names("cat, dog")
        ('cat', 'dog')
    """
    source = check_path(text)
    is_file = source.suffix.lower() == ".txt" and ("," not in text or os.path.exists(text))
    if not is_file and "," not in text:
        raise InputError(
            f"'{text}' is neither a list of class names nor a file of them",
            expected="names separated by commas, one alone with a comma behind it, or a .txt file",
        )
    alone = text.count(",") == 1 and text.endswith(",")
    parts = _lines_in(source) if is_file else text[:-1].split(",") if alone else text.split(",")
    names = [name.strip() for name in parts]
    where = f"'{source}'" if is_file else f"The list '{text}'"
    if not names:
        raise InputError(f"{where} holds no class names", expected="one name per class")
    if "" in names:
        raise InputError(
            f"{where} has an empty name in place {names.index('') + 1}", expected="one name per class"
        )
    return tuple(names)


def _lines_in(source: Path) -> list[str]:
    check_readable(source)
    with reading(source, "text"):
        text = source.read_text(encoding="utf-8-sig").rstrip()
    return text.split("\n") if text else []


# --- checks for all kinds of file -----------------------------------------------------------------


def check_readable(source: Path) -> None:
    """Raise a `FileError` unless this is a file or folder that can be read."""
    with reading(source, "known"):
        if source.is_dir():
            next(source.iterdir(), None)
        elif source.exists() and not source.is_file():
            raise FileError(f"'{source}' is neither a file nor a folder", expected=_ACCEPTED)
        else:
            source.open("rb").close()


def _checked_rows(rows: Rows, source: Path, inputs: Sequence[InputSpec]) -> Rows:
    try:
        arrays = check_rows(rows.x, inputs)
    except InputError as error:
        raise error.told_of(f"'{source}'") from error
    x = arrays[0] if len(inputs) == 1 else {s.name: a for s, a in zip(inputs, arrays, strict=True)}
    return check_lengths(replace(rows, x=x), source)


def check_lengths(rows: Rows, source: Path) -> Rows:
    """The same rows, with one label per row or (N, K) labels, after a check that all lengths are N.

    Args:
        rows: Rows as found in a file.
        source: The file, for messages.

    Raises:
        InputError: Arrays of different length, or an array that is a single number.
    """
    arrays = rows.x if isinstance(rows.x, dict) else {"": rows.x}
    counts = {name: length(array, f"The values in '{source}'") for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise InputError(
            f"The arrays in '{source}' differ in their number of rows",
            expected="the same number of rows in every array",
            received=", ".join(f"'{name}' has {count}" for name, count in counts.items()),
        )
    count = next(iter(counts.values()))
    labels = None if rows.labels is None else check_label_shape(rows.labels, source)
    if labels is not None and len(labels) != count:
        raise InputError(
            f"'{source}' has another number of labels than of rows",
            expected=f"{count} labels, one per row",
            received=f"{len(labels)} in '{LABELS}'",
        )
    ids = None if rows.ids is None else check_ids(rows.ids, count, f"The ids in '{source}'")
    return replace(rows, labels=labels, ids=ids)


def check_label_shape(labels: Array, source: Path) -> Array:
    """(N,) labels, (N, K) for several labels per row, or (N, *P) at each position."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not 1 <= labels.ndim <= 1 + MOST_AXES:
        raise InputError(
            f"The labels in '{source}' are not one value per row, or per position",
            expected="an array of shape (N,), (N, K) for K labels or numbers per row, or (N, …) with up to "
            f"{MOST_AXES - 1} axes of positions",
            received=f"an array of shape {labels.shape}",
        )
    return labels
