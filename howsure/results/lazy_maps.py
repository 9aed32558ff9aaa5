"""Maps that are read, or made, where they are looked at, so that one row of them is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from howsure.sampling.outcome import Integers


class LazyMap(np.lib.mixins.NDArrayOperatorsMixin):
    """An array (N, …) whose rows come one by one.

    Any operation except taking rows reads all of it into memory, as `numpy.asarray` does.

    Args:
        read: From the number of a row to the row, of any shape; it may remember the last one.
        sides: Shape of one row.
        dtype: Type of the numbers.
        rows: (N,) numbers of the rows that this array has.
    """

    def __init__(
        self,
        read: Callable[[int], NDArray[Any]],
        sides: tuple[int, ...],
        dtype: np.dtype[Any],
        rows: Integers,
    ) -> None:
        self._read, self._sides, self.dtype, self._rows = read, sides, dtype, rows

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._read, self._sides, self.dtype, self._rows)

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
            return self._read(int(self._rows[index])).reshape(self._sides).astype(self.dtype, copy=False)
        return type(self)(self._read, self._sides, self.dtype, self._rows[index])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("These maps are read row by row, so an array of all of them is a copy")
        array = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for at in range(len(self)):
            array[at] = self[at]
        return array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        arrays = [np.asarray(value) if isinstance(value, LazyMap) else value for value in inputs]
        return getattr(ufunc, method)(*arrays, **settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        return f"<{' × '.join(map(str, self.shape))} numbers of type {self.dtype}, row by row>"


class _Files:
    """Reads rows of `.npy` files, one after the other; the last file stays open.

    Args:
        files: Their names.
        starts: Number of the first row of each file.
    """

    def __init__(self, files: Sequence[str], starts: Integers) -> None:
        self._files, self._starts = files, starts
        self._last: tuple[int, Any] = (-1, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._files, self._starts)

    def __call__(self, row: int) -> Any:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        if self._last[0] != number:
            self._last = (number, np.load(self._files[number], mmap_mode="r", allow_pickle=False))
        return self._last[1][row - int(self._starts[number])]


def joined_maps(arrays: Sequence[NDArray[Any]]) -> LazyMap | None:
    """Arrays as one, or None unless each of them is mapped to a `.npy` file as a whole.

    Args:
        arrays: At least one, of one type; their rows have one shape.
    """
    if not all(isinstance(array, np.memmap) and _is_whole(array) for array in arrays):
        return None
    starts = np.cumsum([0, *map(len, arrays)])
    files = [str(array.filename) for array in arrays]  # type: ignore[attr-defined]
    read = _Files(files, starts[:-1])
    return LazyMap(read, arrays[0].shape[1:], arrays[0].dtype, np.arange(starts[-1]))


def _is_whole(array: np.memmap[Any, Any]) -> bool:
    """Whether an array is all that its file holds, as `numpy.load` maps it."""
    base = array
    while isinstance(base.base, np.memmap):
        base = base.base
    same = (base.shape, base.strides) == (array.shape, array.strides)
    return same and str(array.filename).endswith(".npy")
