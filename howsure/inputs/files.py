"""Read rows and class names from files and folders; each error names the row, column or file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from howsure.arguments import check_path
from howsure.errors import FileError, InputError
from howsure.inputs import images, table_files
from howsure.inputs.align import ID, check_ids
from howsure.inputs.reading import reading
from howsure.inputs.rows import MOST_AXES, Array, InputSpec, Rows, check_rows, quoted
from howsure.inputs.table_files import COLUMN_READERS, NPY, NPZ, CsvForm, has_columns
from howsure.inputs.tables import ANY_VECTOR, Roles
from howsure.words import listed

_LABELS = "y"
_ACCEPTED = f"a {listed((NPZ, NPY, *COLUMN_READERS), 'or')} file, an image, or a folder of these"


def read_rows(
    path: str | os.PathLike[str],
    inputs: Sequence[InputSpec],
    *,
    skip_unreadable: bool = False,
    roles: Roles | None = None,
    form: CsvForm = CsvForm(),  # noqa: B008 (frozen, so it may be shared)
) -> Rows:
    """The rows in a file or folder, checked against the model's inputs.

    | path | rows | labels | ids |
    |---|---|---|---|
    | `.npz` | array `x`, or the only array; for several inputs the arrays named like them | array `y` | \
array `id` |
    | `.npy` | the array, memory-mapped | | |
    | `.csv`, `.parquet` | the columns in the order of the file, reshaped to the input's shape (C order); \
for several inputs the columns named like them; a list column counts as many columns | column `y` | \
column `id` |
    | image or folder of images | sorted by name; grey, RGB or RGBA by the input's channels, 0 … 255, \
never resized, rotated as EXIF says, first frame only | number of the class sub-folder, sorted by name | \
names of the files |

    A csv file has a header and is in UTF-8.

    Args:
        path: File or folder.
        inputs: The model's inputs.
        skip_unreadable: Leave unreadable images out and list them instead of raising.
        roles: Purposes of the columns of a csv or Parquet file, if they are not called `y` and `id`; other
            files have none.
        form: The form of a csv file.

    Returns:
        Rows that `check_rows` accepts, not cast.

    Raises:
        FileError: The file is missing or damaged, or an image is unreadable.
        InputError: The content cannot be rows of this model.
    """
    source = check_path(path)
    suffix = source.suffix.lower()
    check_readable(source)
    if has_columns(source) and source.is_file():
        return _checked_rows(table_files.read_table(source, inputs, roles or Roles(), form), source, inputs)
    if source.is_dir() or images.is_image_name(source):
        rows = images.read_images(source, inputs, skip_unreadable)
    elif suffix == NPZ:
        rows = rows_in_npz(source, inputs)
    elif suffix == NPY:
        if len(inputs) > 1:
            raise InputError(
                f"'{source}' holds one array, but the model has {len(inputs)} inputs",
                expected=f"a .npz file with arrays named {quoted([spec.name for spec in inputs])}",
            )
        rows = Rows(open_npy(source))
    else:
        raise InputError(f"'{source}' is not a kind of file that holds rows", expected=_ACCEPTED)
    return _checked_rows(rows, source, inputs)


def rows_in(
    source: Path,
    inputs: Sequence[InputSpec] | None,
    channels: Callable[[], int | None],
    *,
    skip_unreadable: bool = False,
    roles: Roles | None = None,
    form: CsvForm = CsvForm(),  # noqa: B008 (frozen, so it may be shared)
) -> Rows:
    """The rows in a file or folder; see `read_rows`.

    For a model that does not declare its inputs, the rows are: an array; the array `x` or all arrays by name;
    or the columns of a table. Images then have their channels first, as PyTorch modules expect.

    Args:
        source: The file or folder.
        inputs: The model's inputs, or None.
        channels: Returns the number of channels of its images, or None; for models that declare no inputs.
        skip_unreadable: True leaves unreadable images out.
        roles: Purposes of columns that are no features.
        form: The form of a csv file.

    Raises:
        FileError: The file is missing or damaged.
        InputError: No rows.
    """
    if inputs is not None:
        return read_rows(source, inputs, skip_unreadable=skip_unreadable, roles=roles, form=form)
    suffix = source.suffix.lower()
    check_readable(source)
    if source.is_dir() or images.is_image_name(source):
        rows = read_rows(source, [images.undeclared_input(channels())], skip_unreadable=skip_unreadable)
        return replace(rows, x=np.moveaxis(rows.x, -1, 1))
    if suffix not in (NPY, NPZ):
        return read_rows(source, [ANY_VECTOR], roles=roles, form=form)
    if suffix == NPY:
        return Rows(open_npy(source))
    return rows_in_npz(source, None)


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
    try:
        if not source.exists():
            raise FileError("The file does not exist", received=str(source))
        if source.is_dir():
            next(source.iterdir(), None)
        elif source.is_file():
            source.open("rb").close()
        else:
            raise FileError(f"'{source}' is neither a file nor a folder", expected=_ACCEPTED)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"'{source}' cannot be read ({error.strerror or error})") from error


def _checked_rows(rows: Rows, source: Path, inputs: Sequence[InputSpec]) -> Rows:
    try:
        arrays = check_rows(rows.x, inputs)
    except InputError as error:
        raise error.told_of(f"'{source}'") from error
    x = arrays[0] if len(inputs) == 1 else {s.name: a for s, a in zip(inputs, arrays, strict=True)}
    ids = None if rows.ids is None else check_ids(rows.ids, len(arrays[0]), f"The ids in '{source}'")
    return check_lengths(replace(rows, x=x, ids=ids), source)


def check_lengths(rows: Rows, source: Path) -> Rows:
    """The same rows, with one label per row or (N, K) labels, after a check that all lengths are N.

    Args:
        rows: Rows as found in a file.
        source: The file, for messages.

    Raises:
        InputError: Arrays of different length, or an array that is a single number.
    """
    arrays = rows.x if isinstance(rows.x, dict) else {"": rows.x}
    for name, array in arrays.items():
        if array.ndim == 0:
            raise InputError(
                f"'{source}' holds a single value, and no rows",
                expected="an array of shape (N, …)",
                received=f"array '{name}' of shape ()" if name else "an array of shape ()",
            )
    counts = {name: len(array) for name, array in arrays.items()}
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
            received=f"{len(labels)} in '{_LABELS}'",
        )
    if rows.ids is not None and rows.ids.shape != (count,):
        raise InputError(
            f"The ids in '{source}' do not fit the rows",
            expected=f"{count} of them, one for each row",
            received=f"an array of shape {rows.ids.shape}",
        )
    return replace(rows, labels=labels)


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


# --- numpy files ----------------------------------------------------------------------------------
#
# A .npz file is a zip archive with a checksum of each array. Every array is read to its end, so any damage is
# found. A .npy file has no checksum; only what its header says can be compared with its length.


def rows_in_npz(source: Path, inputs: Sequence[InputSpec] | None) -> Rows:
    """The rows of a .npz file as found, with the labels and ids in it.

    Args:
        source: The file.
        inputs: The model's inputs; None if it does not declare them: then the array `x`, or all by name.

    Raises:
        FileError: The file is damaged.
        InputError: No array, or several, could be the rows.
    """
    present = names_in_npz(source)
    names = ["x"] if "x" in present else [name for name in present if name not in (_LABELS, ID)]
    if inputs is None:
        if not names:
            raise InputError(f"'{source}' holds no rows", expected="an array 'x', or one for each input")
    elif len(inputs) > 1:
        names = [spec.name for spec in inputs]
        missing = [name for name in names if name not in present]
        if missing:
            raise InputError(
                f"'{source}' has no array {quoted(missing)}",
                expected=f"arrays named like the inputs, {quoted(names)}, and perhaps '{_LABELS}'",
                received=f"arrays {quoted(present)}",
            )
    elif len(names) != 1:
        raise InputError(
            f"'{source}' does not say which array holds the rows",
            expected=f"an array 'x', and perhaps '{_LABELS}', or only one array",
            received=f"arrays {quoted(present)}" if present else "no array",
            hint="Save the one you mean: `numpy.savez(file, x=…, y=…)`",
        )
    arrays = read_npz(source, [*names, _LABELS, ID])
    x = arrays[names[0]] if len(names) == 1 else {name: arrays[name] for name in names}
    labels, ids = (None if name in names else arrays.get(name) for name in (_LABELS, ID))
    return Rows(x, labels, ids=ids)


_END_OF_ZIP = 22
"""Bytes of the end of a zip archive without a comment, with the number of its entries."""


def open_npy(source: Path) -> Array:
    """The array in a .npy file, memory-mapped.

    Raises:
        FileError: Not a .npy file, or longer or shorter than its header says.
        InputError: Pickled Python objects.
    """
    with reading(source, "npy"), _no_objects(source, "The array"):
        array = np.lib.format.open_memmap(source, mode="r")
        if array.offset + array.nbytes != source.stat().st_size:
            raise ValueError(
                f"an array of shape {array.shape} and type {array.dtype} is shorter than the file"
            )
    return array


def read_npz(source: Path, wanted: Iterable[str]) -> dict[str, Array]:
    """Arrays in a .npz file, by name; wanted arrays that do not exist are left out.

    Raises:
        FileError: The file is damaged, or encrypted.
        InputError: Pickled Python objects.
    """
    names = set(wanted)
    return {name: _read_array(source, name) for name in names_in_npz(source) if name in names}


def names_in_npz(source: Path) -> list[str]:
    """Names of the arrays in a .npz file.

    Raises:
        FileError: The file is damaged.
    """
    with reading(source, "npz"), zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            archive.open(entry).close()  # compares the two places that store its name
        entries = archive.namelist()
        with source.open("rb") as file:  # of another length, one entry would hide the next
            file.seek(-_END_OF_ZIP, os.SEEK_END)
            end = file.read()
        count = int.from_bytes(end[10:12], "little")
        if end.startswith(b"PK\5\6") and count not in (len(entries), 0xFFFF):
            raise ValueError(f"it should hold {count} arrays, and {len(entries)} are there")
        if len(set(entries)) < len(entries):
            raise ValueError("it holds two arrays of one name")
    return [name.removesuffix(".npy") for name in entries if name.endswith(".npy")]


def _read_array(source: Path, name: str) -> Array:
    with (
        reading(source, "npz"),
        _no_objects(source, f"Array '{name}'"),
        zipfile.ZipFile(source) as archive,
        archive.open(f"{name}.npy") as file,
    ):
        array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read():  # reaching the end compares the checksum
            raise ValueError(f"array '{name}' of shape {array.shape} is shorter than its entry")
        return np.asarray(array)


@contextmanager
def _no_objects(source: Path, called: str) -> Iterator[None]:
    """Around code that reads an array: an `InputError` for pickled objects, which numpy refuses."""
    try:
        yield
    except ValueError as error:
        if "Python objects" not in str(error) and "Object arrays" not in str(error):
            raise
        raise InputError(
            f"{called} in '{source}' holds pickled Python objects, which are not loaded as they can run code",
            expected="an array of numbers",
            hint="Convert it to numbers before saving, for example with `x.astype('float32')`",
        ) from error
