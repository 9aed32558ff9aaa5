"""The rows with which a module is looked at: two that differ, so that what mixes rows up shows.

Of two rows that are the same each gets what is the other's without a trace, and of a row of zeros no layer
tells that it multiplies.
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
"""Rows among which two are looked for."""


def probes(
    specs: Sequence[InputSpec], rows: Sequence[Array], runs: Callable[[list[Array]], bool]
) -> list[Array]:
    """Two rows of each input, which differ where that can be.

    Args:
        specs: What a module takes.
        rows: Checked rows of each input, any number.
        runs: Whether the module makes finite numbers of some rows.

    Returns:
        Of the given rows the first that is not the same number throughout, and the first that differs from it
        in every input, if it can be in how much of it is padding. Where there is none, a row made up is
        beside it, if the module runs on that: of normal numbers, or of the same whole numbers in reverse
        order.
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
    """Whether a row has more than one number in every input that has room for more; whole ones need not."""
    return all(
        array.dtype.kind != "f" or array[at].size < 2 or bool((array[at] != array[at].flat[0]).any())
        for array in rows
    )


def _padding(row: Array) -> int:
    """How much at the end of words by their number, or of a series of vectors, is the same."""
    words = row.ndim == 1 and row.dtype.kind in "iu"
    if not (words or row.ndim == 2) or not row.size:
        return 0
    others = np.flatnonzero((row != row[-1]).reshape(len(row), -1).any(axis=1))
    return len(row) - 1 - int(others[-1]) if len(others) else len(row)


def _beside(specs: Sequence[InputSpec], real: Sequence[Array]) -> list[Array]:
    """Two rows, of which one or both are made up where they are alike or the same number throughout."""
    alike = all(np.array_equal(*array) for array in real)
    found = []
    for array, made in zip(real, made_up_rows(specs, real), strict=True):
        if array.dtype.kind == "f" and (np.array_equal(*array) or not _varied([array], 1)):
            array = np.stack([array[0] if _varied([array], 0) else made[0], made[1]])
        elif array.dtype.kind in "iu" and alike and array.ndim > 1:
            array = np.stack([array[0], np.flip(array[0], axis=-1)])
        found.append(array)
    return found
