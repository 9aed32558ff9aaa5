"""Rows that are read a range at a time: from Parquet files, arrays on disk, or a folder of images.

    survey ── a SourceFile for each file ── divided into parts ── read(file, start, stop), by whoever works

Memory does not grow with the number of rows. A Parquet file is read forwards, some rows at a time; arrays are
mapped; images are opened one by one. Compressed arrays are the exception: a reader holds the whole.
"""

from __future__ import annotations

import functools
import itertools
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from howsure.data import images
from howsure.data.files import check_lengths, check_readable, rows_in_npz
from howsure.data.numpy_files import open_npy
from howsure.data.reading import open_native, reading
from howsure.data.rows import Array, InputSpec, Rows, quoted
from howsure.data.table_files import parquet_columns
from howsure.data.tables import ANY_VECTOR, Roles, is_numeric, rows_of
from howsure.data.typed import FROM_0, FileName
from howsure.errors import FileError, InputError
from howsure.scale.digests import of_archive, of_array, of_content, of_file, of_footer, of_images, of_names

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = ".parquet"
_PARQUET_TOO = (".pq", ".parq")
"""Other endings that Parquet files are given."""

ONE_BY_ONE = "images, one by one"
"""The content of a folder of images: they are compared part by part, see `howsure.scale.same`."""

Columns = tuple[tuple[str, str], ...]
"""Name and kind of each column, in the order in which they form a row; a kind that is "" is not compared."""

Specs = Sequence[InputSpec] | None
"""The inputs of a model, or None if it does not declare them."""


@dataclass(frozen=True)
class SourceFile:
    """One file of rows as it was found, or a whole folder of images.

    Attributes:
        name: Name of the file.
        rows: How many it holds; None if that cannot be read.
        size: Bytes.
        changed: When it was changed, in nanoseconds; of images a number made of their names.
        fault: Why it cannot be read, or None.
        digest: A short mark of what it holds; of images see `Reader.digest`.
        content: A mark of all that it holds; empty if it cannot be read, and `ONE_BY_ONE` of images.
        gone: Whether it is not there any more, while its results may be.
    """

    name: FileName
    rows: Annotated[int, FROM_0] | None
    size: Annotated[int, FROM_0]
    changed: int
    fault: FileName | None = None
    digest: str = ""
    content: str = ""
    gone: bool = False

    def is_like(self, other: SourceFile) -> bool:
        """Whether both hold the same: by their content; where that is not known, by all that is."""
        if self.content and other.content:
            return self.content == other.content
        plain = [replace(each, fault=None, content="", gone=False) for each in (self, other)]
        return plain[0] == plain[1]


class Reader:
    """Reads ranges of rows.

    Attributes:
        columns: Columns of all rows, known after `survey`; None if rows have no columns.
        may_grow: Whether more files may come later.
        each_a_file: Whether each row is a file of its own, which may be unreadable alone.
        passed_over: Entries beside the files that are not read, each with the reason.
    """

    columns: Columns | None = None
    may_grow = False
    each_a_file = False
    passed_over: Sequence[str] = ()

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the images; None if rows are no images."""
        return None

    def survey(self, specs: Specs) -> list[SourceFile]:
        """All files, in order.

        Raises:
            FileError: The only one cannot be read.
            InputError: Its arrays do not belong together.
        """
        raise NotImplementedError

    def read(self, file: int, start: int, stop: int, specs: Specs) -> Rows:
        """Rows start … stop − 1 of a file; images that are left out are listed.

        Raises:
            FileError: They cannot be read.
            InputError: They do not fit the model.
        """
        raise NotImplementedError

    def places(self, start: int, stop: int, rows: Rows) -> Array:
        """(N,) positions between start and stop of the rows that were read, from 0; images may be missing."""
        return np.arange(stop - start)

    def digest(self, start: int, stop: int) -> str | None:
        """A mark of images start … stop − 1; None if rows are no images."""
        return None

    def content(self, file: int, start: int, stop: int) -> str:
        """A mark of the whole content of a file, or of images start … stop − 1.

        Raises:
            OSError: The file cannot be read.
        """
        raise NotImplementedError

    def unreadable(self, rows: Sequence[int]) -> list[str]:
        """The images among these that cannot be read, each with the reason."""
        return []


@dataclass(frozen=True)
class RowSource:
    """The source of rows, in a form that a worker on another machine can be told.

    Attributes:
        path: A file or folder.
        roles: Roles of columns that are no features.
        skip_unreadable: Whether unreadable images are left out.
        skip_rows: Whether rows on which the data or the model fails are left out, unreadable images too.
        channels: Channels of images, for a model that does not declare its input; None if it does not matter.
        columns: Columns of all Parquet files, in the order in which they form a row; None for those of the
            first that can be read.
        files: Names of the Parquet files or the images in a folder, by number; None for those that are there.
    """

    path: Path
    roles: Roles = Roles()  # noqa: RUF009  (frozen, so it may be shared)
    skip_unreadable: bool = False
    skip_rows: bool = False
    channels: int | None = None
    columns: Columns | None = None
    files: tuple[str, ...] | None = None

    def open(self) -> Reader:
        """The reader of these rows.

        Raises:
            FileError: It does not exist or cannot be read.
            InputError: It is no kind of file that holds rows.
        """
        check_readable(self.path)
        suffix = self.path.suffix.lower()
        if self.path.is_dir():
            if self.files is not None:
                named = self.path / next(iter(self.files))
                if named.suffix.lower() == PARQUET:
                    return self._parquet([self.path / name for name in self.files])
                return self._images()
            parts = parquet_files(self.path)
            if parts:
                _check_nothing_passed_over(self.path)
                return self._parquet(parts, self.path)
            try:
                return self._images()
            except InputError:
                _check_nothing_passed_over(self.path)
                _check_not_empty(self.path)
                raise
        if suffix == PARQUET:
            return self._parquet([self.path])
        if suffix in (".npy", ".npz"):
            return _Arrays(self.path)
        if images.is_image_name(self.path):
            return self._images()
        raise InputError(
            f"'{self.path}' is not a kind of file from which rows are read part by part",
            expected="a .parquet, .npy or .npz file, an image or NIfTI volume, or a folder of .parquet files "
            "or of images",
            hint="Convert a csv file: pyarrow.parquet.write_table(pyarrow.csv.read_csv(path), 'rows.parquet')"
            if suffix == ".csv"
            else None,
        )

    def _parquet(self, files: Sequence[Path], folder: Path | None = None) -> _Parquet:
        return _Parquet(files, self.roles, self.columns, folder, keep=self.skip_rows)

    def _images(self) -> _Images:
        skip = self.skip_unreadable and not self.skip_rows
        return _Images(self.path, skip, self.channels, self.files)


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files in a folder, sorted by name, but for those that begin with `.` or `_`.

    Also links that lead nowhere, pipes, and whatever else has the ending and is no folder: what cannot be
    read is to be named.
    """
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() == PARQUET and not _is_hidden(entry.name) and not os.path.isdir(entry)
    )


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _passed_over(folder: Path, read: Sequence[Path]) -> list[str]:
    """Entries of a folder beside the Parquet files that are read, each with the reason.

    Not what programs keep there for themselves, by names that begin with `.` or `_`.
    """
    found = []
    for entry in sorted({*folder.iterdir()} - {*read}):
        if os.path.isdir(entry):
            reason = "a link to a folder" if entry.is_symlink() else "a folder"
            reason = "" if _is_hidden(entry.name) else reason
        elif _is_hidden(entry.name):
            reason = f"its name begins with {entry.name[0]}" if entry.suffix.lower() == PARQUET else ""
        else:
            reason = f"its name does not end in {PARQUET}"
        if reason:
            found.append(f"{images.readable(entry.relative_to(folder))}: {reason}")
    return found


def _check_nothing_passed_over(folder: Path) -> None:
    """Raise for Parquet files in a folder that would not be read: deeper in it, or under another ending."""
    for place, deeper, names in os.walk(folder):
        deeper[:] = [name for name in deeper if not _is_hidden(name)]
        endings = _PARQUET_TOO if Path(place) == folder else (PARQUET, *_PARQUET_TOO)
        more = sorted(name for name in names if name.lower().endswith(endings) and not _is_hidden(name))
        if more:
            raise InputError(
                f"'{folder}' holds rows that would not be read",
                expected=f"all of them in files ending in {PARQUET}, none of these in a folder of its own",
                received=f"'{(Path(place) / more[0]).relative_to(folder)}'",
                hint="Move or rename these files, or give the folder that they are in",
            )


def _check_not_empty(folder: Path) -> None:
    """Raise where there is nothing that could be rows, or only in folders that links lead to."""
    for link in sorted(entry for entry in folder.iterdir() if entry.is_symlink() and entry.is_dir()):
        if parquet_files(link):
            raise InputError(
                f"'{folder}' holds rows that would not be read",
                expected=f"{PARQUET} files; links to folders are not followed",
                received=f"'{link.name}', a link to '{os.readlink(link)}'",
                hint="Give the folder that the link leads to",
            )
    if not any(entry.is_dir() or images.is_image_name(entry) for entry in folder.iterdir()):
        raise InputError(
            f"The folder '{folder}' holds no rows",
            expected=f"{PARQUET} files, images, or one sub-folder of images per class",
        )


class _Parquet(Reader):
    """A Parquet file, or several; each is read forwards, as ranges come in order."""

    def __init__(
        self, files: Sequence[Path], roles: Roles, columns: Columns | None, folder: Path | None, *, keep: bool
    ) -> None:
        self._files, self._roles, self.columns, self._keep = files, roles, columns, keep
        self._cursor: Cursor | None = None
        self._taken: tuple[int, int, pa.Table] | None = None
        self.may_grow = folder is not None
        self.passed_over = () if folder is None else _passed_over(folder, files)

    def survey(self, specs: Specs) -> list[SourceFile]:
        """All files; where there are several, one that is damaged is listed with its fault."""
        import pyarrow.parquet as pq

        found = []
        for file in self._files:
            rows, size, changed, fault, digest = None, 0, 0, None, ""
            try:
                with reading(file, "Parquet"):
                    there = file.stat()
                    size, changed = there.st_size, there.st_mtime_ns
                    if not stat.S_ISREG(there.st_mode):
                        raise ValueError("it is no file")  # a pipe would be waited for
                    with open_native(file) as opened, pq.ParquetFile(opened) as footer:
                        rows, schema = int(footer.metadata.num_rows), footer.schema_arrow
                        digest = of_footer(opened)
                    self.columns = self.columns or columns_in(schema)
            except FileError as error:
                told = _leads_nowhere(file) or error
                if len(self._files) == 1:
                    raise told from error
                fault = str(told)
            gone = not os.path.exists(file)
            found.append(SourceFile(file.name, rows, size, changed, fault, digest, gone=gone))
        return found

    def content(self, file: int, start: int, stop: int) -> str:
        """Mark of the content of a file."""
        return of_file(self._files[file])

    def read(self, file: int, start: int, stop: int, specs: Specs) -> Rows:
        """See `Reader`."""
        source = self._files[file]
        table = self._table(source, file, start, stop)
        if self.columns is not None:
            table = in_order(f"'{source}'", table, self.columns, self._roles.drop)
        return rows_of(parquet_columns(source, table), [ANY_VECTOR] if specs is None else specs, self._roles)

    def _table(self, source: Path, file: int, start: int, stop: int) -> pa.Table:
        """Rows of a file; some of those that were kept are not read again."""
        if self._taken is not None:
            number, first, table = self._taken
            if number == file and first <= start and stop <= first + table.num_rows:
                return table.slice(start - first, stop - start)
        cursor, self._cursor = self._cursor, None  # what failed is not gone on with
        with reading(source, "Parquet"):
            if cursor is None or not cursor.can_reach(source, start):
                cursor = Cursor(source, start)
            table = cursor.take(start, stop)
            table.validate(full=True)
        self._cursor = cursor
        if self._keep:
            self._taken = file, start, table
        return table


def _leads_nowhere(file: Path) -> FileError | None:
    """The error where a file is a link without anything behind it."""
    if file.is_symlink() and not os.path.exists(file):
        return FileError(
            f"'{file}' is a link that leads nowhere",
            received=f"a link to '{os.readlink(file)}'",
            hint="Put the file there, or remove the link",
        )
    return None


class _Arrays(Reader):
    """A .npy or .npz file, whose arrays stay on disk unless they are compressed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole: Callable[[Specs], Rows] = functools.lru_cache(maxsize=1)(self._found)

    def survey(self, specs: Specs) -> list[SourceFile]:
        """The file."""
        there, x = self._path.stat(), self._whole(_fixed(specs)).x
        count = len(next(iter(x.values())) if isinstance(x, dict) else x)
        is_archive = self._path.suffix.lower() == ".npz"
        digest = of_archive(self._path) if is_archive else of_array(np.asarray(x))
        return [SourceFile(self._path.name, count, there.st_size, there.st_mtime_ns, digest=digest)]

    def content(self, file: int, start: int, stop: int) -> str:
        """Mark of the content of the arrays: a .npz file keeps their checksums, and the time of writing."""
        return of_archive(self._path) if self._path.suffix.lower() == ".npz" else of_file(self._path)

    def read(self, file: int, start: int, stop: int, specs: Specs) -> Rows:
        """See `Reader`."""
        whole, part = self._whole(_fixed(specs)), slice(start, stop)
        x = {n: a[part] for n, a in whole.x.items()} if isinstance(whole.x, dict) else whole.x[part]
        labels, ids = (None if each is None else each[part] for each in (whole.labels, whole.ids))
        return replace(whole, x=x, labels=labels, ids=ids)

    def _found(self, specs: Specs) -> Rows:
        if self._path.suffix.lower() == ".npy":
            found = Rows(open_npy(self._path))
        else:
            found = rows_in_npz(self._path, specs, mapped=True)
        return check_lengths(found, self._path)


def _fixed(specs: Specs) -> Specs:
    """The inputs in a form that a cache can tell apart."""
    return None if specs is None else tuple(specs)


class _Images(Reader):
    """A folder of images, or one image, listed once and opened as they are needed."""

    each_a_file = True

    def __init__(
        self, folder: Path, skip_unreadable: bool, channels: int | None, names: Sequence[str] | None = None
    ) -> None:
        self._folder = folder if folder.is_dir() else folder.parent
        self._skip, self._channels = skip_unreadable, channels
        self._files, self._class_names = images.list_images(folder)
        if names is not None:  # as they were found, whatever came or went meanwhile
            labels = dict(zip(self.names, (label for _, label in self._files), strict=True))
            self._files = [(self._folder / name, labels.get(name, 0)) for name in names]

    @property
    def names(self) -> tuple[str, ...]:
        """See `Reader`."""
        return tuple(file.relative_to(self._folder).as_posix() for file, _ in self._files)

    def survey(self, specs: Specs) -> list[SourceFile]:
        """The folder; `changed` tells the names of the images."""
        names = self.names
        return [SourceFile(self._folder.name, len(names), 0, of_names(names), content=ONE_BY_ONE)]

    def read(self, file: int, start: int, stop: int, specs: Specs) -> Rows:
        """See `Reader`."""
        first = self._files[0][0]
        wanted = [images.undeclared_input(first, self._channels)] if specs is None else specs
        part = self._files[start:stop], self._class_names
        rows = images.read_images(self._folder, wanted, self._skip, part)
        return replace(rows, x=np.moveaxis(rows.x, -1, 1)) if specs is None else rows

    def places(self, start: int, stop: int, rows: Rows) -> Array:
        """Places of the images that could be read."""
        names = [images.readable(file.relative_to(self._folder)) for file, _ in self._files[start:stop]]
        read = set(() if rows.ids is None else rows.ids.tolist())
        return np.flatnonzero([name in read for name in names])

    def digest(self, start: int, stop: int) -> str | None:
        """See `Reader`."""
        return of_images(self._folder, [file for file, _ in self._files[start:stop]])

    def content(self, file: int, start: int, stop: int) -> str:
        """Mark of the content of the images."""
        return of_content(self._folder, [file for file, _ in self._files[start:stop]])

    def unreadable(self, rows: Sequence[int]) -> list[str]:
        """See `Reader`."""
        files = [self._files[row][0] for row in rows]
        reasons = [images.unreadable(file) for file in files]
        return [
            f"{file.relative_to(self._folder).as_posix()}: {reason}"
            for file, reason in zip(files, reasons, strict=True)
            if reason is not None
        ]


# --- a Parquet file that is read forwards -------------------------------------------------------------


_READ_AHEAD = 2**16
"""Bytes of each column that Arrow reads at a time: a table may have a thousand columns."""

_ROWS_AHEAD = 1024
"""Rows that are decoded at a time."""


class Cursor:
    """A place in a Parquet file, from which it is read forwards."""

    def __init__(self, source: Path, start: int) -> None:
        import pyarrow.parquet as pq

        self._source = source
        self._file = pq.ParquetFile(
            open_native(source), page_checksum_verification=True, buffer_size=_READ_AHEAD, pre_buffer=False
        )
        counts = [self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups)]
        begins = np.concatenate([[0], np.cumsum(counts)])
        first = max(0, int(np.searchsorted(begins, start, side="right")) - 1)
        self._begins = begins.tolist()
        self._place = self._begins[min(first, len(counts))]
        self._batches: Iterator[pa.RecordBatch] = itertools.chain.from_iterable(
            self._file.iter_batches(batch_size=_ROWS_AHEAD, row_groups=[number])  # a batch may span groups
            for number in range(first, len(counts))
        )
        self._left: pa.RecordBatch | None = None

    def can_reach(self, source: Path, start: int) -> bool:
        """Whether the row lies ahead, and no group of rows between here and there could be jumped over."""
        ahead = [begin for begin in self._begins[:-1] if self._place < begin <= start]
        return source == self._source and start >= self._place and not ahead

    def take(self, start: int, stop: int) -> pa.Table:
        """Rows start … stop − 1; what lies before them is passed over."""
        import pyarrow as pa

        taken = []
        while self._place < stop:
            batch = self._left if self._left is not None else next(self._batches, None)
            if batch is None:
                raise ValueError(f"it ends after {self._place} rows, and its footer says more")
            first, last = max(0, start - self._place), min(len(batch), stop - self._place)
            if last > first:
                taken.append(batch.slice(first, last - first))
            self._left = batch.slice(last) if last < len(batch) else None
            self._place += last
        return pa.Table.from_batches(taken, self._file.schema_arrow)


# --- columns of rows in several files or blocks: the same in all of them, found by name -----------------


def columns_in(schema: pa.Schema) -> Columns:
    """The columns of a table, each with its kind: numbers, texts, lists, or Arrow's name for it."""
    return tuple((field.name, _kind(field.type)) for field in schema)


def _kind(of: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(of):
        return _kind(of.value_type)
    if isinstance(of, pa.BaseExtensionType) or hasattr(of, "value_type"):
        return "lists"
    if pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return "texts"
    return "numbers" if is_numeric(of) else str(of)


def in_order(called: str, table: pa.Table, wanted: Columns, drop: tuple[str, ...] = ()) -> pa.Table:
    """A table with its columns in the order that is wanted.

    Args:
        called: Name of the table in messages.
        table: Its columns stand in any order.
        wanted: All columns that there should be.
        drop: Names of those that are left out later, whose kind does not matter.

    Raises:
        InputError: It has other columns, or of another kind.
    """
    found = columns_in(table.schema)
    names, expected = [name for name, _ in found], [name for name, _ in wanted]
    missing, more = Counter(expected) - Counter(names), Counter(names) - Counter(expected)
    received = None
    if missing or more:
        kinds = [("no", [*missing]), ("also", [*more])]
        received = ", ".join(f"{word} {quoted(which)}" for word, which in kinds if which)
    elif names != expected and len(set(names)) < len(names):
        received = "two columns of one name, in another order"
    if received is None:
        kind = dict(found)
        other = [name for name, was in wanted if was and was != kind[name] and name not in drop]
        if other:
            received = f"{kind[other[0]]} in '{other[0]}', which elsewhere holds {dict(wanted)[other[0]]}"
    if received is not None:
        raise InputError(
            f"{called} does not have the columns of the other rows",
            expected=f"columns {quoted(expected)}, in any order",
            received=received,
            hint="Give rows whose columns have the same names and kinds in all files",
        )
    return table if names == expected else table.select(expected)
