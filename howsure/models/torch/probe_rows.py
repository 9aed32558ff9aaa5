"""Rows for examining a module: two different ones, so that any mixing of rows shows.

If a module swaps two equal rows, nothing shows. With a row of zeros, a layer that multiplies shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.data.dummy_rows import made_up_rows
from howsure.data.rows import InputSpec

Array = NDArray[Any]

SEARCHED = 256
"""Number of rows among which the two are searched."""


def probes(
    specs: Sequence[InputSpec], rows: Sequence[Array], runs: Callable[[list[Array]], bool]
) -> list[Array]:
    """Two rows of each input, different if possible.

    Args:
        specs: Inputs of the module.
        rows: Checked rows of each input, any number.
        runs: Tells whether the module returns finite numbers for some rows.

    Returns:
        The first given row that is not constant, and the first one that differs from it in every input, if
        possible also in the length of its padding. If there is no second row, a made-up one is used, provided
        the module runs on it: normal numbers, or the same whole numbers in reverse order.
    """
    if not len(rows[0]):
        return made_up_rows(specs, rows)
    searched = range(min(SEARCHED, len(rows[0])))
    first, second, best = next((at for at in searched if _varied(rows, at)), 0), 0, (0, False, False)
    for at in searched:
        unlike = sum(not np.array_equal(array[at], array[first]) for array in rows)
        longer = any(_padding(array[at]) != _padding(array[first]) for array in rows)
        if (unlike, _varied(rows, at), longer) > best:
            second, best = at, (unlike, _varied(rows, at), longer)
        if best == (len(rows), True, True):
            break
    real = [array[[first, second]] for array in rows]
    beside = _beside(specs, real)
    changed = any(one is not other for one, other in zip(beside, real, strict=True))
    return beside if changed and runs(beside) else real


def _varied(rows: Sequence[Array], at: int) -> bool:
    """True if a row is not constant in any floating-point input with more than one number."""
    return all(
        array.dtype.kind != "f" or array[at].size < 2 or bool((array[at] != array[at].flat[0]).any())
        for array in rows
    )


def _padding(row: Array) -> int:
    """Length of the constant end of a sequence of word numbers, or of a series of vectors."""
    words = row.ndim == 1 and row.dtype.kind in "iu"
    if not (words or row.ndim == 2) or not row.size:
        return 0
    others = np.flatnonzero((row != row[-1]).reshape(len(row), -1).any(axis=1))
    return len(row) - 1 - int(others[-1]) if len(others) else len(row)


def _beside(specs: Sequence[InputSpec], real: Sequence[Array]) -> list[Array]:
    """Two rows; one or both are made up if they are equal or constant."""
    alike = all(np.array_equal(*array) for array in real)
    found = []
    for array, made in zip(real, made_up_rows(specs, real), strict=True):
        if array.dtype.kind == "f" and (np.array_equal(*array) or not _varied([array], 1)):
            array = np.stack([array[0] if _varied([array], 0) else made[0], made[1]])
        elif array.dtype.kind in "iu" and alike and array.ndim > 1:
            array = np.stack([array[0], np.flip(array[0], axis=-1)])
        found.append(array)
    return found
