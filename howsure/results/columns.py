"""The columns of a result, each declared once, and what follows from that: parts, tables and files.

A result is a frozen dataclass derived from `Result`. Its `columns` say what there is of every row; its other
fields are settings, of which there is one for all rows. Nothing here knows a column by name but `row`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.atomic import write_whole
from howsure.data.labels import in_order
from howsure.data.rows import check_unmasked
from howsure.errors import FileError, InputError
from howsure.results.verdict import Thresholds

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

OneRow = TypeVar("OneRow")
Positions = slice | Sequence[int] | NDArray[Any]

FLOAT, INTEGER, STRING, BOOLEAN = "float64", "int64", "string", "bool"
PER_ROW, WIDE = "(N,)", "(N, K)"

_METADATA_KEY = b"howsure"
_FORMAT = 2
_NOT_IN_OLDER_FILES = {"unfamiliar_share": 0.01}
_IN_PYTHON = {FLOAT: float, INTEGER: int, STRING: str, BOOLEAN: bool}


@dataclass(frozen=True)
class Column:
    """One column: what there is of every row.

    Attributes:
        name: Of the attribute and in the table.
        shape: `(N,)`, or `(N, K)` for one value per class or label.
        type: `float64`, `int64`, `string` or `bool`.
        unit: Its unit or range.
        words: What it says.
        stored: Whether it is a field; the others follow from the fields.
        default: What fills it where it is not given; None where it has to be given.
        optional: Whether it may be None; then it is not in the table.
        in_table: Whether the table has it.
    """

    name: str
    shape: str
    type: str
    unit: str
    words: str
    stored: bool = True
    default: float | None = None
    optional: bool = False
    in_table: bool = True

    def __str__(self) -> str:
        return f"{self.shape} {self.unit}, {self.words}"

    def cell(self, values: NDArray[Any] | None, index: int) -> Any:
        """The value of one row: of Python's own type, or (K,) where the column is wide."""
        if values is None or values[index] is None:
            return None
        return values[index] if self.shape == WIDE else _IN_PYTHON[self.type](values[index])

    def to_arrow(self, values: NDArray[Any]) -> pa.Array:
        """(N,) values as Arrow values, (N, K) as lists of K."""
        import pyarrow as pa

        flat = values.reshape(-1)
        if self.type == STRING:
            found = pa.array(flat.tolist(), pa.string())
        else:
            found = pa.array(np.ascontiguousarray(flat, dtype=self.type), pa.type_for_alias(self.type))
        if self.shape == PER_ROW:
            return found
        offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return pa.ListArray.from_arrays(pa.array(offsets), found)

    def from_arrow(self, values: pa.ChunkedArray, width: int) -> NDArray[Any]:
        """The inverse of `to_arrow`, for K = width; a ValueError where the lists have other lengths."""
        if self.shape == PER_ROW:
            return np.asarray(values.to_numpy(), dtype=self.type)
        flat = values.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, dtype=self.type).reshape(len(values), width)


@dataclass(frozen=True, eq=False)
class Result(Generic[OneRow]):
    """What all results of assessing N rows can do; `Certainty` is one.

    Attributes:
        columns: What there is of every row, in the order of the table.
        names: The setting that holds the K names.
    """

    columns: ClassVar[tuple[Column, ...]]
    names: ClassVar[str]

    def __post_init__(self) -> None:
        for column in self.columns:
            if column.default is not None and getattr(self, column.name) is None:
                shape = vars(self)["probabilities"].shape if column.shape == WIDE else (len(self),)
                object.__setattr__(self, column.name, np.full(shape, column.default))
        for name, array in self._arrays.items():
            check_unmasked(array, f"The numbers of `{name}`")
            object.__setattr__(self, name, read_only(array))
        what, one = self.names.replace("_", " "), self.names.removesuffix("_names")
        names = in_order(getattr(self, self.names), f"The {what}", f"a list of names, one for each {one}")
        object.__setattr__(self, self.names, tuple(names))

    @property
    def _arrays(self) -> dict[str, Any]:
        """The stored columns that are there, by name."""
        given = {column.name: getattr(self, column.name) for column in self.columns if column.stored}
        return {name: array for name, array in given.items() if array is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that copies from other processes are read-only as well.
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    # --- rows ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(vars(self)["row"])

    def __iter__(self) -> Iterator[OneRow]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> OneRow: ...
    @overload
    def __getitem__(self, index: Positions) -> Self: ...
    def __getitem__(self, index: int | Positions) -> OneRow | Self:
        """One row for a whole number, a smaller result for a slice or an array of positions."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"Row {index} does not exist: there are {len(self)} rows, numbered from 0.")
            return self._row(int(index))
        if isinstance(index, tuple):
            index = list(index)  # numpy would take it for one index per axis
        if not isinstance(index, slice) and np.ndim(index) != 1:
            raise IndexError(f"Rows are taken by a list of positions, not by {np.ndim(index)} axes of them.")
        return replace(self, **{name: array[index] for name, array in self._arrays.items()})

    def _row(self, index: int) -> OneRow:
        """The row at a position that exists; each result makes rows of its own."""
        raise NotImplementedError

    def _cells(self, index: int, names: Collection[str]) -> dict[str, Any]:
        """What the columns among `names` hold for one row."""
        columns = (column for column in self.columns if column.name in names)
        return {column.name: column.cell(getattr(self, column.name), index) for column in columns}

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One result of several that belong together, such as the blocks of `howsure.stream`.

        Args:
            parts: At least one; settings are those of the first.

        Raises:
            InputError: None at all, parts of another type, or that differ in names or optional columns.
        """
        names = {getattr(part, part.names) for part in parts}
        kinds = {(type(part), getattr(part, part.names), *part._arrays) for part in parts}
        if len(kinds) != 1 or not isinstance(parts[0], cls):
            optional = " or ".join(f"`{column.name}`" for column in cls.columns if column.optional)
            raise InputError(
                "These parts cannot be joined",
                expected=f"one `{cls.__name__}` or more, all with the same `{cls.names}`, and all with "
                f"{optional} or all without",
                received=f"{len(parts)} with {len(names)} different `{cls.names}`",
            )
        if len(parts) == 1:
            return parts[0]
        arrays: dict[str, Any] = {
            name: np.concatenate([part._arrays[name] for part in parts]) for name in parts[0]._arrays
        }
        return replace(parts[0], **arrays)

    # --- tables and files ---------------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """One row per input row; settings as JSON in the schema's metadata under the key `howsure`."""
        import pyarrow as pa

        shown = {column: getattr(self, column.name) for column in self.columns if column.in_table}
        table = pa.table({column.name: column.to_arrow(v) for column, v in shown.items() if v is not None})
        settings = {
            "format": _FORMAT,
            **{name: _plain(getattr(self, name)) for name in self._setting_names()},
        }
        return table.replace_schema_metadata({_METADATA_KEY: json.dumps(settings)})

    @classmethod
    def _setting_names(cls) -> list[str]:
        columns = {column.name for column in cls.columns}
        return [each.name for each in fields(cls) if each.name not in columns]

    def to_pandas(self) -> pd.DataFrame:
        """`to_arrow` as a pandas data frame."""
        return self.to_arrow().to_pandas()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a Parquet file; an earlier file stays until the new one is complete.

        Raises:
            FileError: The file cannot be written, for example because the disk is full.
        """
        import pyarrow.parquet as pq

        table = self.to_arrow()
        write_whole(path, lambda temporary: pq.write_table(table, temporary))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            FileError: The file is missing, damaged, or not a saved result of this type.
        """
        return cls.from_table(path, *read_table(path))

    @classmethod
    def from_table(cls, path: str | os.PathLike[str], table: pa.Table, settings: Mapping[str, Any]) -> Self:
        """The result whose table and settings these are, read from `path`.

        Raises:
            FileError: The table is not complete, or of another type.
        """
        if cls.names not in settings:
            raise FileError(
                f"'{os.fspath(path)}' is not a saved {cls.__name__}",
                expected=f"`{cls.names}` among its settings",
                received=", ".join(settings),
                mend="`howsure.load` reads whichever type a file holds",
            )
        with _complete(path, cls.__name__):
            given = {name: settings[name] for name in cls._setting_names() if name not in _NOT_IN_OLDER_FILES}
            for name in cls._setting_names():
                if name in _NOT_IN_OLDER_FILES:
                    given[name] = settings.get(name, _NOT_IN_OLDER_FILES[name])
            if "thresholds" in given:
                given["thresholds"] = Thresholds(**given["thresholds"])
            arrays = {
                column.name: column.from_arrow(table[column.name], len(given[cls.names]))
                for column in cls.columns
                if column.stored and not (column.optional and column.name not in table.column_names)
            }
            return cls(**given, **arrays)


def read_table(path: str | os.PathLike[str]) -> tuple[pa.Table, dict[str, Any]]:
    """The table and the settings that `Result.save` wrote to `path`.

    Raises:
        FileError: The file is missing, damaged, of another format, or not a saved result.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise FileError("The file does not exist", received=os.fspath(path)) from error
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"'{os.fspath(path)}' is not a readable Parquet file ({error})") from error
    raw = (table.schema.metadata or {}).get(_METADATA_KEY)
    if raw is None:
        raise FileError(
            f"'{os.fspath(path)}' is a Parquet file, but not a saved Certainty",
            expected="a file written by `Certainty.save` or `howsure assess --out`",
        )
    with _complete(path):
        settings: dict[str, Any] = json.loads(raw)
        if settings["format"] == _FORMAT:
            return table, settings
        raise FileError(
            f"'{os.fspath(path)}' is in a format that this version of howsure does not know",
            expected=f"format {_FORMAT}",
            received=f"{settings['format']}, written by howsure {settings['version']}",
            mend="Assess the rows again" if settings["format"] < _FORMAT else "Update howsure",
        )


@contextmanager
def _complete(path: str | os.PathLike[str], name: str = "Certainty") -> Iterator[None]:
    """What is missing or wrong in a table or its settings, as a `FileError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"'{os.fspath(path)}' is not a complete saved {name} ({type(error).__name__}: {error})",
            mend="It is damaged, or was changed by something other than howsure",
        ) from error


def _plain(setting: Any) -> Any:
    """A setting as JSON can hold it."""
    if is_dataclass(setting) and not isinstance(setting, type):
        return asdict(setting)
    return dict(setting) if isinstance(setting, Mapping) else setting


def read_only(array: ArrayLike) -> NDArray[Any]:
    """A view that cannot be written to; what the caller holds stays as it is."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
