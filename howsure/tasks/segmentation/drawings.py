"""Parts of the drawings of a `DenseCertainty`: rows under maps, colours, outlines, numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from howsure.errors import InputError
from howsure.report.looks import Looks
from howsure.sampling.outcome import Booleans, Floats, Integers

OKABE_ITO = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#f0e442", "#000000")
"""Eight colours that people with any common kind of colour vision tell apart (Okabe and Ito 2008); black is
last, as nothing shows through it."""

KELLY = (
    *("#f3c300", "#875692", "#f38400", "#a1caf1", "#be0032", "#c2b280", "#008856", "#e68fac", "#0067a5"),
    *("#f99379", "#604e97", "#f6a600", "#b3446c", "#dcd300", "#882d17", "#8db600", "#654522", "#e25822"),
    *("#2b3d26", "#222222"),
)
"""Colours of maximum contrast in Kelly's order (1965), without white and grey. People with defective colour
vision tell the first ones apart, so a map of more classes than eight has names on it as well."""

OTHERS = "#848482"
"""Grey: classes without a colour of their own."""

CIVIDIS = (
    *("#00224e", "#002a61", "#003171", "#1c396f", "#2d416d", "#3a486c", "#46516c", "#51586d", "#5b606e"),
    *("#656870", "#6e6f73", "#777777", "#817f78", "#8c8878", "#969077", "#a19975", "#aca172", "#b8aa6e"),
    *("#c4b468", "#d0be62", "#dcc859", "#e8d24f", "#f5dc41", "#fee838"),
)
"""A scale whose steps look equal, also with defective colour vision (Nuñez, Anderton and Renslow 2018)."""

MOST_CHARACTERS = 8_000
"""That the outlines of one map may take; of more, the largest areas are outlined."""

LETTER, LINE = 0.024, 0.05
"""Width of a letter and half of the height of a line on a map, as shares of the map's width: of a text of 11
pixels on a map that is 260 pixels wide."""

SIGNAL_POINTS = 600
"""Points of a signal that are drawn."""


def colours_of(share: Floats) -> tuple[str, ...]:
    """A colour for each class, as `#rrggbb`; of more classes than colours, the most frequent ones have one.

    Args:
        share: (N, K) share of each class.
    """
    classes = share.shape[1]
    if classes <= len(KELLY):
        return (OKABE_ITO if classes <= len(OKABE_ITO) else KELLY)[:classes]
    colours = np.full(classes, OTHERS, dtype=object)
    colours[np.sort(np.argsort(-share.mean(axis=0), kind="stable")[: len(KELLY)])] = KELLY
    return tuple(colours.tolist())


# --- the rows under the maps: pictures, slices of volumes, signals and words --------------------------------


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
    arrays = [array for _, array in looks.columns]
    if looks.images is not None:
        arrays[:0] = [looks.images, np.moveaxis(looks.images, -1, 1)]  # as it may have been given
    if not arrays:
        return None
    fitting = [shown for array in arrays if (shown := _fitting(array, positions)) is not None]
    if not fitting:
        raise InputError(
            "The rows do not fit the maps of the result",
            expected=_FITTING[len(positions)],
            received=f"an array of shape {arrays[0].shape}",
            hint="Leave `rows` out, and the page shows the maps alone",
        )
    return next((shown for exact, shown in fitting if exact), fitting[0][1])


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


@dataclass(frozen=True)
class SliceView:
    """How a row is drawn: of a volume one slice across its first axis.

    Attributes:
        number: Number of the slice.
        count: How many there are; 0 where a row is no volume.
    """

    number: int = 0
    count: int = 0

    @property
    def said(self) -> str:
        """The slice in words; empty if there is none."""
        if not self.count:
            return ""
        return (
            f"slice {self.number} of 0 to {self.count - 1} along axis 0 is shown, the one with the most doubt"
        )

    def of(self, values: Any) -> Any:
        """(H, W, …) of a map (*P, …), or of a row with more or fewer positions along its axes."""
        if not self.count:
            return np.atleast_2d(values)
        return values[int((self.number + 0.5) * len(values) / self.count)]


def view_of(entropy: Any) -> SliceView:
    """How a row is drawn; of a volume, the slice that has the most doubt.

    Args:
        entropy: (*P) NaN where a position does not count.
    """
    if entropy.ndim < 3:
        return SliceView()
    doubt = np.nansum(entropy, axis=(1, 2), dtype=np.float64)
    return SliceView(int(np.argmax(doubt)), entropy.shape[0])


# --- outlines -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outline:
    """Areas of a map, outlined.

    Attributes:
        path: Path data, in positions.
        areas: Connected areas that there are.
        drawn: How many of them are outlined, the largest first; 0 where that one alone would take too much.
    """

    path: str
    areas: int
    drawn: int


def outline(numbered: Integers, step: int = 1) -> Outline:
    """Outline areas along the sides of their positions.

    Args:
        numbered: (H, W) number of the area at each position, 1 for the largest; 0 outside.
        step: Positions of the row for each position here.
    """
    areas = np.unique(numbered[numbered > 0])
    drawn = len(areas)
    while drawn:
        path = _sides(numbered * (numbered <= areas[drawn - 1]), step)
        if len(path) <= MOST_CHARACTERS:
            return Outline(path, len(areas), drawn)
        drawn = min(drawn - 1, drawn * MOST_CHARACTERS // len(path))
    return Outline("", len(areas), 0)


def _sides(numbered: Integers, step: int) -> str:
    padded = np.pad(numbered, 1)
    level = _runs(padded[1:, 1:-1] != padded[:-1, 1:-1])
    upright = _runs((padded[1:-1, 1:] != padded[1:-1, :-1]).T)
    parts = [f"M{x * step} {y * step}h{n * step}" for y, x, n in level]
    return "".join([*parts, *(f"M{x * step} {y * step}v{n * step}" for x, y, n in upright)])


def _runs(edges: Booleans) -> list[tuple[int, int, int]]:
    """Line, beginning and length of each run of true values along the last axis."""
    changes = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    begins, ends = np.argwhere(changes == 1), np.argwhere(changes == -1)
    lengths = ends[:, 1] - begins[:, 1]
    return [(int(a), int(b), int(n)) for (a, b), n in zip(begins, lengths, strict=True)]


# --- numbers and names on a map -----------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """A text on a map: what it says, and its place in per cent of the map's width and height."""

    text: str
    across: float
    down: float


def mark(inside: Booleans, text: str) -> Mark:
    """A text at the position of an area (H, W) that is the farthest from its edge."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), inside.shape)
    return Mark(text, 100 * (int(x) + 0.5) / inside.shape[1], 100 * (int(y) + 0.5) / inside.shape[0])


def names_on(label: Integers, names: tuple[str, ...], marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The name of each class in its largest area, where the name has room beside the marks.

    Args:
        label: (H, W) class numbers, −1 where a position does not count.
        names: K names.
        marks: Marks that are on the map already.
    """
    height, width = label.shape
    free = np.ones(label.shape, dtype=bool)
    for placed in marks:
        x, y, reach = placed.across * width / 100, placed.down * height / 100, LINE * width
        free[max(int(y - reach), 0) : int(y + reach) + 1, max(int(x - reach), 0) : int(x + reach) + 1] = False
    names_with_room = []
    for k in np.unique(label[label >= 0]).tolist():
        numbered, count = ndimage.label(label == k)
        sizes = np.bincount(numbered.reshape(-1), minlength=count + 1)[1:]
        largest = (numbered == 1 + int(np.argmax(sizes))) & free
        depth = ndimage.distance_transform_edt(np.pad(largest, 1))[1:-1, 1:-1]
        y, x = (int(place) for place in np.unravel_index(int(np.argmax(depth)), depth.shape))
        outside = np.flatnonzero(~largest[y])
        at = int(np.searchsorted(outside, x))
        left_end = int(outside[at - 1]) + 1 if at else 0
        right = int(outside[at]) if at < len(outside) else width
        if depth[y, x] >= LINE * width / 2 and right - left_end >= (len(names[k]) + 1) * LETTER * width:
            names_with_room.append(Mark(names[k], 50 * (left_end + right) / width, 100 * (y + 0.5) / height))
    return tuple(names_with_room)


# --- signals ------------------------------------------------------------------------------------------


def signal_path(values: NDArray[Any]) -> str:
    """A signal (P,) as path data in a square of 100 × 100, from least to greatest; NaN is left out."""
    chosen = np.unique(np.linspace(0, len(values) - 1, SIGNAL_POINTS).round().astype(np.int64))
    numbers = values[chosen].astype(np.float64)
    known = np.isfinite(numbers)
    if not known.any():
        return ""
    low, high = float(numbers[known].min()), float(numbers[known].max())
    heights = 100 - 100 * (numbers[known] - low) / ((high - low) or 1.0)
    across = 100 * (chosen[known] + 0.5) / len(values)
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in zip(across, heights, strict=True))
