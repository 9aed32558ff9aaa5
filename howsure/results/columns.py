"""The columns of a result, each declared once: shape, type and range, and how one is checked and stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.errors import InputError
from howsure.inputs.align import check_ids
from howsure.inputs.rows import check_unmasked
from howsure.results.lazy_maps import LazyMap
from howsure.sampling.between import LEVELS
from howsure.statistics import LARGEST_ERROR

if TYPE_CHECKING:
    import pyarrow as pa

FLOAT, INTEGER, STRING, BOOLEAN = "float64", "int64", "string", "bool"
EITHER = "int64 or string"
SINGLE, SHORT = "float32", "int16"
PER_ROW, WIDE, AT_LEVELS, WIDE_AT_LEVELS = "(N,)", "(N, K)", "(N, 11)", "(N, K, 11)"
WIDE_OF_NETWORKS = "(N, K, M)"
MAP, WIDE_MAP = "(N, *P)", "(N, *P, K)"

OF_A_SHARE = f"0 to {LARGEST_ERROR:.3g}"
"""The unit of a standard error of the mean of numbers from 0 to 1."""

RANGES = {"0 to 1": (0.0, 1.0), OF_A_SHARE: (0.0, LARGEST_ERROR), "at least 0": (0.0, np.inf)}
"""Least and largest value of columns in these units."""

ROUNDING = float(np.finfo(np.float32).eps)
"""How far beyond its range a number may lie that was rounded to single precision."""

_VALUES_AT_A_TIME = 2**26
"""Most values in one Arrow array: in its words of up to 31 letters, places have 31 bits."""

_IN_PYTHON: dict[str, Callable[[Any], Any]] = {
    FLOAT: float,
    INTEGER: int,
    STRING: str,
    BOOLEAN: bool,
    EITHER: lambda value: value if isinstance(value, str) else int(value),
}
_NUMBERS = (FLOAT, INTEGER, SINGLE, SHORT)
_KINDS = {FLOAT: "fiu", SINGLE: "fiu", INTEGER: "iu", SHORT: "iu", STRING: "OU", BOOLEAN: "b"}
"""Kinds of numpy's types that a column of each type may be given as."""


@dataclass(frozen=True)
class Column:
    """One column: what there is of every row.

    Attributes:
        name: Name of the attribute and of the column in the table.
        shape: `(N,)`, `(N, K)` for one value per class, label or number, `(N, 11)` for one at each of
            `howsure.sampling.between.LEVELS`, or `(N, K, 11)` for each number at each of them, or `(N, K, M)`
            for each number of each network. The table has a column for each value, see
            `Result._cell_names`, and leaves networks out. Or `(N, *P)` or `(N, *P, K)` at each position; no
            table has these.
        type: `float64`, `int64`, `string`, `bool`, or `int64 or string`; at positions also `float32` or
            `int16`.
        unit: Its unit or range.
        words: Its meaning, in words.
        stored: Whether it is a field; the others follow from the fields.
        default: Value that fills it if it is not given; None if it has to be given.
        optional: Whether it may be None; then it is not in the table.
        lacking: Meaning of None in rows that are joined with others; None if it has no meaning.
        in_table: Whether the table has it.
        on_demand: Whether few ask for it: a table has it where `columns` says so.
        least: Least value that is possible; of a unit in `RANGES` what stands there.
        most: Largest value that is possible, or what says it for K names; likewise.
        unknown: Whether NaN may stand for a value.
        called: The setting that holds what the column is called in the table; None for its `name`.
        of_maps: Whether it is not stored and follows from maps. It is a `cached_property`, is read from the
            table again, and stays with rows that are taken, so that nobody reads all maps for it.
    """

    name: str
    shape: str
    type: str
    unit: str
    words: str
    stored: bool = True
    default: float | None = None
    optional: bool = False
    lacking: bool | None = None
    in_table: bool = True
    on_demand: bool = False
    least: float = -np.inf
    most: float | Callable[[int], float] = np.inf
    unknown: bool = False
    called: str | None = None
    of_maps: bool = False

    def __post_init__(self) -> None:
        for name, end in zip(("least", "most"), RANGES.get(self.unit, ()), strict=False):
            object.__setattr__(self, name, end)

    def __str__(self) -> str:
        return f"{self.shape} {self.unit}, {self.words}"

    @property
    def is_list(self) -> bool:
        """Whether there are several values for a row."""
        return self.shape != PER_ROW

    @property
    def is_map(self) -> bool:
        """Whether there are values for each position of a row."""
        return self.shape in (MAP, WIDE_MAP)

    def sides(self, rows: int, names: int, positions: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Its shape for so many rows, classes or labels, and positions; -1 stands for any number."""
        levels = len(LEVELS)
        of_row: dict[str, tuple[int, ...]] = {
            PER_ROW: (),
            WIDE: (names,),
            AT_LEVELS: (levels,),
            WIDE_AT_LEVELS: (names, levels),
            WIDE_OF_NETWORKS: (names, -1),
            MAP: positions,
            WIDE_MAP: (*positions, names),
        }
        return (rows, *of_row[self.shape])

    def cell(self, values: NDArray[Any] | None, index: int) -> Any:
        """The value of one row: of Python's own type, or an array where there are several."""
        if values is None or values[index] is None:
            return None
        return values[index] if self.is_list else _IN_PYTHON[self.type](values[index])

    def checked(self, values: ArrayLike, shape: tuple[int, ...], names: int) -> NDArray[Any]:
        """The values of a stored column as they are kept, or an `InputError`: shape, type and range.

        Args:
            values: As somebody gives them.
            shape: That they must have; −1 stands for any number.
            names: How many names of classes, labels or targets there are.
        """
        if is_in_files(values) and values.shape == shape and values.dtype == self.type:  # type: ignore[union-attr]
            return values  # type: ignore[return-value]  # checked when it was written, and read where needed
        check_unmasked(values, f"The numbers of `{self.name}`")
        if hasattr(values, "columns") or hasattr(getattr(values, "index", None), "names"):
            raise InputError(
                f"`{self.name}` is a {type(values).__name__}, whose rows and columns may be in another order",
                expected="an array, in the order of the rows and names of the result",
                hint="If it is in that order: `.to_numpy()`",
            )
        if self.type == EITHER:
            return check_ids(values, shape[0], f"The values of `{self.name}`")
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise self._wrong(f"an array of shape {shape}", repr(values)[:200]) from error
        if array.ndim == len(shape) and shape[-1:] == (-1,):
            shape = (*shape[:-1], array.shape[-1])
        if array.shape != shape:
            raise self._wrong(f"an array of shape {shape}", f"one of shape {array.shape}")
        if not array.size:
            return np.empty(shape, dtype=object if self.type == STRING else self.type)
        if array.dtype.kind not in _KINDS[self.type]:
            raise self._wrong(self.type, f"values of type {array.dtype}")
        if self.type in _NUMBERS:
            least = np.fmin if self.unknown else np.minimum
            low, high = float(least.reduce(array, axis=None)), float(np.fmax.reduce(array, axis=None))
            most = self.most(names) if callable(self.most) else self.most
            inside = self.least - ROUNDING <= low and high <= most + ROUNDING * max(1.0, abs(most))
            if not (inside or (self.unknown and math.isnan(low))) or math.isinf(low) or math.isinf(high):
                raise self._wrong(self._range(most), f"values from {low:.6g} to {high:.6g}")
        return np.asarray(array, dtype=None if self.type == STRING else self.type)

    def _range(self, most: float) -> str:
        unknown = ", or NaN where unknown" if self.unknown else ""
        if np.isfinite(most):
            return f"values from {self.least:g} to {most:.4g}{unknown}"
        return f"finite values{f' of at least {self.least:g}' if np.isfinite(self.least) else ''}{unknown}"

    def _wrong(self, expected: str, received: str) -> InputError:
        return InputError(f"`{self.name}` cannot be of a result", expected=expected, received=received)

    def from_arrow(self, parts: Sequence[pa.ChunkedArray], names: int) -> NDArray[Any]:
        """The values (N, …) in the columns of a table, one for each value of a row, for K names.

        Files of format 4 have one column of lists.

        Raises:
            InputError: They are of another type, or some are missing.
        """
        if self.is_list and len(parts) == 1 and hasattr(parts[0].type, "value_type"):
            return self._from_lists(parts[0], names)
        columns = [self._from_column(values) for values in parts]
        sides = self.sides(0, names)[1:]
        if self.shape == WIDE_OF_NETWORKS:
            sides = (names, len(columns) // names)
        return np.stack(columns, axis=-1).reshape(-1, *sides) if self.is_list else columns[0]

    def _from_column(self, values: pa.ChunkedArray, in_words: str = "") -> NDArray[Any]:
        type = str(values.type).replace("double", FLOAT)
        if type not in self.type.split(" or ") or values.null_count:
            missing = f", and {values.null_count} missing" * bool(values.null_count)
            received = f"{in_words}values of type {values.type}{missing}"
            raise self._wrong(f"{in_words}{self.type}, none missing", received)
        return np.asarray(values.to_numpy(), dtype=None if self.type == EITHER else self.type)

    def _from_lists(self, values: pa.ChunkedArray, names: int) -> NDArray[Any]:
        import pyarrow.compute as pc

        lengths = pc.list_value_length(values).unique().to_pylist()
        sides = self.sides(0, names)[1:]
        if self.shape == WIDE_OF_NETWORKS:
            sides = (names, (lengths or [0])[0] // names)
        if lengths not in ([], [math.prod(sides)]):
            raise self._wrong(f"a list of {math.prod(sides)} values in every row", "lists of other lengths")
        return self._from_column(pc.list_flatten(values), "lists of ").reshape(len(values), *sides)

    @property
    def _packed_type(self) -> np.dtype[Any]:
        return np.dtype(self.type).newbyteorder("<")

    def width(self, shape: Sequence[int]) -> int:
        """How many bytes B hold the values of a row, which have this shape."""
        return math.prod(shape) * self._packed_type.itemsize

    def packed(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The values (N, …) as bytes (N, B)."""
        flat = np.ascontiguousarray(values, self._packed_type).reshape(-1)
        return flat.view(np.uint8).reshape(len(values), self.width(values.shape[1:]))

    def unpacked(self, rows: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[Any]:
        """The values (N, *shape) in bytes (N, B); the inverse of `packed`."""
        values = np.ascontiguousarray(rows).reshape(-1).view(self._packed_type)
        return values.reshape(len(rows), *shape).astype(self.type, copy=False)


def is_in_files(values: Any) -> bool:
    """Whether these are read, or made, where they are looked at; a file open for writing is read at once."""
    return isinstance(values, LazyMap) or (isinstance(values, np.memmap) and values.mode == "r")


def rows_at_a_time(width: int) -> int:
    """Most rows of so many values each in one part of a file, which is read into one Arrow array."""
    return max(1, _VALUES_AT_A_TIME // max(1, width))


def to_arrow(values: NDArray[Any], type: str) -> pa.ChunkedArray:
    """(N,) values of a column of this type as Arrow has them."""
    import pyarrow as pa

    rows, starts = _VALUES_AT_A_TIME, range(0, max(1, len(values)), _VALUES_AT_A_TIME)
    return pa.chunked_array([_part_to_arrow(values[start : start + rows], type) for start in starts])


def _part_to_arrow(values: NDArray[Any], type: str) -> pa.Array:
    import pyarrow as pa

    if type == STRING or values.dtype == object:
        return pa.array(values.tolist(), pa.string())
    if type == EITHER:
        return pa.array(values, pa.int64())
    return pa.array(np.ascontiguousarray(values, dtype=type), pa.type_for_alias(type))
