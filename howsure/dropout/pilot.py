"""The pilot: a few uncertain rows show whether splitting pays and how large the early levels' error is."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from howsure.dropout.groups import group_sizes
from howsure.dropout.masks import draw
from howsure.dropout.method import MCDropout
from howsure.dropout.plan import BFLOAT16, FLOAT32, Design, Plan, best_ratios, cell_ratios, design_of
from howsure.dropout.rounds import (
    FIRST_ROUND,
    PROGRESS_ROWS,
    Run,
    estimate_rows,
    in_parts,
    passes_per_call,
    rows_per_call,
)
from howsure.dropout.tree import measure_early_errors, measure_shares, sum_up

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CANDIDATES = 512
"""Rows among which the pilot looks for uncertain ones, or a quarter of all where that is less."""

LEAST_CANDIDATES = 64

PILOT_ROWS = 32

HARDEST = 16
"""Rows of the pilot that are the most undecided; the others stand apart, down to nearly certain ones."""

REPLICATES = 6
"""Independent groups of cells in the pilot."""

PILOT_STAGE = 1_000_000
"""Stage of the pilot's masks, out of the way of all rounds."""

LATE_ENOUGH = 0.2
"""Share of the variance in the last branching from which on splitting pays without a comparison."""

GOOD_ENOUGH = 1 / 10
"""Share of the target error that reduced precision may add at most."""


def make_plan(method: MCDropout, run: Run) -> Plan:
    """Decide from a pilot whether splitting pays, and how large the early levels' error is.

    The pilot takes `PILOT_ROWS` rows, from the most undecided to nearly certain ones, of a sample
    that depends on what is in the rows, not on their order, and runs `REPLICATES` groups of cells on
    them.

    Args:
        method: What was asked for.
        run: On all rows; few of them are used.

    Returns:
        A plan with measured errors, or an empty one where flat passes are as good.
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
    ratios = cell_ratios(*shape, method.max_passes)
    if ratios is None:
        return Plan()
    design = design_of(ratios, *shape)
    run, precision, rows = _look_for_rows(method, run, design)

    cells = _passes(design, run, rows, stage=PILOT_STAGE + 1)
    shares = measure_shares(cells, design)
    groups = [cells]
    better = best_ratios(design, shares, *shape, method.max_passes)
    if better is not None and better != design.ratios:
        design, groups = design_of(better, *shape), []
    for number in range(len(groups), REPLICATES):
        groups.append(_passes(design, run, rows, stage=PILOT_STAGE + 2 + number))
    estimates = [[sum_up(passes, design) for passes in cells] for cells in groups]
    means = [np.mean([cell.mean for cell in group], axis=0) for group in estimates]
    late = sum(shares[design.branchings[-1] - 1 :])
    if late < LATE_ENOUGH and _flat_is_as_good(run, rows, design, means):
        return Plan()
    one, group = measure_early_errors(estimates)
    return Plan(replace(design, one=one, group=group), shares, precision)


def _look_for_rows(method: MCDropout, run: Run, design: Design) -> tuple[Run, str, Integers]:
    """The run in the precision that is best here, which that is, and the pilot's rows."""
    sample = _sample(run, min(CANDIDATES, max(LEAST_CANDIDATES, len(run.numbers) // 4)))
    reduced = run.model.reduced()
    precision = FLOAT32
    if reduced is None:
        probabilities = estimate_rows(design, run, sample, PILOT_STAGE, [0]).mean
    else:
        faster = replace(run, model=reduced)
        probabilities = estimate_rows(design, faster, sample, PILOT_STAGE, [0]).mean
        rows = _choose(sample, probabilities)
        exact = estimate_rows(design, run, rows, PILOT_STAGE, [0]).mean
        near = estimate_rows(design, faster, rows, PILOT_STAGE, [0]).mean
        if np.sqrt(np.mean((near - exact)[:HARDEST] ** 2)) <= GOOD_ENOUGH * method.target:
            run, precision = faster, BFLOAT16
    return run, precision, _choose(sample, probabilities)


def _choose(sample: Integers, probabilities: Floats) -> Integers:
    """`HARDEST` most undecided rows, and others whose gap grows evenly in rank to twice as many again."""
    two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    order = np.argsort(two[..., 1] - two[..., 0], kind="stable")
    rest = order[HARDEST : HARDEST + 3 * (PILOT_ROWS - HARDEST) : 3]
    return np.asarray(sample[np.concatenate([order[:HARDEST], rest])])


def _passes(design: Design, run: Run, rows: Integers, stage: int) -> list[Floats]:
    """(W, n, K) all passes of every cell of one group."""
    cells: list[list[Floats]] = [[] for _ in range(design.cells)]
    for chunk, shared in run.chunks(rows, rows_per_call(run.model, design.widths)):
        for passes, masks in zip(cells, run.masks(design, stage), strict=True):
            passes.append(np.asarray(run.passes(chunk, shared, masks), dtype=np.float64))
    return [np.concatenate(passes, axis=1) for passes in cells]


def _flat_is_as_good(run: Run, rows: Integers, design: Design, means: Sequence[Floats]) -> bool:
    """Whether flat balanced groups have no larger variance at equal cost."""
    split_variance = np.mean(np.var(means, axis=0, ddof=1))
    shared = run.model.costs[0]
    cost = shared + design.cells * (design.cost - shared)
    size = group_sizes(run.model.sites, FIRST_ROUND)[-1]
    groups = [_flat_group(run, rows, size, PILOT_STAGE + index) for index in range(len(means))]
    flat_variance = np.mean(np.var(groups, axis=0, ddof=1))
    return bool(split_variance * cost > flat_variance * (shared + size * sum(run.model.costs[1:])))


def _sample(run: Run, count: int) -> Integers:
    """Positions of `count` rows chosen by their content, so that neither order nor copies matter."""
    checksums = np.zeros(len(run.numbers), dtype=np.uint32)
    for start in range(0, len(checksums), PROGRESS_ROWS):
        part = slice(start, start + PROGRESS_ROWS)
        for rows in run.rows:
            contents = map(bytes, np.ascontiguousarray(rows[run.numbers[part]]))
            checksums[part] = [
                zlib.crc32(content, before)
                for content, before in zip(contents, checksums[part].tolist(), strict=True)
            ]
    _, positions = np.unique(checksums, return_index=True)
    return np.asarray(positions[:count])


def _flat_group(run: Run, positions: Integers, size: int, group: int) -> Floats:
    """(n, *shape) mean of one balanced group, for the pilot."""
    masks = [draw(site, seed=run.seed, group=group, size=size) for site in run.model.sites]
    together = passes_per_call(run.model, len(positions))
    parts = [
        in_parts(run, chunk, shared, masks, together).mean(axis=0)
        for chunk, shared in run.chunks(positions, run.batch_size)
    ]
    return np.asarray(np.concatenate(parts), dtype=np.float64)
