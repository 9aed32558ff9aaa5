"""The look of a row: its picture, its first values with the names of their columns, or neither."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from howsure.errors import InputError
from howsure.inputs.align import places
from howsure.inputs.frames import is_frame, labelled_frame
from howsure.inputs.loaders import gather, is_several
from howsure.inputs.rows import Rows, as_array
from howsure.inputs.sizes import RowsOfSizes
from howsure.words import counted, printable

Pixels = NDArray[Any]
Floats = NDArray[np.float64]

_CHANNELS = (1, 3, 4)
LARGEST = 320
"""Pixels: twice the 160 at which a page shows an image, for whoever looks closer."""

_LONGEST_EDGES = (LARGEST, 224, 160, 112, 80, 56, 40, 28)

_JPEG_QUALITY = 85

_TRIED = 8
"""Pictures that tell whether all of a size would be far too much."""


@dataclass(frozen=True)
class Picture:
    """One image, ready for an `img` element.

    Attributes:
        source: PNG, or JPEG where it is shrunk, as a data URI.
        width: Pixels.
        height: Pixels.
        shrunk: Whether the original had more pixels; if not, each pixel is the row's own.
    """

    source: str
    width: int
    height: int
    shrunk: bool

    def shown(self, called: str) -> Markup:
        """It with its name, for a page; a click enlarges it."""
        style = "" if self.shrunk else Markup(' class="crisp"')
        image = Markup('<img src="{}" width="{}" height="{}" alt="{}"{}>').format(
            self.source, self.width, self.height, printable(called), style
        )
        return Markup('<details class="zoom"><summary title="Enlarge">{}</summary></details>').format(image)


def are_images(rows: Pixels, kind: str) -> bool:
    """Whether rows can be shown as images.

    Args:
        rows: (N, H, W, C) with C of 1, 3 or 4 are images, and so are (N, C, H, W) where `kind` says so, as
            PyTorch has them. (N, H, W) are where `kind` says so or H
            equals W; else they may as well be sequences.
        kind: Name of one row, as `Certainty.kind` has it.
    """
    if rows.dtype.kind not in "buif" or 0 in rows.shape[1:]:
        return False
    if rows.ndim == 3:
        return kind == "image" or rows.shape[1] == rows.shape[2]
    last = rows.ndim == 4 and rows.shape[-1] in _CHANNELS
    return last or (rows.ndim == 4 and kind == "image" and rows.shape[1] in _CHANNELS)


def channels_last(images: Pixels) -> Pixels:
    """Images (N, C, H, W) as (N, H, W, C), a view; others as they are."""
    first = images.ndim == 4 and images.shape[-1] not in _CHANNELS
    return np.moveaxis(images, 1, -1) if first else images


def black_and_white(rows: Pixels) -> tuple[Floats, Floats]:
    """The values to be shown as black and as white, per channel.

    Bytes, and numbers in [0, 1], [−1, 1] or [0, 255], keep their customary range. Anything else, such
    as standardised pixels, runs from the 0.5th to the 99.5th percentile of each channel, or from least
    to greatest where those are one number.

    Args:
        rows: (N, H, W, C) with N ≥ 1. An evenly spread sample of rows and pixels is looked at.

    Returns:
        Black (C,) and white (C,), white above black. Values that are not finite are ignored.
    """
    channels = rows.shape[-1]
    if rows.dtype == np.uint8:
        return np.zeros(channels), np.full(channels, 255.0)
    stride = 1 + max(rows.shape[1:3]) // 256
    sample = rows[:: 1 + len(rows) // 256, ::stride, ::stride].astype(np.float64).reshape(-1, channels)
    finite = sample[np.isfinite(sample)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= -1 and high <= 1:
        return np.full(channels, 0.0 if low >= 0 else -1.0), np.ones(channels)
    if low >= 0 and 16 < high <= 255:
        return np.zeros(channels), np.full(channels, 255.0)
    ends = [_ends(sample[np.isfinite(sample[:, channel]), channel]) for channel in range(channels)]
    return np.array([black for black, _ in ends]), np.array([white for _, white in ends])


def _ends(values: Floats) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [0.5, 99.5])
    if high <= low:
        low, high = values.min(), values.max()
    return float(low), float(high) if high > low else float(low) + 1


def pictures(rows: Pixels, positions: Sequence[int], budget: int, largest: int = LARGEST) -> list[Picture]:
    """Pictures of some rows, all of them together small enough for one page.

    Args:
        rows: (N, H, W) or (N, H, W, C), any range of values; brightness is the same for all rows.
        positions: Positions of the rows, in the order wanted.
        budget: Most characters that they may take together, unless they take more at 28 pixels.
        largest: Longest edge in pixels.

    Returns:
        One picture per position. If the originals are longer, or together would take more, they are shrunk.
        Pixels that are not a number are black.
    """
    if not len(positions):
        return []
    four = rows[..., None] if rows.ndim == 3 else rows
    black, white = black_and_white(four)
    if four.shape[-1] == 4:  # opacity is no matter of contrast
        black[3], white[3] = 0.0, 255.0 if white[3] > 16 else 1.0
    images = [_image(four[position], black, white, largest) for position in positions]
    few = images[:: max(1, len(images) // _TRIED)]
    edges = [edge for edge in _LONGEST_EDGES if edge <= largest]
    for longest in edges:
        if longest != edges[-1] and len(few) < len(images):
            tried = sum(len(_picture(image, longest).source) for image in few)
            if tried * len(images) > 2 * budget * len(few):
                continue  # far too much
        pictures_of_rows = [_picture(image, longest) for image in images]
        if sum(len(picture.source) for picture in pictures_of_rows) <= budget:
            break
    return pictures_of_rows


def photograph(values: Pixels, budget: int, largest: int) -> str:
    """One image as a data URI, in the brightness that it has by itself.

    Args:
        values: (H, W, C) with C of 1 or 3, any range of values.
        budget: Most characters that it may take as it is; else it is a JPEG.
        largest: Longest edge in pixels.
    """
    image = _image(values, *black_and_white(values[None]), largest)
    image.thumbnail((largest, largest), Image.Resampling.BOX)
    source = _data_uri(image, "png", optimize=True)
    return source if len(source) <= budget else _data_uri(image, "jpeg", quality=_JPEG_QUALITY)


def in_colours(numbers: Pixels, colours: Sequence[str], opacities: Sequence[float] = ()) -> str:
    """A map as the data URI of a PNG with a palette.

    Args:
        numbers: (H, W) places in `colours`.
        colours: At most 256, as `#rrggbb`.
        opacities: From 0 to 1, of the first of the colours; the others hide what is below.
    """
    image = Image.fromarray(np.asarray(numbers, dtype=np.uint8))
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in colours))
    options = {"transparency": bytes(round(255 * opacity) for opacity in opacities)} if opacities else {}
    return _data_uri(image, "png", optimize=True, **options)


def _image(values: Pixels, black: Floats, white: Floats, largest: int) -> Image.Image:
    finite = np.nan_to_num(values.astype(np.float64), nan=-np.inf)
    pixels = np.round(255 * np.clip((finite - black) / (white - black), 0, 1)).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((2 * largest,) * 2, Image.Resampling.BOX)
    return image


def _picture(image: Image.Image, longest: int) -> Picture:
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.BOX)
    shrunk = small.size != image.size
    # What is shrunk has none of the row's own pixels any more, so it need not be exact.
    if shrunk and small.mode in ("L", "RGB"):
        source = _data_uri(small, "jpeg", quality=_JPEG_QUALITY)
    else:
        source = _data_uri(small, "png", optimize=True)
    return Picture(source, small.width, small.height, shrunk)


def _data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=kind.upper(), **options)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# --- rows of any kind -----------------------------------------------------------------------------------

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
    columns, called = _columns(rows, kind, len(result))
    order, count = places(result, called, "`rows` holds values", _BY_PLACE), len(result)
    for _, array in columns:
        if array.ndim == 0 or len(array) != count:
            raise InputError(
                "The rows do not fit the certainty",
                expected=f"an array of {counted(count, 'row')}, in the order they were assessed",
                received=f"an array of shape {array.shape}",
                hint="A row of this result is an object: give the picture or text of each, such as "
                "rows=[images[row] for row in found.row], or no rows"
                if kind == "object"
                else None,
            )
    if order is not None:
        columns = [(name, array[order]) for name, array in columns]
    images = next((array for _, array in columns if are_images(array, kind)), None)
    others = tuple(column for column in columns if column[1] is not images)
    return Looks(None if images is None else channels_last(images), others)


def _columns(rows: Any, kind: str, count: int) -> tuple[list[tuple[str, Pixels]], Rows]:
    """Arrays by name, and the rows without them; labels and ids that came along are left out."""
    if rows is None:
        return [], Rows(None)
    if are_words(rows):
        return [("", _one_by_one(rows))], Rows(None)
    if is_frame(rows):
        import narwhals as nw

        frame = labelled_frame(rows, ())
        opened = nw.from_native(frame.x, allow_series=True)
        if isinstance(opened, nw.Series):
            return [(str(opened.name or ""), opened.to_numpy())], frame
        return [(name, opened[name].to_numpy()) for name in opened.columns], frame
    frame = gather(rows, lambda: None)
    if isinstance(frame.x, RowsOfSizes):
        arrays = frame.x.in_order.items()
        return [(name if isinstance(name, str) else "", _of_sizes(own, kind)) for name, own in arrays], frame
    if isinstance(frame.x, Mapping):
        return [(str(name), as_array(array, "The rows")) for name, array in frame.x.items()], frame
    if is_several(frame.x) and (len(frame.x) != count or len(frame.x[0]) == count):  # inputs, and no rows
        return [
            (f"input {number}", as_array(array, "The rows")) for number, array in enumerate(frame.x)
        ], frame
    return [("", as_array(frame.x, "The rows"))], frame


def _one_by_one(rows: Sequence[Any]) -> Pixels:
    """(N,) rows of any lengths."""
    values = np.empty(len(rows), dtype=object)
    for number, row in enumerate(rows):
        values[number] = row
    return values


def _of_sizes(rows: Sequence[Pixels], kind: str) -> Pixels:
    """Rows of several sizes: images as large as the largest, dark beyond their ends; others as they are."""
    if rows[0].ndim < 2 or (rows[0].ndim == 2 and kind != "image"):
        return _one_by_one(rows)
    sides, darkest = np.max([row.shape for row in rows], axis=0), min(row.min() for row in rows)
    gaps = [[(0, gap) for gap in np.subtract(sides, row.shape)] for row in rows]
    images = [np.pad(row, gap, constant_values=darkest) for row, gap in zip(rows, gaps, strict=True)]
    return np.stack(images) if are_images(np.stack(images), kind) else _one_by_one(rows)


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
    listed = ", ".join(shown)
    return listed if total <= _MOST_VALUES else f"{listed}, … ({total:,} in all)"


def _number(value: float) -> str:
    """Four digits, or all before the point; powers of ten only where there would be many noughts."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
