"""Rows as a caller's function changes them: each by itself, and not one by the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.data.batches import numpy_of
from howsure.data.gather import in_order, is_several, length
from howsure.data.twice import mark_of
from howsure.errors import InputError

Array = NDArray[Any]
Change = Callable[[Any], Any]

_SAME, _OTHER = 0.01, 0.5
"""Shares of a change up to which two changes of a row are the same, and from which on one is more than the
other in another size. Noise of a tenth of the range of all rows has another size beside other rows."""

_LAST_DIGITS = 1e-4
"""Share of a row, or of its mean, that is rounding."""

_STRAIGHT = 1e-6
"""One less the cosine up to which a row is changed straight towards another; noise hardly ever is."""

_BESIDE = 8
"""Rows beside one row, enough for a range over rows to be nearly the same over others."""

_TIMES = 8
"""How often a function must do the same to draw nothing at random: a coin falls so once in 128 times."""


class ByRow:
    """A caller's function that changes rows, each by itself. It gets a copy of them, which it may change.

    The first call raises an `InputError` if the function mixes rows, so that what becomes of a row depends on
    the rows beside it. Nothing is said where a few rows do not show it, as if it exchanges parts at random.

    Args:
        change: From rows, in the form in which the caller gave them, to as many of the same shape.
        check: Called with the rows of the first call: raises what else is wrong with the change.

    Attributes:
        marks: Marks of the rows of the first call, and of their changed versions.
    """

    def __init__(self, change: Change, check: Callable[[Any], None] | None = None) -> None:
        self._change, self._check_more = change, check
        self._few: Any = None
        self.marks: tuple[Hashable, Hashable] = (object(), object())

    def __call__(self, rows: Any) -> Any:
        """The changed rows."""
        first = self._few is None
        if first:
            self._check(rows)
            if self._check_more is not None and length(rows):
                self._check_more(rows)
        made = self._change(deepcopy(rows))
        if first and length(rows):
            self.marks = _mark(rows), _mark(made)
        return made

    def is_steady(self) -> bool:
        """Whether it makes the same of a few rows each time; if it draws at random it hardly ever does."""
        found = [_numbers(self._change(deepcopy(self._few))) for _ in range(_TIMES)]
        return all(np.array_equal(one, other) for one, other in pairwise(found))

    def _check(self, rows: Any) -> None:
        try:
            with warnings.catch_warnings(action="ignore"):
                self._few = in_order(rows, list(range(min(length(rows), _BESIDE))))
                mixes = all(_mixes(self._change, rows) for _ in range(_TIMES))
        except Exception:  # the function may not be for so few rows; what it makes of all is checked anyway
            return
        if mixes:
            raise InputError(
                "A change of rows mixes them: what becomes of a row depends on the rows beside it",
                expected="a function that changes each row by itself",
                received=getattr(self._change, "__name__", repr(self._change)),
                hint="`rows[:, ::-1]` mirrors each image, `rows[::-1]` the order of the rows. Compute a mean "
                "over rows beforehand",
            )


def _mixes(change: Change, rows: Any) -> bool:
    """Whether what becomes of a row depends on the order of others, or on which they are."""
    spread = np.linspace(0, length(rows) - 1, 2 * _BESIDE + 1).astype(int).tolist()
    row, *others = dict.fromkeys(spread)
    if not others:
        return False

    def made(*places: int) -> Array:
        return _numbers(change(deepcopy(in_order(rows, list(places)))))

    one, two, three = ([*others, row, row])[:3]
    first, turned = made(row, one, two, three), [made(row, two, three, one), made(row, three, one, two)]
    if not np.array_equal(first, made(row, one, two, three)):  # it draws at random
        return _mixes_at_random(_numbers(in_order(rows, [row, *others])), made(row, *others))
    given, moved = _numbers(in_order(rows, [row, one, two, three])), made(one, two, three, row)
    if np.array_equal(first, moved) and np.array_equal(np.sort(first, axis=0), np.sort(given, axis=0)):
        return bool(np.any(given[0] != given[1]))  # it sorts them
    halves = [np.resize(each or [row], _BESIDE).tolist() for each in (others[::2], others[1::2])]
    one_set, other_set = (made(row, *half) for half in halves)
    if first.dtype.kind == "O":  # texts
        return any(np.any(each[0] != first[0]) for each in (*turned, one_set, other_set))
    least = _LAST_DIGITS * _size(given[0])
    if any(_size(first[0] - each[0]) > least + _SAME * _size(first[0] - given[0]) for each in turned):
        return True
    if _size(one_set[0] - other_set[0]) <= least:
        return False
    centred = abs(one_set.mean()) < _LAST_DIGITS * abs(_numbers(in_order(rows, [row, *halves[0]])).mean())
    return bool(centred) or _is_other(one_set[0] - given[0], other_set[0] - given[0])


def _mixes_at_random(given: Array, made: Array) -> bool:
    """Whether most rows changed, each straight towards one other row, and many towards another than the rest.

    Rows that became others, as by a flip of a bit, are mixed if they are all there still.
    """
    if given.dtype.kind == "O":
        return False
    change, centred = made - given, given - given.mean(axis=0)
    size = np.linalg.norm(change, axis=1)
    moved = np.flatnonzero(size > _LAST_DIGITS * _size(centred))
    if len(moved) < max(3, len(given) / 2):
        return False
    dots, along = centred @ centred.T, change @ centred.T
    square = np.maximum(np.diag(dots)[:, None] + np.diag(dots) - 2 * dots, 0)
    along -= np.diag(along)[:, None].copy()
    towards = (along > (1 - _STRAIGHT) * size[:, None] * np.sqrt(square))[moved]
    other = towards.argmax(axis=1)
    if not np.all(towards.sum(axis=1) == 1) or 3 * len(np.unique(other)) <= len(moved):
        return False
    is_other = bool(np.allclose(along[moved, other], square[moved, other]))
    return not is_other or np.array_equal(np.sort(made, axis=0), np.sort(given, axis=0))


def _is_other(one: Array, other: Array) -> bool:
    """Whether two changes of a row are more than one change in two sizes."""
    small, large = sorted((one, other), key=_size)
    share = max(0.0, float(small @ large) / float(large @ large))
    return _size(small - share * large) > _OTHER * _size(small)


def _size(values: Array) -> float:
    return float(np.linalg.norm(values))


def parts(rows: Any) -> list[Array]:
    """The array of each input."""
    if isinstance(rows, Mapping):
        rows = list(rows.values())
    return [numpy_of(each) for each in rows] if is_several(rows) else [numpy_of(rows)]


def _mark(rows: Any) -> Hashable:
    return tuple(map(mark_of, parts(rows)))


def _numbers(rows: Any) -> Array:
    """(n, F) all numbers in double precision, or else all texts, of each row."""
    found = parts(rows)
    are_numbers = all(each.dtype.kind in "biuf" for each in found)
    flat = [each.reshape(len(each), -1).astype(np.float64 if are_numbers else object) for each in found]
    return np.concatenate(flat, axis=1)
