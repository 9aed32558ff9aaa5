"""The rows under the maps of a page: pictures, slices of volumes, signals and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.report.looks import Looks

MOST_WORDS = 1024
"""Positions of a row of whole numbers that are shown as words, such as ids; more are a signal."""

_FITTING = {
    1: "words: N lists of texts. Or a signal: (N, P), (N, P, C) or (N, C, P)",
    2: "images: (N, H, W), (N, H, W, C) or (N, C, H, W)",
    3: "volumes: (N, D, H, W), (N, D, H, W, C) or (N, C, D, H, W)",
}


@dataclass(frozen=True)
class ShownWords:
    """Rows that are words: of each row at most as many as it has positions."""

    rows: Any

    def of(self, at: int) -> list[str]:
        """The words of one row; a text is taken apart at its spaces."""
        row = self.rows[at]
        return row.split() if isinstance(row, str) else [str(word) for word in row]


@dataclass(frozen=True)
class Pixels:
    """Rows of numbers.

    Attributes:
        rows: (N, *P′, C), (N, C, *P′) or (N, *P′), P′ perhaps of another size than the positions.
        channels: Axis of the channels, or None.
    """

    rows: NDArray[Any]
    channels: int | None

    def of(self, at: int) -> NDArray[Any]:
        """(*P′, C) one row, with the first three channels, or the first where there are fewer."""
        row = np.asarray(self.rows[at])
        row = row[..., None] if self.channels is None else np.moveaxis(row, self.channels - 1, -1)
        return row[..., :3] if row.shape[-1] >= 3 else row[..., :1]


Shown = ShownWords | Pixels


def shown_of(looks: Looks, positions: tuple[int, ...]) -> Shown | None:
    """Images or words under the maps, or None if no rows are given.

    Args:
        looks: Pictures or values of the N rows.
        positions: *P.

    Raises:
        InputError: The rows have other axes, or a row has more words than positions.
    """
    given = [array for _, array in looks.columns]
    if looks.images is not None:
        given[:0] = [looks.images, np.moveaxis(looks.images, -1, 1)]  # as it may have been given
    if not given:
        return None
    fitting = [each for array in given if (each := _fitting(array, positions)) is not None]
    if not fitting:
        raise InputError(
            "The rows do not fit the maps of the result",
            expected=_FITTING[len(positions)],
            received=f"an array of shape {given[0].shape}",
            hint="Leave `rows` out, and the page shows the maps alone",
        )
    return next((each for exact, each in fitting if exact), fitting[0][1])


def _fitting(array: NDArray[Any], positions: tuple[int, ...]) -> tuple[bool, Shown] | None:
    """Whether rows have just these positions, and how they are read; None if their axes do not fit."""
    axes, shape = len(positions), array.shape
    if axes == 1 and _are_words(array):
        words = ShownWords(array)
        for at in range(len(array)):
            if len(words.of(at)) > positions[0]:
                raise InputError(
                    f"Row {at} has more words than the result has positions",
                    expected=f"at most {positions[0]} words",
                    received=len(words.of(at)),
                    hint="Give the words that the model was given: `rows` with those cut off left out",
                )
        return True, words
    if array.dtype.kind not in "buif" or 0 in shape[1:] or len(shape) not in (axes + 1, axes + 2):
        return None
    if len(shape) == axes + 1:
        return shape[1:] == positions, Pixels(array, None)
    first, last = shape[2:] == positions, shape[1:-1] == positions
    channels = 1 if first or (not last and shape[1] <= shape[-1]) else axes + 1
    return first or last, Pixels(array, channels)


def _are_words(array: NDArray[Any]) -> bool:
    if array.dtype.kind in "OUT":
        return array.ndim <= 2
    return array.dtype.kind in "iu" and array.ndim == 2 and array.shape[1] <= MOST_WORDS
