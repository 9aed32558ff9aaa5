"""Changes of rows that move their positions, and how what a model says of moved rows is moved back.

    rows ── do ──> moved rows ── model ──> outputs for moved rows ── undo ──> outputs for the rows

Whether a function moves positions is seen from what it makes of rows that are alike but for one spot.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from scipy import ndimage

from howsure.data.batches import numpy_of
from howsure.data.changed import Array, ByRow, parts
from howsure.data.gather import of_each
from howsure.data.rows import channels_are_first, quoted
from howsure.errors import InputError

Change = Callable[[Any], Any]
Way = Change | str | tuple[Change, Change]
"""A function of rows that moves no position, a name of `READY`, or a function and what moves outputs back."""

FLIP, TURN = "flip", "turn"
READY = (FLIP, TURN)
"""Mirror the last axis of positions, as images left to right. Turn the plane of the last two by 90°, as
`numpy.rot90` does: images counterclockwise."""

EXPECTED = f"a function of rows, {quoted(READY)}, or a pair (do, undo) of functions"

_HINT = (
    "'flip' mirrors the last axis of positions, and 'turn' turns the last two by 90°. For other moves give a "
    "pair (do, undo), where undo moves the outputs of the model back"
)

_SPOT, _SHARE = 4, 8
"""Sides of a spot: so many positions, but no more than this part of a side."""

_PLACES = ((0.25, 0.4, 0.55), (0.6, 0.75, 0.3))
"""Beginnings of both spots along each axis, as shares of it: no mirror image or turn of one is the other."""

_TIMES = 16
"""How often a function that draws at random is asked; it moves positions if it was seen to do so twice."""

_LOST, _DIMMED = 0.5, 0.8
"""A spot has left its place where less than this share of the brightest spot is there: of a function that
draws at random, and of one that does the same each time. A step of one position leaves 3/4 of it."""

_EXCEEDS = 1.5
"""How much brighter a spot must be than all that a function adds to rows without spots."""

_SEEN = 0.1
"""Share of its contrast by which a spot is still seen."""

_FEW, _MOST = 64, 0.5
"""Among fewer positions a blurred spot also covers the other one, and noise is as bright as a spot. So there
only a spot counts that keeps this share of its contrast, where a function adds next to nothing."""


@dataclass(frozen=True)
class Layout:
    """The axes of positions in rows, and in the outputs for them.

    Attributes:
        positions: Sides *P of the positions that the outputs of a row have.
        class_axis: Axis of the classes in the output of one row.
    """

    positions: tuple[int, ...]
    class_axis: int

    def axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Axes of positions in rows (N, …) of this shape; none where it has too few or too many."""
        first = tuple(range(1, len(shape)))
        if len(first) == len(self.positions):
            return first
        if len(first) != len(self.positions) + 1:
            return ()
        either = (first[1:], first[:-1]) if self.class_axis == 0 else (first[:-1], first[1:])
        fits = (axes for axes in either if tuple(shape[axis] for axis in axes) == self.positions)
        return next(fits, either[0])


@dataclass(frozen=True)
class Move:
    """A change of rows, and what moves outputs for the changed rows back.

    Attributes:
        do: From rows to as many rows.
        undo: From outputs (n, …) of the model for changed rows to those for the rows; None if nothing moves.
        name: Its name in messages.
    """

    do: Change
    undo: Change | None
    name: str

    @classmethod
    def of(cls, way: Way, layout: Layout | None) -> Move:
        """A change as a caller gives it, for rows of a layout; None if answers are of whole rows."""
        if isinstance(way, str):
            ready = partial(of_each, made=partial(_ready, name=way, layout=layout))
            return cls(ready, None if layout is None else _back(way, layout), way)
        do, undo = way if isinstance(way, (tuple, list)) else (way, None)
        return cls(do, None if layout is None else undo, getattr(do, "__name__", repr(do)))

    def by_row(self, layout: Layout | None) -> ByRow:
        """The change, which is checked with the rows of its first call."""
        return ByRow(self.do, partial(self.check, layout=layout))

    def check(self, rows: Any, layout: Layout | None) -> None:
        """Raise an `InputError` where positions move and outputs would not, or not to their places."""
        if layout is None or self.name in READY:
            return
        try:
            with warnings.catch_warnings(action="ignore"):
                moves, returns = _seen(self, rows, layout)
        except Exception:  # the function may not be for such rows; what it makes of all is checked anyway
            return
        if moves and self.undo is None:
            raise InputError(
                "A change of rows moves their positions, and the answers would lie elsewhere than the rows",
                expected="a change that moves no position, or one with its way back",
                received=self.name,
                hint=_HINT,
            )
        if not returns:
            raise InputError(
                "The way back of a change does not move outputs back to their positions",
                expected="undo(do(x)) with every position of x in its place",
                received=self.name,
                hint="undo gets outputs (n, …) of the model, which have an axis of classes. If that comes "
                "first, outputs[..., ::-1] undoes rows[..., ::-1]",
            )


def check_unmoved(rows: Any, given: Any, layout: Layout | None) -> None:
    """Raise an `InputError` where given rows are the rows mirrored or turned: labels would not fit."""
    for first, other in zip(parts(rows), parts(given), strict=False) if layout is not None else ():
        one, two = first[:_TIMES], other[:_TIMES]
        axes: Any = layout.axes(one.shape) if layout is not None else ()
        mirrors = [each for count in range(1, len(axes) + 1) for each in combinations(axes, count)]
        moved = [np.flip(one, each) for each in mirrors]
        moved += [np.rot90(one, quarters, axes[-2:]) for quarters in (1, 3) if len(axes) > 1]
        if not np.array_equal(one, two) and any(np.array_equal(each, two) for each in moved):
            raise InputError(
                "The rows are moved, and their labels are not",
                expected="rows whose positions are where they were",
                received="the rows, mirrored or turned",
                hint=_HINT,
            )


def is_way(given: Any) -> bool:
    """Whether this is a change as a caller may give it."""
    if isinstance(given, (tuple, list)):
        return len(given) == 2 and all(map(callable, given))
    return callable(given) or (isinstance(given, str) and given in READY)


def _ready(part: Any, name: str, layout: Layout | None) -> Any:
    """Rows of one array after a move of this name."""
    shape = tuple(part.shape)
    if layout is None:
        axes = (2, 3) if len(shape) == 4 and channels_are_first(shape[1:]) else (1, 2)[: len(shape) - 1]
        if len(shape) < 3:
            raise InputError(
                f"'{name}' moves images", expected="rows (N, H, W, …)", received=f"shape {shape}"
            )
    elif not (axes := layout.axes(shape)):
        return part  # an input without positions
    if name == TURN and len(axes) < 2:
        raise InputError("'turn' needs two axes of positions", expected="'flip'", received=f"shape {shape}")
    plane: tuple[Any, ...] = axes[-2:]
    if name == FLIP:
        return part.flip(axes[-1]) if hasattr(part, "flip") else np.flip(part, axes[-1])
    return part.rot90(1, plane) if hasattr(part, "rot90") else np.rot90(part, 1, plane)


def _back(name: str, layout: Layout) -> Change:
    """The function that moves outputs back after a move of this name."""
    *_, first, last = (0, *np.delete(np.arange(1, len(layout.positions) + 2), layout.class_axis).tolist())
    return lambda outputs: np.flip(outputs, last) if name == FLIP else np.rot90(outputs, -1, (first, last))


# --- what a function does to one spot ---------------------------------------------------------------------


def _seen(move: Move, rows: Any, layout: Layout) -> tuple[bool, bool]:
    """Whether a change moves the spots of two rows, and whether its way back brings them to their places."""
    one, other, flat = (_spotted(rows, layout, order) for order in ((0, 1), (1, 0), ()))

    def lost(change: Change, share: float, *, draws: bool = False) -> bool:
        given = [one, other, flat, flat] if draws else [one, other]
        rows = (one, other, *(change(deepcopy(each)) for each in given))
        return any(_is_lost(each, layout, share) for each in zip(*map(parts, rows), strict=True))

    def there_and_back(given: Any) -> Any:
        return of_each(move.do(given), lambda part: _undone(move.undo, numpy_of(part), layout))

    made = parts(move.do(deepcopy(one)))
    again = (parts(move.do(deepcopy(one))) for _ in range(_TIMES // 2))
    if all(all(map(np.array_equal, made, each)) for each in again):
        return lost(move.do, _DIMMED), move.undo is None or not lost(there_and_back, _DIMMED)
    return sum(lost(move.do, _LOST, draws=True) for _ in range(_TIMES)) > 1, True


def _undone(undo: Any, values: Array, layout: Layout) -> Array:
    """Moved rows of one array after the way back of outputs, for which each class gets the same numbers."""
    if not (axes := layout.axes(values.shape)):
        return values
    others, of_classes = _others(values, axes), 1 + layout.class_axis
    outputs = np.expand_dims(values.mean(axis=others), of_classes).repeat(2, of_classes)
    return np.expand_dims(np.asarray(undo(outputs)).mean(axis=of_classes), others)


def _others(values: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of rows that are neither theirs nor those of positions."""
    return tuple(axis for axis in range(1, values.ndim) if axis not in axes)


def _spotted(rows: Any, layout: Layout, order: tuple[int, ...]) -> Any:
    """Two rows in their form, alike but for one spot each, at two places in this order, or without spots."""

    def of_part(part: Any) -> Any:
        values = numpy_of(part)
        axes, some = layout.axes(values.shape), values[:_TIMES]
        low, high = float(some.min()), float(some.max())
        made = np.full((2, *values.shape[1:]), (3 * low + high) / 4)
        for row, place in enumerate(order):
            area: list[Any] = [row, *[slice(None)] * (values.ndim - 1)]
            for number, axis in enumerate(axes):
                start = int(_PLACES[place][number] * values.shape[axis])
                area[axis] = slice(start, start + _side(values.shape[axis]))
            made[tuple(area)] = high if high > low else low + 1
        made = made.astype(values.dtype)
        return part.new_tensor(made) if hasattr(part, "new_tensor") else made

    return of_each(rows, of_part)


def _side(of: int) -> int:
    """Side of a spot, along an axis of so many positions."""
    return max(1, min(_SPOT, of // _SHARE))


def _is_lost(each: tuple[Array, ...], layout: Layout, share: float) -> bool:
    """Whether a spot left its place in rows of one array.

    Args:
        each: Both rows with spots, the same with exchanged spots, and these two after the change. For a
            function that draws at random also two draws for rows without spots.
        layout: Layout of the rows.
        share: Least share of the brightest spot at which one is still in its place.
    """
    axes = layout.axes(each[0].shape)
    if not axes or each[0].ndim != each[2].ndim:
        return False
    if any(each[0].shape[axis] != each[2].shape[axis] for axis in axes):
        return True
    sides = [each[0].shape[axis] for axis in axes]
    size, few = (1, *map(_side, sides)), np.prod(sides) < _FEW

    def contrast(first: Array, second: Array) -> Array:
        """(2, *P) of two rows, whatever is added to a whole row."""
        between = (first.astype(float) - second).mean(axis=_others(first, axes)).reshape(2, -1)
        between = (between - np.median(between, axis=1, keepdims=True)).reshape(2, *sides)
        return np.asarray(ndimage.uniform_filter(between, size, mode="nearest"))

    was, now = (contrast(*each[at : at + 2]).reshape(2, -1) for at in (0, 2))
    added = _EXCEEDS * np.abs(contrast(*each[4:])).max() if len(each) > 4 else None
    if added is not None and added < _SEEN * np.abs(was).max():
        added, share = None, _DIMMED  # it draws, but not for each position
    elif few and added is not None:
        return False
    for sign in (1, -1):  # one spot of each row, then the other
        place = (sign * was).argmax(axis=1)[:, None]
        there, before = (np.abs(np.take_along_axis(values, place, axis=1)[:, 0]) for values in (now, was))
        free = sign * was >= 0 if added is None else was == 0
        brightest = np.where(free, np.abs(now), 0).max(axis=1)
        least, bound = (
            ((_MOST if few else _SEEN) * before, brightest)
            if added is None
            else (added, np.minimum(brightest, before))
        )
        if np.any((brightest > least) & (there < share * bound)):
            return True
    return False
