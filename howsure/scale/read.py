"""Rows that are read a range at a time: from Parquet files, arrays on disk, or a folder of images.

A Parquet file is read forwards, some rows at a time; the array of a .npy file is mapped; images are opened
one by one: memory does not grow with the number of rows. A reader holds the whole of any other file.

Rows are known again by their content: each file by its SHA-256, for which it is read once at every start;
images, of which there are many, by their names, sizes and times of change.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.adapters.resolve import ModelHandle
from howsure.errors import InputError
from howsure.inputs import images
from howsure.inputs.binary_files import parquet_columns
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import check_lengths, check_readable
from howsure.inputs.formats import IN_WORDS, PARQUET, Format, format_of
from howsure.inputs.loaders import of_each
from howsure.inputs.reading import open_native, reading
from howsure.inputs.rows import Array, InputSpec, Rows, quoted
from howsure.inputs.sizes import check_one_size
from howsure.inputs.tables import ANY_VECTOR, Roles, is_numeric, rows_of
from howsure.inputs.typed_json import digest
from howsure.scale.parts import Part, RowFile

if TYPE_CHECKING:
    import pyarrow as pa

Columns = list[tuple[str, str]]
"""Name and kind of each column, in the order in which they form a row."""

_ROWS_AHEAD = 1024
"""Rows of a Parquet file that are decoded at a time."""

_READ_AHEAD = 2**16
"""Bytes of each column that Arrow reads at a time: a table may have a thousand columns."""


@dataclass(frozen=True)
class RowSource:
    """The place of rows, and how they are read.

    Attributes:
        path: A file or folder.
        roles: Roles of columns that are no features.
        skip_unreadable: Whether unreadable images are left out.
    """

    path: Path
    roles: Roles = Roles()  # noqa: RUF009  (frozen, so it may be shared)
    skip_unreadable: bool = False

    def open(self, model: ModelHandle) -> Reader:
        """The reader of these rows for a model.

        Raises:
            FileError: They do not exist or cannot be read.
            InputError: This is no kind of file that holds rows, or files do not belong together.
        """
        check_readable(self.path)
        specs = model.declared_specs()
        inputs = None if specs is None else tuple(specs)
        format = format_of(self.path)
        if self.path.is_dir() and (parts := parquet_files(self.path)):
            return ParquetReader(parts, inputs, self.roles, tuple(_not_read(self.path)))
        if self.path.is_dir() or images.is_image_name(self.path):
            _check_no_deeper_rows(self.path)
            return ImageReader(self.path, inputs, self.skip_unreadable, model.channels())
        if format is None:
            raise InputError(
                f"'{self.path}' is not a kind of file that holds rows",
                expected=f"a {IN_WORDS['rows']} file, an image, or a folder of images or of "
                f"{PARQUET.ending} files",
            )
        if format is PARQUET:
            return ParquetReader([self.path], inputs, self.roles)
        return WholeReader(self.path, format, inputs, self.roles)


class Reader(ABC):
    """Reads ranges of rows; a worker gets it as it was opened by whoever began.

    Attributes:
        files: All files of rows, in order.
        passed_over: Entries beside them that are not read, each with the reason.
    """

    files: list[RowFile]
    passed_over: Sequence[str] = ()

    @abstractmethod
    def read(self, part: Part) -> Rows:
        """Rows of a part; images that are left out are listed.

        Raises:
            FileError: They cannot be read.
            InputError: They do not fit the model.
        """

    def places(self, part: Part, rows: Rows) -> Array:
        """(N,) places in the part of the rows that were read; some images may be missing."""
        return np.arange(len(part))

    def content(self, part: Part) -> str:
        """A mark of the content of the rows in a part."""
        return self.files[part.file].content


def sha256(path: Path) -> str:
    """The SHA-256 of all that a file holds.

    Raises:
        FileError: It cannot be read.
    """
    with reading(path, path.suffix.lstrip(".")), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- Parquet files ------------------------------------------------------------------------------------


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files in a folder, sorted by name, but for those that begin with `.` or `_`.

    Also links that lead nowhere, pipes, and whatever else has the ending and is no folder: what cannot be
    read is to be named.
    """
    return sorted(
        entry
        for entry in folder.iterdir()
        if format_of(entry) is PARQUET and not entry.name.startswith((".", "_")) and not entry.is_dir()
    )


def _not_read(folder: Path) -> Iterator[str]:
    """Entries of a folder beside its Parquet files, each with the reason; not those programs keep there."""
    for entry in sorted(folder.iterdir()):
        hidden, ends = entry.name.startswith((".", "_")), format_of(entry) is PARQUET
        if entry.is_dir() and not hidden:
            yield f"{images.readable(Path(entry.name))}: a folder"
        elif ends and hidden:
            yield f"{images.readable(Path(entry.name))}: its name begins with {entry.name[0]}"
        elif not ends and not hidden:
            yield f"{images.readable(Path(entry.name))}: its name does not end in {PARQUET.ending}"


def _check_no_deeper_rows(folder: Path) -> None:
    """Raise for Parquet files that would not be read, as they lie deeper in a folder."""
    deeper = next(folder.rglob(f"*{PARQUET.ending}"), None)
    if deeper is not None:
        raise InputError(
            f"'{folder}' holds rows that would not be read",
            expected=f"files ending in {PARQUET.ending}, none of them in a folder of its own",
            received=f"'{deeper.relative_to(folder)}'",
            hint="Move these files, or give the folder that they are in",
        )


class ParquetReader(Reader):
    """A Parquet file, or several, with the same columns; each is read forwards, as parts come in order."""

    def __init__(
        self,
        paths: Sequence[Path],
        specs: Sequence[InputSpec] | None,
        roles: Roles,
        passed_over: Sequence[str] = (),
    ) -> None:
        self._paths, self._specs, self._roles, self.passed_over = paths, specs, roles, passed_over
        self._cursor: _Cursor | None = None
        self.files = []
        _, first = _footer(paths[0])
        self._columns = _columns_in(first)
        for path in paths:
            count, schema = _footer(path)
            _check_columns(path, schema, self._columns)
            self.files.append(RowFile(path.name, count, sha256(path)))

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_cursor": None}  # each worker has its own place in the file

    def read(self, part: Part) -> Rows:
        """See `Reader`."""
        path = self._paths[part.file]
        cursor, self._cursor = self._cursor, None  # what failed is not gone on with
        with reading(path, "Parquet"):
            if cursor is None or not cursor.can_reach(path, part.start):
                cursor = _Cursor(path, part.start)
            table = cursor.take(part.start, part.stop)
            table.validate(full=True)
        self._cursor = cursor
        _check_columns(path, table.schema, self._columns)
        if _columns_in(table.schema) != self._columns:
            table = table.select([name for name, _ in self._columns])
        specs = [ANY_VECTOR] if self._specs is None else self._specs
        return rows_of(parquet_columns(path, table), specs, self._roles)


def _footer(path: Path) -> tuple[int, pa.Schema]:
    """How many rows a Parquet file has, and its columns."""
    import pyarrow.parquet as pq

    with reading(path, "Parquet"):
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")  # a pipe would be waited for
        with open_native(path) as opened, pq.ParquetFile(opened) as file:
            return int(file.metadata.num_rows), file.schema_arrow


class _Cursor:
    """A place in a Parquet file, from which it is read forwards, as a group of rows may not fit in memory."""

    def __init__(self, path: Path, start: int) -> None:
        import pyarrow.parquet as pq

        self._path = path
        self._file = pq.ParquetFile(
            open_native(path), page_checksum_verification=True, buffer_size=_READ_AHEAD, pre_buffer=False
        )
        sizes = [self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups)]
        begins = [0, *itertools.accumulate(sizes)]
        first = max(n for n, begin in enumerate(begins) if begin <= start)
        self._place = begins[first]
        self._batches: Iterator[pa.RecordBatch] = itertools.chain.from_iterable(
            self._file.iter_batches(batch_size=_ROWS_AHEAD, row_groups=[number])  # a batch may span groups
            for number in range(first, len(sizes))
        )
        self._rest: pa.RecordBatch | None = None

    def can_reach(self, path: Path, start: int) -> bool:
        """Whether the row lies ahead."""
        return path == self._path and self._place <= start

    def take(self, start: int, stop: int) -> pa.Table:
        """Rows start … stop − 1; what lies before them is passed over."""
        import pyarrow as pa

        batches = []
        while self._place < stop:
            batch = next(self._batches, None) if self._rest is None else self._rest
            if batch is None:
                raise ValueError(f"it ends after {self._place} rows, and its footer says more")
            first, last = max(0, start - self._place), min(len(batch), stop - self._place)
            if last > first:
                batches.append(batch.slice(first, last - first))
            self._rest = batch.slice(last) if last < len(batch) else None
            self._place += last
        return pa.Table.from_batches(batches, self._file.schema_arrow)


def _check_columns(path: Path, schema: pa.Schema, expected: Columns) -> None:
    """Raise an `InputError` where a file has other columns than are wanted, or of another kind.

    Args:
        path: The file.
        schema: Its columns, in any order.
        expected: All columns that there should be.
    """
    columns = _columns_in(schema)
    lacking, more = Counter(expected) - Counter(columns), Counter(columns) - Counter(expected)
    if columns != expected and (lacking or more or len(dict(columns)) < len(columns)):
        kinds = [("no", [*lacking]), ("also", [*more])]
        received = [f"{word} '{name}' of {kind}" for word, which in kinds for name, kind in which]
        raise InputError(
            f"'{path}' does not have the columns of the other rows",
            expected=f"columns {quoted([name for name, _ in expected])}, each once, in any order",
            received=", ".join(received[:8]) or "two columns of one name, in another order",
            hint="Give rows whose columns have the same names and kinds in all files",
        )


def _columns_in(schema: pa.Schema) -> Columns:
    return [(field.name, _kind(field.type)) for field in schema]


def _kind(of: pa.DataType) -> str:
    """The kind of a column: numbers, texts, lists, or Arrow's name for it."""
    import pyarrow as pa

    if pa.types.is_dictionary(of):
        return _kind(of.value_type)
    if isinstance(of, pa.BaseExtensionType) or hasattr(of, "value_type"):
        return "lists"
    if pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return "texts"
    return "numbers" if is_numeric(of) else str(of)


# --- files that are opened whole ------------------------------------------------------------------------


class WholeReader(Reader):
    """A file of any format: the array of a .npy file stays on disk, all else is in memory."""

    def __init__(self, path: Path, format: Format, specs: Sequence[InputSpec] | None, roles: Roles) -> None:
        self._path, self._format, self._specs, self._roles = path, format, specs, roles
        x = self._whole.x
        count = len(next(iter(x.values())) if isinstance(x, dict) else x)
        self.files = [RowFile(path.name, count, sha256(path))]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_whole"}

    @functools.cached_property
    def _whole(self) -> Rows:
        """All rows in the file; each process opens them for itself."""
        rows = self._format.rows(self._path, self._specs, self._roles, CsvForm())
        return check_lengths(rows, self._path)

    def read(self, part: Part) -> Rows:
        """See `Reader`."""
        whole, some = self._whole, slice(part.start, part.stop)
        labels = None if whole.labels is None else whole.labels[some]
        ids = None if whole.ids is None else whole.ids[some]
        return replace(whole, x=of_each(whole.x, lambda array: array[some]), labels=labels, ids=ids)


# --- images ---------------------------------------------------------------------------------------------


class ImageReader(Reader):
    """A folder of images, or one image, listed once and opened as they are needed."""

    def __init__(
        self, path: Path, specs: Sequence[InputSpec] | None, skip_unreadable: bool, channels: int | None
    ) -> None:
        self._folder = path if path.is_dir() else path.parent
        self._skip = skip_unreadable
        self._images, self._class_names = images.list_images(path)
        self._channels_first = specs is None
        self._specs = [images.undeclared_input(channels)] if specs is None else specs
        everything = Part(0, 0, len(self._images), 0)
        self.files = [RowFile(self._folder.name, len(everything), self.content(everything))]

    def read(self, part: Part) -> Rows:
        """See `Reader`."""
        some = self._images[part.start : part.stop], self._class_names
        rows = images.read_images(self._folder, self._specs, self._skip, some)
        check_one_size(rows.x)
        return replace(rows, x=np.moveaxis(rows.x, -1, 1)) if self._channels_first else rows

    def places(self, part: Part, rows: Rows) -> Array:
        """Places of the images that could be read."""
        some = self._images[part.start : part.stop]
        names = [images.readable(file.relative_to(self._folder)) for file, _ in some]
        read = set(() if rows.ids is None else rows.ids.tolist())
        return np.flatnonzero([name in read for name in names])

    def content(self, part: Part) -> str:
        """A mark of the names, sizes and times of change of images."""
        marks = list[object]()
        for file, _ in self._images[part.start : part.stop]:
            marks.append(images.readable(file.relative_to(self._folder)))
            with suppress(OSError):  # of a link that leads nowhere
                status = file.stat()
                marks.append((status.st_size, status.st_mtime_ns))
        return digest(marks)
