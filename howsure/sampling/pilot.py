"""The pilot: test passes over a few uncertain rows. They fix the design and the constants of its error.

all rows ── sample ──> candidates ── first cell ──> the pilot's rows: undecided ones, some down to certain
│ `REPLICATES` groups of cells
▼
design from costs alone ── shares of the variance ──> best design, its constants of the error, precision
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.models.fingerprint import fingerprint_of
from howsure.models.protocol import BFLOAT16, FLOAT32, PassModel
from howsure.sampling.design import Design, best_ratios, cell_ratios, design_of, flat_design
from howsure.sampling.error import Estimate
from howsure.sampling.estimate import sum_up
from howsure.sampling.measure import measure_design_effects, measure_early_errors, measure_shares
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan, Spent, described
from howsure.sampling.rounds import Kept
from howsure.sampling.run import Chunk, ChunksOf, Run
from howsure.sampling.tree import Tree, rows_per_call

CANDIDATES = 256
"""Rows among which the pilot looks for uncertain ones at most."""

SHARE_OF_ROWS, LEAST_CANDIDATES = 1 / 4, 64
"""Share of all rows that are candidates, and how many at least."""

SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES = 1 / 50, 2 * tuning.PILOT_ROWS
"""The same where the trunk is most of a cell's work."""

HARDEST = 12
"""Rows of the pilot that are the most undecided."""

LATE_ENOUGH = 0.2
"""Share of the variance in the last branching from which on splitting pays without a comparison."""

EARLY_ENOUGH = 0.2
"""Share of the variance before the first branching of a cell from which on one cell says too little."""

GOOD_ENOUGH = 1 / 10
"""Share of the target error that reduced precision may add at most."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PILOT_STAGE = 1_000_000
"""Stage number of the pilot's masks, far from the stages of all rounds."""


@dataclass(frozen=True)
class Pilot:
    """Result of a pilot.

    Attributes:
        plan: The plan; an empty one if none is possible or none is needed.
        kept: Numbers of rows and their trunk if that was expensive, so that it is not computed again.
    """

    plan: Plan = field(default_factory=Plan)
    kept: Kept = ()


class _Tally:
    """Counts what a pilot spends."""

    def __init__(self, shared: float) -> None:
        self._shared, self.passes, self.cost = shared, 0, 0.0

    def trunk(self, rows: int) -> None:
        """Rows of which the part that all passes share is computed once."""
        self.cost += rows * self._shared

    def cells(self, design: Design, rows: int, count: int) -> None:
        """Cells of a design for rows whose trunk is counted already."""
        self.passes += rows * count * design.passes
        self.cost += rows * count * (design.cost - self._shared)


def make_plan(
    run: Run, *, target_error: float, max_passes: int | None, precision: str | None = None
) -> Pilot:
    """Decide from a pilot whether splitting (nested Monte Carlo) pays, and fit the error of the early masks.

    The pilot draws a sample of rows by their content, not by their order. From it, it takes `PILOT_ROWS` or
    `FLAT_PILOT_ROWS` rows, from the most undecided to nearly certain ones. It runs `REPLICATES` groups of
    cells on them.

    Args:
        run: The run over all rows; the pilot uses few of them.
        target_error: Largest acceptable standard error of a value.
        max_passes: Most passes for one row, or None.
        precision: Precision that the plan must use, or None for the best one on this machine.
    """
    model = run.model
    if model.limits.fold is None or not len(run.numbers) or not run.outcome.follows_plans:
        return Pilot()
    levels = model.levels
    flat, ratios = flat_design(levels, max_passes), cell_ratios(levels, max_passes)
    design = flat if ratios is None else design_of(ratios, levels)
    if design is None:
        return Pilot()
    widest = [max(pair) for pair in zip(design.widths, (flat or design).widths, strict=True)]
    shared = levels[0].cost
    tally = _Tally(shared)
    dear = shared > design.cost / 2
    share, least = SHARE_OF_ROWS, LEAST_CANDIDATES
    if dear:
        share, least = SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES
    count = tuning.FLAT_PILOT_ROWS if design.is_flat else tuning.PILOT_ROWS
    sample = _sample(run, min(CANDIDATES, max(least, int(share * len(run.numbers)))))
    kept: Kept = ()
    if dear:
        # The trunk is computed once for the whole sample, and reused for its rows later.
        trunk = run.trunk(sample)
        tally.trunk(len(sample))
        kept, found = ((run.numbers[sample], trunk),), FLOAT32
        chunks_of = run.chunks_of(sample, trunk, rows_per_call(model, widest))
        tree = Tree(design, model, run.seed)
        first = _passes(tree, run, list(chunks_of(sample)), PILOT_STAGE, tally)[0].mean(axis=0)
        rows, stands_for = _choose(sample, run.outcome.doubt(first), count)
        chunks = list(chunks_of(rows))
    else:
        run, found, (rows, stands_for) = _look_for_rows(
            run, design, sample, count, target_error, precision, tally
        )
        chunks = list(run.chunks(rows, rows_per_call(run.model, widest)))
        tally.trunk(len(rows))

    tree = Tree(design, run.model, run.seed)
    cells = _passes(tree, run, chunks, PILOT_STAGE + 1, tally)
    usual = _usual_size(cells, run.outcome)
    shares = measure_shares([cell / usual for cell in cells], design.ratios)
    groups = [cells]
    better = best_ratios(design, shares, levels, max_passes)
    if better is not None and better != design.ratios:
        design, groups = design_of(better, levels), []
        tree = Tree(design, run.model, run.seed)
    groups += _groups(tree, run, chunks, tuning.REPLICATES - len(groups), PILOT_STAGE + 2, tally)
    estimates = _summed_up(groups, tree, run)
    passes = groups
    late = sum(shares[design.branchings[-1] - 1 :])
    if flat is not None and not design.is_flat and late < LATE_ENOUGH:
        other = Tree(flat, run.model, run.seed)
        first_stage = PILOT_STAGE + 2 + tuning.REPLICATES
        flat_passes = _groups(other, run, chunks, tuning.REPLICATES, first_stage, tally)
        others = _summed_up(flat_passes, other, run)
        if _product(flat, others, shared, usual) <= _product(design, estimates, shared, usual):
            design, estimates, passes = flat, others, flat_passes
    one, group = measure_early_errors(estimates, run.outcome, stands_for)
    one_effect, group_effect = measure_design_effects(passes, run.outcome)
    early = 1 - sum(shares[design.branchings[0] - 1 :])
    first_cells = design.cells if early > EARLY_ENOUGH else 1
    if design.is_flat:
        most = (max_passes or tuning.MOST_FLAT) // design.passes
        first_cells = max(1, min(one.units_until_known, most))
    design = replace(design, first=first_cells, one=one, group=group)
    design = replace(design, one_effect=one_effect, group_effect=group_effect)
    spent = Spent(tally.passes, tally.cost)
    shares = () if design.is_flat else shares
    return Pilot(Plan(design, shares, found, described(levels), spent, fingerprint_of(model)), kept)


def _usual_size(cells: Sequence[Floats], outcome: Outcome) -> Floats:
    """(K,) by which values are divided to weigh alike: standard deviations of numbers with a unit, else 1."""
    if not outcome.has_unit:
        return np.ones(outcome.width)
    size = np.sqrt(np.var(np.concatenate(cells), axis=0).mean(axis=tuple(range(cells[0].ndim - 2))))
    return np.where(size > 0, size, 1.0)


def _product(design: Design, groups: Sequence[Sequence[Estimate]], shared: float, usual: Floats) -> float:
    """Variance of the mean over a group, times the cost of a group: lower is more efficient."""
    means = [np.mean([cell.mean[..., : len(usual)] for cell in group], axis=0) / usual for group in groups]
    return float(np.mean(np.var(means, axis=0, ddof=1)) * (shared + design.cells * (design.cost - shared)))


def _look_for_rows(
    run: Run,
    design: Design,
    sample: Integers,
    count: int,
    target_error: float,
    precision: str | None,
    tally: _Tally,
) -> tuple[Run, str, tuple[Integers, Floats]]:
    """The run in the best precision on this machine, its name, and the pilot's rows as `_choose` has them."""

    def first_cell(model: PassModel, rows: Integers) -> Floats:
        tree, here = Tree(design, model, run.seed), replace(run, model=model)
        chunks: ChunksOf = partial(here.chunks, rows_per_call=tree.rows_per_call)
        tally.trunk(len(rows))
        tally.cells(design, len(rows), 1)
        means = [
            tree.values((PILOT_STAGE, range(1)), here, chunk, trunk, len(rows))[0].mean(axis=0)
            for chunk, trunk in chunks(rows)
        ]
        return np.concatenate(means)

    def chosen(values: Floats) -> tuple[Integers, Floats]:
        return _choose(sample, run.outcome.doubt(values), count)

    # How far a number may be off depends on its unit, so numbers stay in single precision.
    if precision == FLOAT32 or run.outcome.has_unit or BFLOAT16 not in run.model.limits.precisions:
        return run, FLOAT32, chosen(first_cell(run.model, sample))
    reduced = run.model.in_precision(BFLOAT16)
    rows, stands_for = chosen(first_cell(reduced, sample))
    off = first_cell(reduced, rows) - first_cell(run.model, rows)
    if np.sqrt(np.mean(off[:HARDEST] ** 2)) <= GOOD_ENOUGH * target_error:
        return replace(run, model=reduced), BFLOAT16, (rows, stands_for)
    return run, FLOAT32, (rows, stands_for)


def _choose(sample: Integers, doubt: Floats, count: int) -> tuple[Integers, Floats]:
    """`count` rows: the `HARDEST` most undecided, then others at geometric ranks down to certain ones.

    Returns:
        (n,) rows, and (n,) how many of the sample each stands for: those of nearly its rank.
    """
    order, hardest = np.argsort(doubt, kind="stable"), min(HARDEST, count)
    farthest = max(hardest + 1, tuning.SHARE_OF_CANDIDATES * len(order))
    others = np.geomspace(hardest, farthest, count - hardest, endpoint=False).astype(np.int64)
    ranks = np.unique(np.concatenate([np.arange(hardest), others]))
    ranks = ranks[ranks < len(order)]
    between = (ranks[:-1] + ranks[1:] + 1) / 2
    return np.asarray(sample[order[ranks]]), np.diff(between, prepend=0, append=len(order))


def _passes(tree: Tree, run: Run, chunks: Sequence[Chunk], stage: int, tally: _Tally) -> list[Floats]:
    """All passes (W, n, K) of every cell of one group."""
    cells: list[list[Floats]] = [[] for _ in range(tree.design.cells)]
    rows = sum(len(chunk) for chunk, _ in chunks)
    tally.cells(tree.design, rows, tree.design.cells)
    for chunk, trunk in chunks:
        of_chunk = tree.values((stage, range(tree.design.cells)), run, chunk, trunk, rows)
        for of_cell, values in zip(cells, of_chunk, strict=True):
            of_cell.append(values)
    return [np.concatenate(of_cell, axis=1) for of_cell in cells]


def _groups(
    tree: Tree, run: Run, chunks: Sequence[Chunk], count: int, stage: int, tally: _Tally
) -> list[list[Floats]]:
    """All passes of `count` independent groups."""
    return [_passes(tree, run, chunks, stage + number, tally) for number in range(count)]


def _summed_up(groups: Sequence[Sequence[Floats]], tree: Tree, run: Run) -> list[list[Estimate]]:
    return [[sum_up(values, tree.late, run.outcome) for values in cells] for cells in groups]


def _as_bytes(content: Any) -> Any:
    """A row as bytes. For texts these are the characters, not their addresses in memory."""
    if isinstance(content, str) or content.dtype.kind == "O":
        return "\0".join(map(str, np.ravel(content).tolist())).encode()
    return content


def _sample(run: Run, count: int) -> Integers:
    """Positions of `count` rows, chosen by content, so that neither the order of rows nor copies matter."""
    checksums = np.zeros(len(run.numbers), dtype=np.uint32)
    for start in range(0, len(checksums), CANDIDATES):
        part = slice(start, start + CANDIDATES)
        for rows in run.rows:
            contents = np.ascontiguousarray(rows[run.numbers[part]])
            checksums[part] = [
                zlib.crc32(_as_bytes(content), before)
                for content, before in zip(contents, checksums[part].tolist(), strict=True)
            ]
    _, positions = np.unique(checksums, return_index=True)
    return np.asarray(positions[:count])
