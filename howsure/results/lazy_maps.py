"""Maps that are read, or made, where they are looked at, so that one row of them is in memory.

LazyMap ─┬─ JoinedMap   of several saved results, as of the parts of a folder
         └─ MadeMap     computed row by row from another result
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from howsure.sampling.outcome import Integers


class LazyMap(np.lib.mixins.NDArrayOperatorsMixin):
    """An array (N, …) whose rows come one by one.

    Any operation except taking rows reads all of it into memory, as `numpy.asarray` does.

    Args:
        sides: Shape of one row.
        dtype: Type of the numbers.
        rows: (N,) numbers of the rows that this array has.
    """

    def __init__(self, sides: tuple[int, ...], dtype: np.dtype[Any], rows: Integers) -> None:
        self._sides, self.dtype, self._rows = sides, dtype, rows

    @abstractmethod
    def _one(self, row: int) -> Any:
        """The row of this number, an array of the shape `sides`."""

    @abstractmethod
    def _some(self, rows: Integers) -> Any:
        """The rows of these numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return (len(self._rows), *self._sides)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 1 + len(self._sides)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple) and index and isinstance(index[0], (int, np.integer, slice)):
            beyond = (slice(None), *index[1:]) if isinstance(index[0], slice) else index[1:]
            return np.asarray(self[index[0]])[beyond]
        if isinstance(index, tuple) or index is None or index is Ellipsis or np.ndim(index) > 1:
            return np.asarray(self)[index]
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self._one(int(self._rows[index]))
        return self._some(self._rows[index])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("These maps are read row by row, so an array of all of them is a copy")
        found = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for at in range(len(self)):
            found[at] = self[at]
        return found

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        given = [np.asarray(each) if isinstance(each, LazyMap) else each for each in inputs]
        return getattr(ufunc, method)(*given, **settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        return f"<{' × '.join(map(str, self.shape))} numbers of type {self.dtype}, row by row>"


class JoinedMap(LazyMap):
    """Maps in files, one after the other.

    Rows that lie in one file, in its order, are a view of that file; other rows are a `JoinedMap` again.

    Args:
        files: Names of `.npy` files.
        starts: Number of the first row of each file, and at the end the number of all rows.
        sides: As in `LazyMap`, like all that follow.
    """

    def __init__(
        self,
        files: Sequence[str],
        starts: Integers,
        sides: tuple[int, ...],
        dtype: np.dtype[Any],
        rows: Integers,
    ) -> None:
        super().__init__(sides, dtype, rows)
        self._files, self._starts = files, starts
        self._last: tuple[int, Any] = (-1, None)

    @classmethod
    def of(cls, arrays: Sequence[NDArray[Any]]) -> Self | None:
        """Arrays as one, or None unless each of them is mapped to a `.npy` file as a whole.

        Args:
            arrays: At least one, of one type; their rows have one shape.
        """
        if not all(isinstance(array, np.memmap) and _is_whole(array) for array in arrays):
            return None
        starts = np.cumsum([0, *map(len, arrays)])
        files = [str(array.filename) for array in arrays]  # type: ignore[attr-defined]
        return cls(files, starts, arrays[0].shape[1:], arrays[0].dtype, np.arange(starts[-1]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._files, self._starts, self._sides, self.dtype, self._rows)

    def _one(self, row: int) -> Any:
        return self._file_rows(np.array([row]))[0]

    def _some(self, rows: Integers) -> Any:
        file = self._file_of(rows[:1])
        if len(rows) and rows[-1] < self._starts[file + 1] and (np.diff(rows) == 1).all():
            return self._file_rows(rows)
        return type(self)(self._files, self._starts, self._sides, self.dtype, rows)

    def _file_of(self, rows: Integers) -> int:
        """Number of the file of the first of these rows."""
        return int(np.searchsorted(self._starts, rows[0], side="right")) - 1 if len(rows) else 0

    def _file_rows(self, rows: Integers) -> Any:
        """Rows that follow each other in one file, as a view of it; the last file stays open."""
        number = self._file_of(rows)
        if self._last[0] != number:
            self._last = (number, np.load(self._files[number], mmap_mode="r", allow_pickle=False))
        first = int(rows[0] - self._starts[number])
        return self._last[1][first : first + len(rows)]


class MadeMap(LazyMap):
    """A map that is made row by row.

    Args:
        make: From the number of a row all maps of it, by name; it may remember the last row.
        name: Name of this map.
        sides: As in `LazyMap`, like all that follow.
    """

    def __init__(
        self,
        make: Callable[[int], Mapping[str, NDArray[Any]]],
        name: str,
        sides: tuple[int, ...],
        dtype: np.dtype[Any],
        rows: Integers,
    ) -> None:
        super().__init__(sides, dtype, rows)
        self._make, self._name = make, name

    def _one(self, row: int) -> Any:
        return self._make(row)[self._name].reshape(self._sides).astype(self.dtype)

    def _some(self, rows: Integers) -> Any:
        return type(self)(self._make, self._name, self._sides, self.dtype, rows)


def _is_whole(array: np.memmap[Any, Any]) -> bool:
    """Whether an array is all that its file holds, as `numpy.load` maps it."""
    base = array
    while isinstance(base.base, np.memmap):
        base = base.base
    same = (base.shape, base.strides) == (array.shape, array.strides)
    return same and str(array.filename).endswith(".npy")
