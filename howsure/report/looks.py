"""The look of a row: its picture, its first values with the names of their columns, or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.data.align import places
from howsure.data.batches import numpy_of
from howsure.data.frames import is_frame, labelled_frame
from howsure.data.gather import gather, is_several
from howsure.data.rows import Rows
from howsure.errors import InputError
from howsure.report.images import LARGEST, Picture, Pixels, are_images, channels_last, pictures
from howsure.words import counted

_MOST_VALUES = 6
_BY_PLACE = "If they are in that order, give them without names, such as `rows=rows.to_numpy()`"


@dataclass(frozen=True)
class Look:
    """The look of one row.

    Attributes:
        picture: The row as an image, or None.
        values: Its first values, or None.
    """

    picture: Picture | None = None
    values: str | None = None


@dataclass(frozen=True)
class Looks:
    """The looks of N rows.

    Attributes:
        images: (N, …) rows that are images, or None.
        columns: Arrays (N, …) of other values with their names, which are empty if there are none.
    """

    images: Pixels | None = None
    columns: tuple[tuple[str, Pixels], ...] = ()

    def of(self, positions: Sequence[int], budget: int, largest: int = LARGEST) -> list[Look]:
        """The looks of the rows at some positions; `budget` and `largest` are for their pictures."""
        shown: Sequence[Picture | None] = [None] * len(positions)
        if self.images is not None:
            shown = pictures(self.images, positions, budget, largest)
        values = [values_in_words(self.columns, position) if self.columns else None for position in positions]
        return [Look(*look) for look in zip(shown, values, strict=True)]


def looks_of(rows: Any, result: Any, kind: str) -> Looks:
    """The looks of rows.

    Args:
        rows: Any rows that `assess` takes, except a file: an array (N, …), a data frame, a dict of arrays by
            name, a list of arrays of several inputs, batches; or None.
        result: Result of these N rows, for their names.
        kind: Name of one row, as `Certainty.kind` has it.

    Raises:
        InputError: There are not N rows, or they have the names of other rows.
    """
    columns, called = _columns(rows)
    order, count = places(result, called, "`rows` holds values", _BY_PLACE), len(result)
    for _, array in columns:
        if array.ndim == 0 or len(array) != count:
            raise InputError(
                "The rows do not fit the certainty",
                expected=f"an array of {counted(count, 'row')}, in the order they were assessed",
                received=f"an array of shape {array.shape}",
            )
    if order is not None:
        columns = [(name, array[order]) for name, array in columns]
    images = next((array for _, array in columns if are_images(array, kind)), None)
    others = tuple(each for each in columns if each[1] is not images)
    return Looks(None if images is None else channels_last(images), others)


def _columns(rows: Any) -> tuple[list[tuple[str, Pixels]], Rows]:
    """Arrays by name, and the rows without them; labels and ids that came along are left out."""
    if rows is None:
        return [], Rows(None)
    if are_words(rows):
        words = np.empty(len(rows), dtype=object)
        words[:] = [list(row) for row in rows]
        return [("", words)], Rows(None)
    if is_frame(rows):
        import narwhals as nw

        found = labelled_frame(rows, ())
        opened = nw.from_native(found.x, allow_series=True)
        if isinstance(opened, nw.Series):
            return [(str(opened.name or ""), opened.to_numpy())], found
        return [(name, opened[name].to_numpy()) for name in opened.columns], found
    found = gather(rows, lambda: None)
    if isinstance(found.x, Mapping):
        return [(str(name), numpy_of(array, "The rows")) for name, array in found.x.items()], found
    if is_several(found.x):
        return [(f"input {number}", numpy_of(each, "The rows")) for number, each in enumerate(found.x)], found
    return [("", numpy_of(found.x, "The rows"))], found


def are_words(rows: Any) -> bool:
    """True for a list of lists of texts, which may be of different lengths."""
    return (
        isinstance(rows, (list, tuple))
        and bool(rows)
        and all(isinstance(row, (list, tuple)) and all(isinstance(word, str) for word in row) for row in rows)
    )


def values_in_words(columns: Sequence[tuple[str, Pixels]], position: int) -> str:
    """The first six values of a row with their names, and how many there are in all where there are more."""
    shown: list[str] = []
    total = 0
    for name, array in columns:
        flat = np.asarray(array[position]).reshape(-1)
        total += len(flat)
        for number, value in enumerate(flat[: _MOST_VALUES - len(shown)]):
            text = _number(float(value)) if flat.dtype.kind in "iuf" else str(value)
            called = name if not name or len(flat) == 1 else f"{name}[{number}]"
            shown.append(f"{called} {text}".strip())
    said = ", ".join(shown)
    return said if total <= _MOST_VALUES else f"{said}, … ({total:,} in all)"


def _number(value: float) -> str:
    """Four digits, or all before the point; powers of ten only where there would be many noughts."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
