"""Changes of rows, each by itself, and how what a model says of changed rows is moved back.

    rows ── do ──> changed rows ── model ──> outputs for changed rows ── undo ──> outputs for the rows

Answers for whole rows need no way back. A change at positions is a pair (do, undo), or one of `READY`: nobody
can see from a function whether it moves positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.loaders import is_several, of_each
from howsure.inputs.rows import as_array, channels_are_first, quoted

Array = NDArray[Any]
Change = Callable[[Any], Any]
Transform = Change | str | tuple[Change, Change]
"""A function of rows, a name of `READY`, or a function of rows and one that moves outputs back."""

FLIP, TURN = "flip", "turn"
READY = (FLIP, TURN)
"""Mirror the last axis of positions, as images left to right. Turn the plane of the last two by 90°, as
`numpy.rot90` does: images counterclockwise."""

EXPECTED = f"a function of rows, {quoted(READY)}, or a pair (do, undo) of functions"


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
class RowTransform:
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
    def of(cls, transform: Transform, layout: Layout | None) -> RowTransform:
        """A change as a caller gives it, for rows of a layout; None if answers are of whole rows.

        Raises:
            InputError: Positions need a way back, and there is none.
        """
        if isinstance(transform, str):
            ready = partial(of_each, function=partial(_moved_array, name=transform, layout=layout))
            return cls(ready, None if layout is None else _way_back(transform, layout), transform)
        if isinstance(transform, (tuple, list)):
            do, undo = transform
            return cls(do, None if layout is None else undo, _name(do))
        if layout is not None:
            raise InputError(
                "A change of rows with a class at each position does not say how its outputs are moved back",
                expected=f"{quoted(READY)}, or a pair (do, undo) of functions",
                received=_name(transform),
                hint="'flip' mirrors the last axis of positions, and 'turn' turns the last two by 90°. For a "
                "change that moves no position give (change, howsure.shifts.unmoved)",
            )
        return cls(transform, None, _name(transform))

    def __call__(self, rows: Any) -> Any:
        """The changed rows. The function gets a copy, which it may change."""
        return self.do(deepcopy(rows))


def _name(function: object) -> str:
    return getattr(function, "__name__", repr(function))


def parts(rows: Any) -> list[Array]:
    """The array of each input."""
    if isinstance(rows, Mapping):
        rows = list(rows.values())
    return [as_array(part, "The rows") for part in rows] if is_several(rows) else [as_array(rows, "The rows")]


def is_transform(value: Any) -> bool:
    """Whether this is a change as a caller may give it."""
    if isinstance(value, (tuple, list)):
        return len(value) == 2 and all(map(callable, value))
    return callable(value) or (isinstance(value, str) and value in READY)


def _moved_array(part: Any, name: str, layout: Layout | None) -> Any:
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


def _way_back(name: str, layout: Layout) -> Change:
    """The function that moves outputs back after a move of this name."""
    *_, first, last = (0, *np.delete(np.arange(1, len(layout.positions) + 2), layout.class_axis).tolist())
    return lambda outputs: np.flip(outputs, last) if name == FLIP else np.rot90(outputs, -1, (first, last))
