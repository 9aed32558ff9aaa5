"""Parts of the drawings of a `DenseCertainty`: colours, outlines, and places for numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from howsure.report.axes import TickedAxis, count_axis, number_axis
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

MOST_CHARACTERS = 24_000
"""That the outlines of one map may take; of more, the largest areas are outlined."""

LETTER, LINE = 0.024, 0.05
"""Width of a letter and half of the height of a line on a map, as shares of the map's width: of a text of 11
pixels on a map that is 260 pixels wide."""

SIGNAL_POINTS = 600
"""Points of a signal that are drawn."""

_BINS = 20


def class_colours(classes: int) -> tuple[str, ...]:
    """A colour for each of K classes, as `#rrggbb`; of more classes than colours, the last ones are grey."""
    if classes <= len(OKABE_ITO):
        return OKABE_ITO[:classes]
    return (*KELLY, *[OTHERS] * (classes - len(KELLY)))[:classes]


def colours_of(share: Floats) -> tuple[str, ...]:
    """A colour for each class; of more classes than colours, for the most frequent ones.

    Args:
        share: (N, K) share of each class.
    """
    classes = share.shape[1]
    if classes <= len(KELLY):
        return class_colours(classes)
    found = np.full(classes, OTHERS, dtype=object)
    found[np.sort(np.argsort(-share.mean(axis=0), kind="stable")[: len(KELLY)])] = KELLY
    return tuple(found.tolist())


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
    for each in marks:
        x, y, reach = each.across * width / 100, each.down * height / 100, LINE * width
        free[max(int(y - reach), 0) : int(y + reach) + 1, max(int(x - reach), 0) : int(x + reach) + 1] = False
    found = []
    for k in np.unique(label[label >= 0]).tolist():
        numbered, count = ndimage.label(label == k)
        sizes = np.bincount(numbered.reshape(-1), minlength=count + 1)[1:]
        largest = (numbered == 1 + int(np.argmax(sizes))) & free
        depth = ndimage.distance_transform_edt(np.pad(largest, 1))[1:-1, 1:-1]
        y, x = (int(each) for each in np.unravel_index(int(np.argmax(depth)), depth.shape))
        outside = np.flatnonzero(~largest[y])
        at = int(np.searchsorted(outside, x))
        left = int(outside[at - 1]) + 1 if at else 0
        right = int(outside[at]) if at < len(outside) else width
        if depth[y, x] >= LINE * width / 2 and right - left >= (len(names[k]) + 1) * LETTER * width:
            found.append(Mark(names[k], 50 * (left + right) / width, 100 * (y + 0.5) / height))
    return tuple(found)


# --- figures ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DoubtHistogram:
    """How doubt spreads over rows.

    Attributes:
        bars: Left edge, width and height of each bar, in per cent.
        table: Edges and count of each bar that is not empty.
        across: Axis of the doubt.
        up: Axis of the counts.
    """

    bars: tuple[tuple[float, float, float], ...]
    table: tuple[tuple[float, float, int], ...]
    across: TickedAxis
    up: TickedAxis


def draw_doubt(doubt: Floats) -> DoubtHistogram:
    """Lay out a histogram of the doubt (N,) of N ≥ 1 rows, from 0 on."""
    top = float(doubt.max()) or 1.0
    counts, edges = np.histogram(doubt, bins=_BINS, range=(0.0, top))
    across, up = number_axis(0.0, top), count_axis(counts.tolist())
    bars, table = [], []
    for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            left = across.place(low)
            bars.append((left, across.place(high) - left, up.place(count)))
            table.append((low, high, count))
    return DoubtHistogram(tuple(bars), tuple(table), across, up)


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
