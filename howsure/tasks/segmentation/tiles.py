"""Rows that are larger than what fits into memory: assessed in tiles, and put together again.

    image ── tiles that overlap ── assessed as rows ── the inner part of each ── maps of the whole image
                                                    └─ counts of the inner parts, added up ── shares, overlap

Every tile is given the same masks, so a pass is one thinned network, which sees the image tile by tile, as a
network does that was trained on patches. A tiled image has the numbers of the whole one if masks are of whole
channels and the overlap is at least twice as wide as what a position sees to one side (its receptive field).
"""

from __future__ import annotations

import importlib.metadata
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import Rows, as_array
from howsure.inputs.transforms import Change
from howsure.methods.protocol import Job, Method
from howsure.prepare import prepare
from howsure.progress import Progress, progress_callback
from howsure.request import Request
from howsure.sampling.outcome import Integers, ResultMetadata
from howsure.tasks.segmentation.outcome import Positions
from howsure.tasks.segmentation.padding import given_counts
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.tally import Area, PassCounts, PassesTally


@dataclass(frozen=True)
class Tiling:
    """How rows are cut.

    Args:
        whole: Sides of the positions of a row.
        tile: Sides of a tile; a side is at most that of the row.
        overlap: Positions that neighbouring tiles share, along each axis.

    Attributes:
        tiles: For each tile where it lies in the row, its inner part within the tile, and that in the row.
    """

    whole: tuple[int, ...]
    tile: tuple[int, ...]
    overlap: int

    @property
    def tiles(self) -> list[tuple[Area, Area, Area]]:
        """Areas in the row, inner parts in the tile, inner parts in the row."""
        axes, areas = [], []
        for whole, tile in zip(self.whole, self.tile, strict=True):
            starts = [*range(0, whole - tile, tile - self.overlap), whole - tile]  # the last ends the row
            middle = [(start + tile + after) // 2 for start, after in itertools.pairwise(starts)]
            axes.append(list(zip(starts, [0, *middle], [*middle, whole], strict=True)))
        for parts in itertools.product(*axes):
            ends = [start + side for (start, _, _), side in zip(parts, self.tile, strict=True)]
            area = tuple(slice(part[0], end) for part, end in zip(parts, ends, strict=True))
            inside = tuple(slice(low - start, high - start) for start, low, high in parts)
            areas.append((area, inside, tuple(slice(low, high) for _, low, high in parts)))
        return areas


@dataclass(frozen=True)
class _InTiles(Positions):
    """A class at each position of tiles, of which the inner parts count.

    Args:
        inner: Inner parts of the tiles of a row.
    """

    inner: tuple[Area, ...] = ()

    def take(self, rows: Integers) -> Self:
        """The same for some tiles."""
        inner = tuple(self.inner[row % len(self.inner)] for row in rows.tolist())
        return replace(super().take(rows), inner=inner)

    def tally(self, rows: int, *, all_there: bool = False) -> PassesTally:
        """The shares of each network over the inner parts of tiles."""
        inside = np.zeros((rows, *self.positions), dtype=bool)
        for row_mask, area in zip(inside, self.inner, strict=True):
            row_mask[area] = True
        return PassesTally(self.width, inside & self._there(rows), all_there=all_there)


class _TileRows:
    """Tiles by their number: those of the first row, then those of the next.

    Args:
        x: (N, …) the rows.
        areas: For each tile its index in one row, channels included.
        dtype: Type of the model's input.
        change: Applied to tiles when they are read, or None.
    """

    def __init__(self, x: Any, areas: Sequence[Area], dtype: str, change: Change | None = None) -> None:
        self._x, self._areas, self._dtype, self._change = x, areas, dtype, change

    def __getitem__(self, numbers: Any) -> NDArray[Any]:
        places = (divmod(number, len(self._areas)) for number in np.asarray(numbers).tolist())
        tiles = np.stack([np.asarray(self._x[row][self._areas[tile]]) for row, tile in places])
        changed = tiles if self._change is None else np.asarray(self._change(tiles))
        return changed.astype(self._dtype)

    def changed(self, change: Change | None) -> _TileRows:
        """The same tiles after one more change of rows."""
        before = self._change
        both_changes = (
            change if before is None else lambda tiles: tiles if change is None else change(before(tiles))
        )
        return _TileRows(self._x, self._areas, self._dtype, both_changes)


def tiled(
    model: Any, rows: Rows, method: Method, request: Request, progress: Progress
) -> tuple[Job, Iterator[DenseCertainty]]:
    """The job of whole rows, and their results one by one, from tiles.

    Raises:
        InputError: The rows are no single array, or `tile` and `overlap` do not fit them.
        ModelError: The model has no class at each position of its input.
    """
    x = as_array(rows.x, "The rows") if hasattr(rows.x, "detach") else rows.x
    tiling, areas = _tiling_and_areas(x, request)
    whole, tile, tiles = tiling.whole, tiling.tile, tiling.tiles
    try:
        job = prepare(
            model,
            replace(rows, x=_first_tile(x, areas), labels=None, ids=None),
            method,
            replace(request, tile=None, overlap=None, positions=None),
        )
    except InputError as error:
        hint = "If a tile was cut along the channels, class_axis=1 or class_axis=-1 says where these lie"
        raise error.told_of(f"A tile of {' × '.join(map(str, tile))}", hint) from error
    if not isinstance(job.outcome, Positions) or job.outcome.positions != tile:
        raise ModelError(
            f"Model '{job.model.info.name}' cannot be assessed in tiles",
            expected=f"a class at each of {' × '.join(map(str, tile))} positions of a tile",
            received=f"an output of shape (rows, {', '.join(map(str, job.model.info.output_shape))})",
        )
    settings = {field.name: getattr(job.outcome, field.name) for field in fields(Positions)}
    counts = None if request.positions is None else given_counts(request.positions, (len(x), *whole))
    of_tiles_alone = [area for area, _, _ in tiles]
    settings["counts"] = None if counts is None else _TileRows(counts, of_tiles_alone, "bool")
    outcome = _InTiles(**settings, inner=tuple(inside for _, inside, _ in tiles))
    source = _TileRows(x, areas, job.model.info.inputs[0].array_dtype)
    of_tiles = _on_tiles(job, source, len(x) * len(tiles), outcome)
    of_rows = replace(job, total=len(x), outcome=replace(job.outcome, positions=whole, counts=counts))
    return of_rows, _results(of_tiles, method, tiling, len(x), progress)


def first_tile(x: Any, request: Request) -> NDArray[Any]:
    """The first tile of the first row (1, …) of rows (N, …), as the model is fed with it."""
    return _first_tile(x, _tiling_and_areas(x, request)[1])


def _first_tile(x: NDArray[Any], areas: Sequence[Area]) -> NDArray[Any]:
    return x[:1][(slice(None), *areas[0])]


def _tiling_and_areas(x: Any, request: Request) -> tuple[Tiling, list[Area]]:
    """How rows (N, …) are cut, and for each tile its index in one row, channels included."""
    if not isinstance(x, np.ndarray):
        raise InputError(
            "Rows in tiles are one array",
            expected="an array (N, …), which may be memory-mapped",
            received=type(x).__name__,
        )
    axes, tile = _axes_and_tile(x.shape[1:], request.tile, request.class_axis)
    whole = tuple(x.shape[1 + axis] for axis in axes)
    tile = tuple(min(sides) for sides in zip(tile, whole, strict=True))
    overlap = min(tile) // 4 // 2 * 2 if request.overlap is None else request.overlap
    if overlap >= min(tile):
        raise InputError(
            "`overlap` leaves nothing of a tile", expected=f"less than {min(tile)}", received=overlap
        )
    tiling = Tiling(whole, tile, overlap)
    areas = (dict(zip(axes, area, strict=True)) for area, _, _ in tiling.tiles)
    return tiling, [tuple(area.get(axis, slice(None)) for axis in range(x.ndim - 1)) for area in areas]


@dataclass(frozen=True, eq=False)
class _TileOrigin:
    """The source of jobs on tiles: the job of the first tile, and all tiles.

    Attributes:
        of_first_tile: The job of the first tile.
        tiles: All tiles.
        outcome: The answer of a tile.
    """

    of_first_tile: Job
    tiles: _TileRows
    outcome: _InTiles

    def job(self, first: Job, method: Method, model: Any, change: Change | None, undo: Change | None) -> Job:
        """As `Job.again` of the job `first` on tiles."""
        other = self.of_first_tile.again(method, model=model, undo=undo)
        return _on_tiles(other, self.tiles.changed(change), first.total, self.outcome)


def _on_tiles(of_first_tile: Job, tiles: _TileRows, total: int, like: _InTiles) -> Job:
    """The job of the first tile on all of them, whose positions are as in `like`."""
    settings = {field.name: getattr(of_first_tile.outcome, field.name) for field in fields(Positions)}
    settings |= {name: getattr(like, name) for name in ("counts", "positions", "inner")}
    outcome = _InTiles(**settings)
    origin = _TileOrigin(of_first_tile, tiles, outcome)
    return replace(of_first_tile, rows=[tiles], total=total, outcome=outcome, origin=origin)


def _results(
    job: Job, method: Method, tiling: Tiling, rows: int, progress: Progress
) -> Iterator[DenseCertainty]:
    tiles = tiling.tiles
    passes, version = method.begin(job), importlib.metadata.version("howsure")
    size = max(1, tuning.BLOCK_AT_POSITIONS // math.prod(job.outcome.columns))
    settings = {**job.settings_of(method, passes), "tile": list(tiling.tile), "overlap": tiling.overlap}
    with progress_callback(progress, "Assessing") as tell:
        done = 0

        def finished(count: int) -> None:
            nonlocal done
            done += count
            if tell is not None and count:
                tell(done, job.total)

        for row in range(max(1, rows)):
            maps: dict[str, Any] = {}
            counts: list[PassCounts] = []
            numbers: Integers = np.arange(min(rows, 1) * len(tiles)) + row * len(tiles)
            for start in range(0, max(1, len(numbers)), size):
                block = numbers[start : start + size]
                of_block = ResultMetadata(block, "image", settings, job.seed, None, version)
                estimates = passes.draw(block, finished)
                part = job.outcome.result(estimates, of_block)
                counts.extend(estimates.of_rows)
                for number, (_, inside, place) in enumerate(tiles[start : start + len(part)]):
                    for name, array in part._maps.items():
                        if name not in maps:
                            beyond = array.shape[1 + len(tiling.whole) :]
                            maps[name] = np.empty((1, *tiling.whole, *beyond), array.dtype)
                        maps[name][0][place] = array[number][inside]
            yield part if not rows else _put_together(part, maps, counts, row)


def _put_together(
    part: DenseCertainty, maps: dict[str, Any], counts: list[PassCounts], row: int
) -> DenseCertainty:
    """One row from the maps and counts of its tiles; the settings are those of one of them."""
    together = PassCounts.added(counts)
    of_row: dict[str, Any] = {"passes": np.array([max(1, together.passes)]), "row": np.array([row])}
    return replace(part[:1], **maps, **together.columns, **of_row)


def _axes_and_tile(
    shape: tuple[int, ...], tile: Any, class_axis: int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes of the positions in a row of this shape, and the sides of a tile along them.

    Beside positions a row may have channels: on its first or last axis, like the classes if `class_axis` is
    given; else on the one that is unlike all others, or the shorter.
    """
    is_one_number = isinstance(tile, (int, np.integer))
    sides = (int(tile),) * max(1, len(shape) - 1) if is_one_number else tuple(int(side) for side in tile)
    if len(shape) == len(sides):
        return tuple(range(len(shape))), sides
    if len(shape) != len(sides) + 1:
        raise InputError(
            "`tile` does not fit the rows",
            expected=f"{max(1, len(shape) - 1)} sides, or one number for all, as a row has shape {shape}",
            received=repr(tile),
        )
    first = shape[0] < shape[-1]
    if len(set(shape[1:])) != len(set(shape[:-1])) and len(sides) > 1:
        first = len(set(shape[1:])) == 1
    if class_axis is not None:
        first = class_axis in (1, -len(shape))
    channels = 0 if first else len(shape) - 1
    return tuple(np.delete(np.arange(len(shape)), channels).tolist()), sides
