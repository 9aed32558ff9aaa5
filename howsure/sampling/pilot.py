"""The pilot: a few uncertain rows show whether splitting pays and how large the early levels' error is."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from howsure.methods.mc_dropout import MCDropout
from howsure.sampling.error import REPLICATES
from howsure.sampling.estimate import Estimate, measure_early_errors, measure_shares, sum_up
from howsure.sampling.plan import (
    BFLOAT16,
    FLOAT32,
    Design,
    Plan,
    best_ratios,
    cell_ratios,
    described,
    design_of,
    flat_design,
)
from howsure.sampling.rounds import (
    Chunk,
    Run,
    estimate_rows,
    rows_per_call,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CANDIDATES = 256
"""Rows among which the pilot looks for uncertain ones, or a share of all where that is less."""

PILOT_ROWS, FLAT_PILOT_ROWS = 20, 60
"""Rows of the pilot, and where no layer is cheap to repeat: there it costs little beside the rest."""

SHARE_OF_ROWS, LEAST_CANDIDATES = 1 / 4, 64
"""That share, and how many at least."""

SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES = 1 / 50, 2 * PILOT_ROWS
"""The same where what all passes share is most of a cell's work."""

HARDEST = 12
"""Rows of the pilot that are the most undecided."""

SHARE_OF_CANDIDATES = 0.75
"""How far down the candidates, in order of certainty, the pilot's rows reach."""

PILOT_STAGE = 1_000_000
"""Stage of the pilot's masks, out of the way of all rounds."""

LATE_ENOUGH = 0.2
"""Share of the variance in the last branching from which on splitting pays without a comparison."""

EARLY_ENOUGH = 0.2
"""Share of the variance before the first branching of a cell from which on one cell says too little."""

GOOD_ENOUGH = 1 / 10
"""Share of the target error that reduced precision may add at most."""


def make_plan(method: MCDropout, run: Run) -> Plan:
    """Decide from a pilot whether splitting pays, and how large the early levels' error is.

    The pilot takes `PILOT_ROWS` or `FLAT_PILOT_ROWS` rows, from the most undecided to nearly certain
    ones, of a sample that depends on what is in the rows, not on their order, and runs `REPLICATES`
    groups of cells on them.

    Args:
        method: What was asked for.
        run: On all rows; few of them are used.

    Returns:
        A plan with measured errors; an empty one where none can be measured or needed.
    """
    model = run.model
    if (
        method.passes is not None
        or not method.balanced
        or model.largest_fold() is None
        or not len(run.numbers)
    ):
        return Plan()
    shape = (model.sites, model.levels, model.costs)
    flat = flat_design(*shape, method.max_passes)
    ratios = cell_ratios(*shape, method.max_passes)
    design = flat if ratios is None else design_of(ratios, *shape)
    if design is None:
        return Plan()
    widest = [max(pair) for pair in zip(design.widths, (flat or design).widths, strict=True)]
    dear = model.costs[0] > design.cost / 2
    share, least = (SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES) if dear else (SHARE_OF_ROWS, LEAST_CANDIDATES)
    count = FLAT_PILOT_ROWS if design.is_flat else PILOT_ROWS
    sample = _sample(run, min(CANDIDATES, max(least, int(share * len(run.numbers)))))
    if dear:
        # What all passes share is computed once for the whole sample, and serves its rows later too.
        shared = run.share(sample)
        run.looked_at.append((run.numbers[sample], shared))
        kept = run.chunks_of(sample, shared, rows_per_call(model, widest))
        probabilities = _passes(run, list(kept(sample)), design, PILOT_STAGE)[0].mean(axis=0)
        rows = _choose(sample, probabilities, count)
        chunks = list(kept(rows))
        precision = FLOAT32
    else:
        run, precision, rows = _look_for_rows(method, run, design, sample, count)
        chunks = list(run.chunks(rows, rows_per_call(model, widest)))

    cells = _passes(run, chunks, design, PILOT_STAGE + 1)
    shares = measure_shares(cells, design)
    groups = [cells]
    better = best_ratios(design, shares, *shape, method.max_passes)
    if better is not None and better != design.ratios:
        design, groups = design_of(better, *shape), []
    groups += _groups(run, chunks, design, REPLICATES - len(groups), PILOT_STAGE + 2)
    estimates = [[sum_up(passes, design) for passes in cells] for cells in groups]
    if flat is not None and not design.is_flat and sum(shares[design.branchings[-1] - 1 :]) < LATE_ENOUGH:
        others = [
            [sum_up(passes, flat) for passes in cells]
            for cells in _groups(run, chunks, flat, REPLICATES, PILOT_STAGE + 2 + REPLICATES)
        ]
        if _product(flat, others, model.costs[0]) <= _product(design, estimates, model.costs[0]):
            design, estimates = flat, others
    one, group = measure_early_errors(estimates)
    early = 1 - sum(shares[design.branchings[0] - 1 :])
    first = design.cells if early > EARLY_ENOUGH else 1
    design = replace(design, first=first, one=one, group=group)
    made_for = described(model.sites, model.levels)
    return Plan(design, () if design.is_flat else shares, precision, made_for)


def _product(design: Design, groups: Sequence[Sequence[Estimate]], shared: float) -> float:
    """Variance of the mean over a group, times the cost of a group."""
    means = [np.mean([cell.mean for cell in group], axis=0) for group in groups]
    return float(np.mean(np.var(means, axis=0, ddof=1)) * (shared + design.cells * (design.cost - shared)))


def _look_for_rows(
    method: MCDropout, run: Run, design: Design, sample: Integers, count: int
) -> tuple[Run, str, Integers]:
    """The run in the precision that is best here, which that is, and the pilot's rows."""

    def first_cell(run: Run, rows: Integers) -> Floats:
        chunks = partial(run.chunks, rows_per_call=rows_per_call(run.model, design.widths))
        return estimate_rows(design, run, rows, chunks, PILOT_STAGE, [0]).mean

    reduced = run.model.reduced()
    precision = FLOAT32
    if reduced is None:
        probabilities = first_cell(run, sample)
    else:
        faster = replace(run, model=reduced)
        probabilities = first_cell(faster, sample)
        rows = _choose(sample, probabilities, count)
        off = first_cell(faster, rows) - first_cell(run, rows)
        if np.sqrt(np.mean(off[:HARDEST] ** 2)) <= GOOD_ENOUGH * method.target:
            run, precision = faster, BFLOAT16
    return run, precision, _choose(sample, probabilities, count)


def _choose(sample: Integers, probabilities: Floats, count: int) -> Integers:
    """`count` rows: the `HARDEST` most undecided, others at geometric distances down to certain ones."""
    two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    order = np.argsort(two[..., 1] - two[..., 0], kind="stable")
    farthest = max(HARDEST + 1, SHARE_OF_CANDIDATES * len(order))
    others = np.geomspace(HARDEST, farthest, count - HARDEST, endpoint=False).astype(np.int64)
    ranks = np.unique(np.concatenate([np.arange(HARDEST), others]))
    return np.asarray(sample[order[ranks[ranks < len(order)]]])


def _passes(run: Run, chunks: Sequence[Chunk], design: Design, stage: int) -> list[Floats]:
    """(W, n, K) all passes of every cell of one group."""
    cells: list[list[Floats]] = [[] for _ in range(design.cells)]
    rows = sum(len(chunk) for chunk, _ in chunks)
    for chunk, shared in chunks:
        passes = run.cells(design, stage, range(design.cells), chunk, shared, rows)
        for of_cell, each in zip(cells, passes, strict=True):
            of_cell.append(np.asarray(each, dtype=np.float64))
    return [np.concatenate(of_cell, axis=1) for of_cell in cells]


def _groups(run: Run, chunks: Sequence[Chunk], design: Design, count: int, stage: int) -> list[list[Floats]]:
    """All passes of `count` groups."""
    return [_passes(run, chunks, design, stage + number) for number in range(count)]


def _sample(run: Run, count: int) -> Integers:
    """Positions of `count` rows chosen by their content, so that neither order nor copies matter."""
    checksums = np.zeros(len(run.numbers), dtype=np.uint32)
    for start in range(0, len(checksums), CANDIDATES):
        part = slice(start, start + CANDIDATES)
        for rows in run.rows:
            contents = np.ascontiguousarray(rows[run.numbers[part]])
            checksums[part] = [
                zlib.crc32(content, before)
                for content, before in zip(contents, checksums[part].tolist(), strict=True)
            ]
    _, positions = np.unique(checksums, return_index=True)
    return np.asarray(positions[:count])
