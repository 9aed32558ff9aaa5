"""Read true answers from a file, or from a folder of label images, and match them to rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np

from howsure.arguments import check_path
from howsure.errors import FileError, InputError, warnings_never_errors
from howsure.inputs.align import ID, RowNames, places, warn_of_more
from howsure.inputs.by_name import ANY, check_no_lone_class, only_count, places_of_names
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import check_label_shape, check_readable
from howsure.inputs.formats import IN_WORDS, format_of, holds_answers, open_table
from howsure.inputs.images import readable, without_ending
from howsure.inputs.loaders import length
from howsure.inputs.rows import Array, Rows, quoted
from howsure.inputs.tables import LABELS, Roles, Table, labels_of, names_in_column, values_of

_BY_PLACE = "If they are in the order of the rows, leave out the first column"
_BY_NAME = ". If not, sort the labels by it into the order of the rows"
_LEAVE_OUT = "Leave out the labels of other rows"
_CHOOSE = f"{_LEAVE_OUT}; or give rows and labels a column `id` with the same ids, which then are matched"


LABEL_IMAGE = ".png"
"""Ending of label images."""

_DEPTH, _COLOURS = 24, 25
"""Places of the bits of a number in a PNG image, and of what the numbers mean: 0 for grey."""

_NUMBERS = ("P", "L", "1", "I", "I;16")
"""Pillow's names of images of one whole number for each pixel; of `P` that is the place in the palette."""


@dataclass(frozen=True, eq=False)
class LabelFile:
    """True classes or numbers in a file, one per row, as found.

    Attributes:
        path: The file.
        labels: (N,), or (N, K) for several labels or numbers per row, or (N, *P) at each position.
        ids: (N,) ids in the file, or None.
        frame_index: (N,) numbers of a first column without a name that counts the rows, or None.
        others: (N,) values of each other column that may hold the ids of the rows.
    """

    path: Path
    labels: Array
    ids: Array | None = None
    frame_index: Array | None = None
    others: tuple[Array, ...] = ()

    def of(self, rows: Any) -> Array:
        """The labels of all rows, matched by what the rows are called if that is known, else by position.

        Args:
            rows: Names of the rows: a result, `Rows`, or `Called`, of which nobody checks the number.

        Raises:
            InputError: The labels belong to other rows, or are of more or fewer rows and nothing names these.
        """
        order = places(
            *(rows, self._called_as(rows), f"'{self.path}' holds labels", _BY_PLACE, _BY_NAME), choose=_CHOOSE
        )
        if order is not None:
            return self.labels[order]
        if isinstance(rows, Rows):
            self.check_count(length(rows.x), _CHOOSE)
        elif hasattr(rows, "__len__"):
            self.check_count(len(rows), _CHOOSE)
        return self.labels

    def check_count(self, rows: int, more: str = _LEAVE_OUT) -> None:
        """Raise an `InputError` unless there is one label for each row; `more` is a hint for too many."""
        if len(self.labels) != rows:
            format = format_of(self.path)
            one_fewer = format is not None and format.has_form and len(self.labels) == rows - 1
            header = "The first line of a csv file is its header, and no label" if one_fewer else None
            raise InputError(
                f"'{self.path}' has another number of labels than there are rows",
                expected=f"{rows:,} labels, one per row",
                received=f"{len(self.labels):,}",
                hint=more if len(self.labels) > rows else header,
            )

    def check_count_by_id(self, rows: int) -> None:
        """Warn of labels of further rows than these, where both have ids, or raise as `check_count`."""
        if self.ids is None or len(self.labels) < rows:
            self.check_count(rows)
        elif len(self.labels) > rows:
            warn_of_more(f"'{self.path}' holds labels", len(self.labels), rows)

    def of_some(self, called: Any, rows: Array) -> Array:
        """The labels of some rows, matched by id if ids are known, else by position.

        Args:
            called: Names of these n rows: a result, `Rows`, or `Called`.
            rows: (n,) their positions among all rows, in [0, N).

        Raises:
            InputError: The labels belong to other rows, or rows with the same id are in another order.
        """
        with_ids = self._called_as(called)
        if with_ids is not self:
            return with_ids.of_some(called, rows)
        if np.array_equal(rows, np.arange(len(self.labels))):
            return self.of(called)
        ids = getattr(called, "ids", None)
        if ids is None or self.ids is None:
            return self.labels[rows]
        wanted_ids = [str(name) for name in ids.tolist()]
        if wanted_ids == [str(name) for name in self.ids[rows].tolist()]:
            return self.labels[rows]
        odd = next((name for name in wanted_ids if name not in self._place), None)
        shared = len(self._place) < len(self.labels) or len(set(wanted_ids)) < len(wanted_ids)
        if shared or odd is not None:
            raise InputError(
                f"'{self.path}' holds labels of other rows, or in another order where some rows share an id",
                expected="a label for each row, under an id of its own"
                + ("" if odd is None else f", '{odd}' among them"),
                received=f"labels of {len(self.labels):,} rows",
            )
        return self.labels[[self._place[name] for name in wanted_ids]]

    def _called_as(self, rows: Any) -> LabelFile:
        """The same with ids from a column of another name, if the file has none and that holds these."""
        ids = getattr(rows, "ids", None)
        if ids is None or self.ids is not None:
            return self
        wanted_ids = set(map(str, ids.tolist()))
        return next((file for file in self._by_others if wanted_ids <= file._place.keys()), self)

    @cached_property
    def _by_others(self) -> list[LabelFile]:
        return [replace(self, ids=ids, others=()) for ids in self.others]

    @cached_property
    def _place(self) -> dict[str, int]:
        ids = [] if self.ids is None else self.ids.tolist()
        return {str(name): number for number, name in enumerate(ids)}


@dataclass(frozen=True, eq=False)
class LabelFolder:
    """Label images, of which each is opened when it is needed; as `LabelFile`.

    Attributes:
        path: The folder.
        files: (N,) label images, sorted by name.
    """

    path: Path
    files: tuple[Path, ...]

    @classmethod
    def of_folder(cls, path: Path) -> Self:
        """The label images in a folder and in its sub-folders.

        Raises:
            InputError: There are none.
        """
        visible = sorted(
            file
            for file in path.rglob("*")
            if not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        files = tuple(file for file in visible if file.suffix.lower() == LABEL_IMAGE)
        if not files:
            raise InputError(
                f"The folder '{path}' holds no label images",
                expected=f"files ending in {LABEL_IMAGE}, named like the images that they belong to",
                hint="Labels in other files go into one .npy file of shape (N, …)",
            )
        return cls(path, files)

    @cached_property
    def ids(self) -> Array:
        """(N,) their names."""
        return np.array([readable(file.relative_to(self.path)) for file in self.files], dtype=object)

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        names = [without_ending(name) for name in self.ids.tolist()]
        return dict(zip(names, self.files, strict=True))

    def of(self, rows: Any) -> Array:
        """(N, *P) class numbers of all rows, found by their names.

        Args:
            rows: Names of the rows, with `ids`.

        Raises:
            FileError: A label image cannot be read.
            InputError: A row has none, or one that holds no class numbers.
        """
        ids: Array | None = getattr(rows, "ids", None)
        if ids is None:
            raise InputError(
                f"'{self.path}' holds label images, which belong to rows by name; these rows have no names",
                expected="images in files as rows, or labels in one .npy file of shape (N, …)",
            )
        files = [self._file_of(str(name)) for name in ids.tolist()]
        if not files:
            return np.empty((0, 0, 0), np.int64)
        first = _read_png(files[0])
        maps = np.empty((len(files), *first.shape), first.dtype)
        for number, file in enumerate(files):
            labels = _read_png(file)
            if labels.shape != first.shape:
                raise InputError(
                    f"'{file}' differs in size from '{files[0].name}'",
                    expected=" × ".join(map(str, first.shape)),
                    received=" × ".join(map(str, labels.shape)),
                )
            maps = maps.astype(np.promote_types(maps.dtype, labels.dtype), copy=False)
            maps[number] = labels
        return maps

    def of_some(self, called: Any, rows: Array) -> Array:
        """As `of`; the positions of the rows play no part."""
        return self.of(called)

    def check_count(self, rows: int) -> None:
        """Raise an `InputError` if there are fewer label images than rows."""
        if len(self.files) < rows:
            raise InputError(
                f"'{self.path}' has fewer label images than there are rows",
                expected=f"{rows:,} or more",
                received=f"{len(self.files):,}",
            )

    def _file_of(self, name: str) -> Path:
        names = (name, without_ending(name), str(PurePosixPath(name).with_suffix("")))
        file = next((self._by_name[candidate] for candidate in names if candidate in self._by_name), None)
        if file is None:
            first = self.files[0].name
            raise InputError(
                f"'{self.path}' holds no label image for '{name}'",
                expected=f"'{without_ending(name)}{first.removeprefix(without_ending(first))}'",
                received=f"{quoted(self.ids[:3].tolist())}, …",
            )
        return file


def read_label_file(
    path: str | os.PathLike[str],
    *,
    column: str | None = None,
    id_column: str | None = None,
    names: Sequence[str] | None = None,
    form: CsvForm = CsvForm(),  # noqa: B008 (frozen, so it may be shared)
) -> LabelFile | LabelFolder:
    """True classes or numbers from an array or columns in a file, or classes from a folder of label images.

    A file of columns has a column `y`, or one column beside ids; with more columns the labels are (N, K), one
    column for each label or number.

    Args:
        path: The file.
        column: Name of the column of labels, if it is not `y`.
        id_column: Name of the column of ids, if there is one and it is not `id`.
        names: Names of the classes, labels or numbers; columns of these names are taken in this order.
        form: The form of a csv file.

    Raises:
        FileError: The file is missing or damaged.
        InputError: An array of more axes, an empty cell, or another kind of file.
    """
    source = check_path(path)
    check_readable(source)
    if source.is_dir():
        return LabelFolder.of_folder(source)
    format = format_of(source)
    if format is None or not holds_answers(source):
        raise InputError(
            f"'{source}' is not a kind of file that holds labels",
            expected=f"a {IN_WORDS['answers']} file, or a folder of label images",
        )
    if format.array is None:
        labels, called, others = _read_columns(source, form, column, id_column, names or ())
        return LabelFile(source, check_label_shape(labels, source), called.ids, called.frame_index, others)
    if column is not None:
        raise InputError(
            f"'{source}' has no columns of which one could be named",
            expected=f"a {IN_WORDS['columns']} file",
            received=column,
        )
    return LabelFile(source, check_label_shape(np.asarray(format.array(source)), source))


def _read_columns(
    source: Path,
    form: CsvForm,
    label: str | None = None,
    identity: str | None = None,
    names: Sequence[str] = (),
) -> tuple[Array, RowNames, tuple[Array, ...]]:
    """(N,) true answers in the columns of a file, and what their rows are called; or (N, K) of several.

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
    table = open_table(
        source, form, Roles(label, identity), known_names=() if only_count(names or None) else names
    )
    if label is None and not set(names) <= set(table.names):
        label = next((name for name in ANY if table.names.count(name) == 1 and name not in names), None)
    named = next((name for name in (identity, ID) if name in table.names and name != label), None)
    place, ids_at, rest = Roles(label, named).of(table, None)
    called = names_in_column(table, ids_at)
    if place is None and len(rest) == 1:
        (place,) = rest
    if place is not None:
        others = tuple(_columns_of_possible_ids(table, [at for at in rest if at != place]))
        return _check_lone_class(labels_of(table, place), table.names[place], names), called, others
    places = places_of_names(names, [table.names[number] for number in rest])
    by_name = bool(names) and None not in places
    if by_name:
        rest = [rest[at] for at in places if at is not None]
    columns = [values_of(table, number) for number in rest]
    if all(column.dtype.kind in "biuf" for column in columns):
        yes_or_no = all(np.isin(column, (0, 1)).all() for column in columns)
        decimals = any(column.dtype.kind == "f" and np.any(column != np.round(column)) for column in columns)
        if by_name or (only_count(names or None) and (yes_or_no or decimals)):
            return np.stack(columns, axis=1), called, ()
    texts = [table.names[at] for at, column in zip(rest, columns, strict=True) if column.dtype.kind in "OU"]
    wanted = f"each of {quoted(names)}" if names else "each label, of 0 and 1, or for each number of a row"
    raise InputError(
        f"'{source}' does not say which column holds the labels",
        expected=f"one column named '{LABELS}'; or a column for {wanted}",
        received=f"columns {quoted(table.names)}",
        hint=f"Name it: on the command line --set label_column={(texts or [LABELS])[0]}",
    )


def _columns_of_possible_ids(table: Table, among: Sequence[int]) -> Iterator[Array]:
    """The values of each column among some that holds another text or whole number in every row."""
    import pyarrow as pa

    for column in (table.columns[at] for at in among):
        may_be = (pa.types.is_integer(column.type) or pa.types.is_string(column.type)) and len(column)
        if may_be and not column.null_count and len(column.unique()) == len(column):
            yield np.asarray(column.to_pylist(), dtype=object)


def _check_lone_class(labels: Array, column: str, names: Sequence[str]) -> Array:
    """The same labels; an `InputError` where a column of yes and no is called as one of the classes."""
    if not only_count(names or None):
        check_no_lone_class(labels, column, names)
    return labels


@warnings_never_errors()
def _read_png(file: Path) -> Array:
    """(H, W) values of a grey image, or places in the palette."""
    from PIL import Image, ImageOps

    try:
        with file.open("rb") as handle:
            Image.open(handle, formats=["PNG"]).verify()  # compares all checksums
            handle.seek(0)
            header = handle.read(_COLOURS + 1)
            with Image.open(handle, formats=["PNG"]) as image:
                mode, array = image.mode, np.asarray(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders may raise anything for a damaged file
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise FileError(f"'{file}' is not a readable label image", received=reason) from error
    if mode == "RGB" and (array == array[..., :1]).all():  # a grey image
        array = array[..., 0]
    elif mode not in _NUMBERS:
        raise InputError(
            f"'{file}' holds colours, and no class numbers",
            expected="a grey image, or one with a palette, whose values are class numbers",
            received=f"Pillow's mode {mode}",
            hint="Replace each colour by the number of its class, with colours in the order of the classes: "
            "hit = (numpy.asarray(image)[..., None, :3] == numpy.array(colours)).all(-1); "
            "image = Image.fromarray(numpy.where(hit.any(-1), hit.argmax(-1), 255).astype('uint8'))",
        )
    values: Any = array.astype(np.uint8) if array.dtype == bool else array
    if mode == "L" and header[_COLOURS] == 0:  # Pillow spreads fewer than 8 bits over 0 to 255
        return np.asarray(values // (255 // (2 ** header[_DEPTH] - 1)))
    return np.asarray(values)
