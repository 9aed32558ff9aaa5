"""Drawing passes in rounds: a first one for all rows, further ones for those that need them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from howsure.methods.mc_dropout import MCDropout
from howsure.models import Array, StochasticModel
from howsure.results.verdict import Thresholds
from howsure.sampling.balance import group_sizes
from howsure.sampling.estimate import Estimate, added_up, masks_of, spread_of, sum_up
from howsure.sampling.masks import Site, draw
from howsure.sampling.plan import FLOAT32, Design, Plan
from howsure.sampling.summary import ENTROPY_ERROR_FLOOR, ERROR_FLOOR, Summary
from howsure.statistics import entropy_correction

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FIRST_ROUND = 20
"""Flat passes every row gets before it is asked whether it needs more, where there is no plan."""

DEFAULT_MAX_PASSES = 400

MOST_GROUPS = 3
"""Groups of cells a row gets at most where late layers are split and `max_passes` is not given."""

ROUND_STAGE = 1
"""Stage of the masks of the first group of cells; flat passes are stage 0, the pilot's are far above."""

PROGRESS_ROWS = 1024
"""Rows that are looked at between two reports of progress."""

KEPT_MASKS = 1 << 28
"""Bytes of masks kept for the next chunk of rows instead of being drawn again."""


Chunk = tuple[Integers, Any]
"""Positions of rows that run together, and what all passes over them share."""

ChunksOf = Callable[[Integers], Iterator[Chunk]]
"""Brings rows at some positions, chunk by chunk."""


KEPT_ROWS = 512
"""Rows whose shared part is kept at once, at most; progress is reported when these are done."""


class Rows(Protocol):
    """Rows of one input."""

    def __getitem__(self, numbers: Any) -> Array:
        """Rows (n, …) with these numbers (n,), in the type of the input."""
        ...


@dataclass(frozen=True)
class Run:
    """A model, rows and how to read its outputs: what drawing passes needs.

    Attributes:
        model: The examined model.
        rows: Its inputs, flattened; each gives rows (n, …) in the input's type for their numbers (n,).
        numbers: (N,) numbers of the rows to assess.
        convert: From the raw outputs (W, n, …) of W passes over the rows with numbers (n,) to what
            is to be summed up, (W, n, *shape).
        shape: Shape of that for one row and pass.
        seed: Seed of the masks.
        batch_size: Rows that run together.
        thresholds: Where the verdicts lie.
        kept: Masks of the designs run so far, by stage, while they are small.
        prepared: Those of the cells run last, by stage and cell, as the model takes them.
        looked_at: Numbers of rows a pilot looked at, and what all passes over them share where that is dear.
    """

    model: StochasticModel
    rows: Sequence[Rows]
    numbers: Integers
    convert: Callable[[NDArray[np.float32], Integers], NDArray[np.floating]]
    shape: tuple[int, ...]
    seed: int
    batch_size: int
    thresholds: Thresholds
    kept: dict[int, list[list[Array]]] = field(default_factory=dict)
    prepared: OrderedDict[tuple[int, int], Any] = field(default_factory=OrderedDict)
    looked_at: list[tuple[Integers, Any]] = field(default_factory=list)

    def masks(self, design: Design, stage: int) -> list[list[Array]]:
        """The masks of each cell of one group; each stage belongs to one design."""
        if stage in self.kept:
            return self.kept[stage]
        masks = masks_of(design, self.model.sites, self.model.levels, seed=self.seed, stage=stage)
        if sum(mask.nbytes for cell in masks for mask in cell) <= KEPT_MASKS // 16:
            self.kept[stage] = masks
        return masks

    def batches(self, positions: Integers, rows_per_call: int) -> Iterator[tuple[Integers, list[Array]]]:
        """Positions of rows that run together, and the rows of each input (padded with the last row)."""
        for chunk, padded in self._padded(positions, rows_per_call):
            yield chunk, [rows[self.numbers[padded]] for rows in self.rows]

    def chunks(self, positions: Integers, rows_per_call: int) -> Iterator[Chunk]:
        """Positions of rows that run together, and what all passes over them share."""
        for chunk, inputs in self.batches(positions, rows_per_call):
            yield chunk, self.model.share(inputs)

    def share(self, positions: Integers) -> Any:
        """What all passes over some rows share, computed in large chunks."""
        at_once = max(1, self.model.largest_shared() // self.model.sizes[0])
        return self.model.joined([shared for _, shared in self.chunks(positions, at_once)])

    def shared_blocks(self, size: int) -> Iterator[Chunk]:
        """All rows, `size` at a time, and what all passes over them share; first what a pilot left."""
        left = np.arange(len(self.numbers))
        for numbers, shared in self.looked_at:
            there = np.isin(self.numbers[left], numbers)
            rows, left = left[there], left[~there]
            if len(rows):
                yield rows, self.model.share_of(shared, _places(numbers, self.numbers[rows]))
        for start in range(0, len(left), size):
            rows = left[start : start + size]
            yield rows, self.share(rows)

    def chunks_of(self, rows: Integers, shared: Any, rows_per_call: int) -> ChunksOf:
        """`chunks` of any of some rows, given their positions and what all passes over them share."""

        def chunks(positions: Integers) -> Iterator[Chunk]:
            for chunk, padded in self._padded(positions, rows_per_call):
                yield chunk, self.model.share_of(shared, _places(rows, padded))

        return chunks

    def _padded(self, positions: Integers, rows_per_call: int) -> Iterator[tuple[Integers, Integers]]:
        """Positions of rows that run together, and the same filled up with the last to what really runs."""
        fixed = self.model.fixed_batch
        size = fixed or min(self.batch_size, rows_per_call)
        for start in range(0, len(positions), size):
            chunk = positions[start : start + size]
            wanted = fixed or min(size, _padded(len(chunk)))
            yield chunk, np.concatenate([chunk, np.full(wanted - len(chunk), chunk[-1])])

    def cells(
        self, design: Design, stage: int, cells: Sequence[int], chunk: Integers, shared: Any, rows: int
    ) -> list[NDArray[np.floating]]:
        """For each of these cells of a group (W, n, *shape) of its passes over a chunk of so many rows."""
        most = rows_per_call(self.model, design.widths)
        if len(cells) == 1 or len(cells) * _padded(len(chunk)) > most:
            return [
                self.prepared_passes(chunk, shared, self._of_cell(design, stage, at, rows)) for at in cells
            ]
        # Few rows: all cells at once, as one tree that branches at the first level too.
        masks = [self.masks(design, stage)[cell] for cell in cells]
        together = [np.concatenate(of_site) for of_site in zip(*masks, strict=True)]
        return np.split(self.passes(chunk, shared, together), len(cells))

    def _of_cell(self, design: Design, stage: int, cell: int, rows: int) -> Any:
        """The masks of a cell as the model takes them, kept for the chunks to come."""
        if (stage, cell) not in self.prepared:
            self.prepared[stage, cell] = self.model.prepare(self.masks(design, stage)[cell], rows)
        if len(self.prepared) > design.cells:
            self.prepared.popitem(last=False)
        return self.prepared[stage, cell]

    def passes(self, chunk: Integers, shared: Any, masks: Sequence[Array]) -> NDArray[np.floating]:
        """(W, n, *shape) of the passes with these masks over a chunk of rows."""
        return self.prepared_passes(chunk, shared, self.model.prepare(masks, len(chunk)))

    def prepared_passes(self, chunk: Integers, shared: Any, prepared: Any) -> NDArray[np.floating]:
        """(W, n, *shape) of the passes with masks that `prepare` of the model returned."""
        return self.convert(self.model.passes(shared, prepared)[:, : len(chunk)], self.numbers[chunk])


def in_precision(run: Run, plan: Plan) -> Run:
    """The run in the precision of a plan, or in float32 where the machine has no gain from less."""
    reduced = run.model.reduced() if plan.precision != FLOAT32 else None
    return run if reduced is None else replace(run, model=reduced)


def _padded(rows: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16 …: few shapes, so that little is compiled anew."""
    power = 1 << (rows - 1).bit_length()
    return power * 3 // 4 if 4 * rows <= 3 * power and power >= 4 else power


def _places(among: Integers, wanted: Integers) -> Integers:
    """Where in `among`, which holds each number once, the wanted numbers are."""
    order = np.argsort(among)
    return np.asarray(order[np.searchsorted(among, wanted, sorter=order)])


@dataclass(frozen=True)
class Passes:
    """What the passes over a block of rows say.

    Attributes:
        probabilities: (N, …, K) predictive mean.
        mc_error: (N, …, K) its standard error.
        expected_entropy: (N, …) nats.
        entropies_error: (N, …, 3) nats, standard errors of entropy, expected entropy and mutual
            information.
        entropy_correction: (N, …) nats, what the entropy of a mean of so few passes lacks.
        variance: (N, …, K) variance over the passes of the last round.
        passes: (N,) passes spent on each row.
    """

    probabilities: Floats
    mc_error: Floats
    expected_entropy: Floats
    entropies_error: Floats
    entropy_correction: Floats
    variance: Floats
    passes: Integers


def draw_passes(method: MCDropout, plan: Plan, run: Run, progress: Callable[[int], None]) -> Passes:
    """Draw the passes of a block of rows, as many as the method and the plan say.

    Args:
        method: What was asked for.
        plan: How; empty for flat passes.
        run: On what.
        progress: Called with the number of rows that have just been finished.
    """
    if method.passes is not None or plan.design is None:
        return _flat(method, run, progress)
    return _split(method, plan.design, run, progress)


def estimate_rows(
    design: Design,
    run: Run,
    rows: Integers,
    chunks: ChunksOf,
    stage: int,
    cells: Sequence[int],
) -> Estimate:
    """Sums of what some cells of a group say about some rows, which `chunks` brings."""
    parts = []
    for chunk, shared in chunks(rows):
        passes = run.cells(design, stage, cells, chunk, shared, len(rows))
        of_cells = [sum_up(np.asarray(each, dtype=np.float64), design) for each in passes]
        parts.append(added_up(of_cells, lambda arrays: np.sum(arrays, axis=0)))
    return added_up(parts, np.concatenate)


def rows_per_call(model: StochasticModel, widths: Sequence[int]) -> int:
    """Rows that may run together in passes of these widths: a power of two."""
    fold = model.largest_fold()
    if fold is None:
        return 1
    largest = max(width * size for width, size in zip((1, *widths), model.sizes, strict=True))
    return 1 << (max(1, fold // largest).bit_length() - 1)


class _Sums:
    """Sums over the cells that rows have had, and what follows from them.

    Args:
        total: Number of rows.
        classes: Number of classes.
    """

    def __init__(self, total: int, classes: int) -> None:
        self._sums = Estimate(
            *(np.zeros((total, classes)) for _ in range(4)), *(np.zeros((total, 3)) for _ in range(4))
        )

    def add(self, estimate: Estimate, rows: Integers) -> None:
        """Take in the sums over some more cells of these rows."""
        for item in fields(Estimate):
            getattr(self._sums, item.name)[rows] += getattr(estimate, item.name)

    def after(self, cells: int, design: Design, rows: Integers) -> Passes:
        """What rows say that have had so many cells: one, or whole groups."""
        sums = {item.name: getattr(self._sums, item.name)[rows] for item in fields(Estimate)}
        mean, late, variance, entropies, entropies_late, entropies_variance = (
            sums[name] / cells
            for name in (
                *("mean", "late_variance", "variance"),
                *("entropies", "entropies_late_variance", "entropies_variance"),
            )
        )
        groups = max(1, cells // design.cells)
        spread = spread_of(
            np.concatenate([sums["squares"], sums["entropies_squares"]], axis=-1),
            np.concatenate([mean, entropies], axis=-1),
            cells,
            groups,
        )
        late_of_group = np.concatenate([late, entropies_late], axis=-1) * groups / cells
        both_variances = np.concatenate([variance, entropies_variance], axis=-1)
        error = design.one if cells < design.cells else design.group
        own = error.own(mean, both_variances, spread, cells - groups)
        errors = np.sqrt(error.squared(mean, late_of_group, own) / groups)
        classes = mean.shape[1]
        return Passes(
            probabilities=mean,
            mc_error=np.maximum(errors[:, :classes], ERROR_FLOOR),
            expected_entropy=entropies[:, 1],
            entropies_error=np.maximum(errors[:, classes:], ENTROPY_ERROR_FLOOR),
            entropy_correction=entropy_correction(mean, late / cells + own[:, :classes] / groups),
            variance=variance,
            passes=np.full(len(rows), cells * design.passes),
        )


def _split(method: MCDropout, design: Design, run: Run, progress: Callable[[int], None]) -> Passes:
    total, at_once = len(run.numbers), rows_per_call(run.model, design.widths)
    of_all = run.model.costs[0]
    if design.cells * (design.cost - of_all) >= of_all or not total:
        anew = partial(run.chunks, rows_per_call=at_once)
        return _in_rounds(method, design, run, np.arange(total), anew, progress)
    # What all passes share is most of the work: it is kept until its rows are done.
    fold = run.model.largest_fold()
    size = KEPT_ROWS if fold is None else min(KEPT_ROWS, max(at_once, fold // run.model.shared_size))
    blocks = []
    for rows, shared in run.shared_blocks(size):
        chunks = run.chunks_of(rows, shared, at_once)
        blocks.append((rows, _in_rounds(method, design, run, rows, chunks, progress)))
    back = np.argsort(np.concatenate([rows for rows, _ in blocks]))
    names = [item.name for item in fields(Passes)]
    return Passes(*(np.concatenate([getattr(of, name) for _, of in blocks])[back] for name in names))


def _in_rounds(
    method: MCDropout,
    design: Design,
    run: Run,
    positions: Integers,
    chunks: ChunksOf,
    progress: Callable[[int], None],
) -> Passes:
    """The rows at `positions`, each with as many cells as it needs; `chunks` brings any of them."""
    sums = _Sums(len(positions), run.shape[-1])
    going_on = np.arange(len(positions))
    for start in range(0, len(positions), PROGRESS_ROWS):
        at = going_on[start : start + PROGRESS_ROWS]
        cells = range(design.first)
        sums.add(estimate_rows(design, run, positions[at], chunks, ROUND_STAGE, cells), at)
        now = sums.after(design.first, design, at)
        progress(int(method.is_enough(now.probabilities, now.mc_error, run.thresholds).sum()))
    result = sums.after(design.first, design, going_on)

    most = design.cells * MOST_GROUPS
    if method.max_passes is not None or design.is_flat:
        most = (method.max_passes or DEFAULT_MAX_PASSES) // design.passes
    had, stage = design.first, ROUND_STAGE
    enough = method.is_enough(result.probabilities, result.mc_error, run.thresholds)
    while True:
        going_on = going_on[~enough]
        # The first cell is one of a group: the others join it, then whole groups follow. To stop in between
        # would favour rows whose few early masks happen to agree.
        start = had % design.cells
        cells = range(start, design.cells)
        if not len(going_on) or had + len(cells) > most:
            break
        stage += start == 0
        sums.add(estimate_rows(design, run, positions[going_on], chunks, stage, cells), going_on)
        had += len(cells)
        now = sums.after(had, design, going_on)
        for item in fields(Passes):
            getattr(result, item.name)[going_on] = getattr(now, item.name)
        enough = method.is_enough(now.probabilities, now.mc_error, run.thresholds)
        progress(int(enough.sum()))
    progress(len(going_on))
    return result


def _flat_rounds(method: MCDropout, sites: Sequence[Site]) -> Iterator[tuple[int, ...]]:
    """Sizes of the groups of each round; a row takes part only while it needs passes."""
    if method.passes is not None:
        yield group_sizes(sites, method.passes, balanced=method.balanced)
        return
    most = DEFAULT_MAX_PASSES if method.max_passes is None else method.max_passes
    sizes = group_sizes(sites, min(FIRST_ROUND, most), balanced=method.balanced)
    done = 0
    while sizes:
        yield sizes
        done += sum(sizes)
        again = min(done, most - done) // sizes[-1]
        sizes = (sizes[-1],) * again


def _flat(method: MCDropout, run: Run, progress: Callable[[int], None]) -> Passes:
    model = run.model
    summary = Summary((len(run.numbers), *run.shape))
    going_on = np.arange(len(run.numbers))
    first_group = 0
    for sizes in _flat_rounds(method, model.sites):
        masks = _Masks(model.sites, run.seed, first_group, sizes)
        for chunk, shared in run.chunks(going_on, run.batch_size):
            together = passes_per_call(model, len(chunk))
            for bunch in _bunches(sizes, together):
                values = in_parts(run, chunk, shared, masks.of_groups(bunch), together)
                for group in np.split(values, np.cumsum([sizes[g] for g in bunch])[:-1]):
                    summary.add(group, chunk)
            if method.passes is not None:
                progress(len(chunk))
        if method.passes is not None:
            going_on = going_on[:0]
            break
        first_group += len(sizes)
        enough = method.is_enough(summary.probabilities, summary.mc_error, run.thresholds)
        still = going_on[~enough[going_on]]
        progress(len(going_on) - len(still))
        going_on = still
        if not len(going_on):
            break
    progress(len(going_on))
    return Passes(
        probabilities=summary.probabilities,
        mc_error=summary.mc_error,
        expected_entropy=summary.expected_entropy,
        entropies_error=summary.entropies_error,
        entropy_correction=summary.entropy_correction,
        variance=summary.variance,
        passes=summary.passes,
    )


def passes_per_call(model: StochasticModel, rows: int) -> int:
    """Flat passes that may run together on `rows` rows."""
    fold = model.largest_fold()
    return 1 if fold is None else max(1, fold // (rows * max(model.sizes[1:])))


def in_parts(
    run: Run, chunk: Integers, shared: Any, masks: Sequence[Array], together: int
) -> NDArray[np.floating]:
    """All passes with these masks, as many at a time as may run together."""
    parts = -(-len(masks[0]) // min(len(masks[0]), together))
    slices = zip(*(np.array_split(mask, parts) for mask in masks), strict=True)
    return np.concatenate([run.passes(chunk, shared, list(part)) for part in slices])


class _Masks:
    """Masks of the groups of one round; kept where they are small, drawn again where they are not."""

    def __init__(self, sites: Sequence[Site], seed: int, first: int, sizes: Sequence[int]) -> None:
        self._sites, self._seed, self._first, self._sizes = sites, seed, first, sizes
        units = sum(int(np.prod(site.shape)) for site in sites)
        self._keep = units * sum(sizes) * 4 <= KEPT_MASKS
        self._kept: dict[int, list[Array]] = {}

    def of_groups(self, groups: Sequence[int]) -> list[Array]:
        """For each site the masks of these groups, one after the other."""
        return [np.concatenate(parts) for parts in zip(*map(self._of_group, groups), strict=True)]

    def _of_group(self, group: int) -> list[Array]:
        if group in self._kept:
            return self._kept[group]
        size, number = self._sizes[group], self._first + group
        masks: list[Array] = [draw(site, seed=self._seed, group=number, size=size) for site in self._sites]
        if self._keep:
            self._kept[group] = masks
        return masks


def _bunches(sizes: Sequence[int], fold: int) -> Iterator[list[int]]:
    """Consecutive groups that fit into `fold` passes together, at least one at a time."""
    bunch: list[int] = []
    for group, size in enumerate(sizes):
        if bunch and sum(sizes[g] for g in bunch) + size > fold:
            yield bunch
            bunch = []
        bunch.append(group)
    yield bunch
