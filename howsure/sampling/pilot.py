"""The pilot: test passes over a few uncertain rows. They fix the design and the constants of its error.

all rows ── sample ──> candidates ── first cell ──> the pilot's rows: undecided ones, some down to certain
│ `REPLICATES` groups of cells
▼
design from costs alone ── shares of the variance ──> best design, its constants of the error, precision
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.fingerprint import described, fingerprint_of
from howsure.adapters.protocol import BFLOAT16, FLOAT32, PassModel
from howsure.sampling.budget import multiply_adds
from howsure.sampling.design import Design, best_ratios, cell_ratios, design_of, flat_design
from howsure.sampling.error import Estimate
from howsure.sampling.estimate import sum_up
from howsure.sampling.fit import measure_design_effects, measure_early_errors, measure_shares
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan, Spent
from howsure.sampling.rounds import StoredTrunks
from howsure.sampling.run import Chunk, Run
from howsure.sampling.tree import FIRST_STAGE, PassCache, Tree, rows_per_call

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


@dataclass(frozen=True)
class Pilot:
    """Result of a pilot.

    Attributes:
        plan: The plan; an empty one if none is possible or none is needed.
        kept: Numbers of rows and their trunk if that was expensive, so that it is not computed again.
        cache: Its cells. They are the first cells of its rows, so they are not drawn again.
    """

    plan: Plan = field(default_factory=Plan)
    kept: StoredTrunks = ()
    cache: PassCache = field(default_factory=PassCache)


class _Means:
    """Counts what a pilot spends, and says what it may spend on replicates.

    Args:
        run: The run over all rows.
        budget: Plain predictions for a row on average; infinite for no limit.
        thrifty: Whether the pilot is to cost little beside the run.
    """

    def __init__(self, run: Run, budget: float, thrifty: bool) -> None:
        self._total, self._budget, self._thrifty = len(run.numbers), budget, thrifty
        self._shared, self.passes, self.cost = run.model.levels[0].cost, 0, 0.0
        self._cheap = tuning.LEAST_OPERATIONS / 10 / max(1, multiply_adds(run.model))

    def trunk(self, rows: int) -> None:
        """Rows of which the part that all passes share is computed once."""
        self.cost += rows * self._shared

    def cells(self, design: Design, rows: int, count: int) -> None:
        """Cells of a design for rows whose trunk is counted already."""
        self.passes += rows * count * design.passes
        self.cost += rows * count * (design.cost - self._shared)

    def group(self, design: Design) -> float:
        """Cost of one group of cells of a row, with the part that all passes share."""
        return self._shared + design.cells * (design.cost - self._shared)

    def replicates(self, design: Design, rows: int, cache: PassCache, first: int = 0) -> tuple[int, int]:
        """How many replicates, groups of cells of a design, and of how many rows; (0, 0) for less than two.

        Args:
            design: The design.
            rows: Most rows.
            cache: The first cells of rows.
            first: How many of the replicates are drawn already.
        """
        left = math.inf
        if self._thrifty:
            left = self._budget * self._total - self.cost - (self._total - len(cache.rows)) * design.cost
            share = max(self._total * tuning.SHARE_OF_RUN, min(self._total, tuning.PILOT_ROWS)) * design.cost
            left = min(left, max(share, min(self._cheap, left / 2)))
        units, rows = int(min(left / self.group(design) + 1e-9, 1e9)), min(rows, self._total)
        if units < 1 or units + first < 2:
            return 0, 0
        more = min(tuning.REPLICATES - first, max(math.isqrt(units), units // rows))
        return first + more, min(rows, units // more)


def make_plan(
    run: Run,
    *,
    target_error: float,
    max_passes: int | None,
    precision: str | None = None,
    budget: float = math.inf,
    thrifty: bool = True,
) -> Pilot:
    """Decide from a pilot whether splitting (nested Monte Carlo) pays, and fit the error of the early masks.

    The pilot draws a sample of rows by their content, not by their order. From it, it takes up to
    `PILOT_ROWS` or `FLAT_PILOT_ROWS` rows, from the most undecided to nearly certain ones. It runs up to
    `REPLICATES` groups of cells on them: the first groups that these rows get. The arguments are those of
    `MCDropout`, `howsure.plan` and `_Means`; `budget` includes the pilot.
    """
    model = run.model
    if model.limits.fold is None or not len(run.numbers) or not run.outcome.follows_plans:
        return Pilot()
    levels = model.levels
    flat, ratios = flat_design(levels, max_passes, budget), cell_ratios(levels, max_passes)
    design = flat if ratios is None else design_of(ratios, levels)
    means, cache = _Means(run, budget, thrifty), PassCache()
    if design is not None and not design.is_flat and means.replicates(design, 1, cache)[0] < 3:
        design = flat
    if design is None:
        return Pilot()
    widest = [max(pair) for pair in zip(design.widths, (flat or design).widths, strict=True)]
    shared = levels[0].cost
    most = tuning.FLAT_PILOT_ROWS if design.is_flat else tuning.PILOT_ROWS
    candidates = _candidates(run, design, widest, target_error, precision, means, cache)
    run = candidates.run
    _, count = means.replicates(design, most, cache, int(design.is_flat))
    rows, stands_for, chunks = candidates.chosen(count, means)
    tree = Tree(design, run.model, run.seed, cache)
    groups = [_passes(tree, run, chunks, FIRST_STAGE, means)]
    usual = _usual_size(groups[0], run.outcome)
    shares = measure_shares([cell / usual for cell in groups[0]], design.ratios)
    better = best_ratios(design, shares, levels, max_passes)
    early, late = 1 - sum(shares[design.branchings[0] - 1 :]), sum(shares[design.branchings[-1] - 1 :])
    in_doubt = not design.is_flat and late < LATE_ENOUGH
    too_dear = not design.is_flat and early > EARLY_ENOUGH and means.group(design) > budget / 2
    compares = False
    if flat is not None and in_doubt:
        compares = means.replicates(flat, len(rows), PassCache())[0] == tuning.REPLICATES
    if flat is not None and (too_dear or (in_doubt and not compares)):
        design, groups, cache = flat, [], PassCache()
        count = means.replicates(flat, tuning.FLAT_PILOT_ROWS, cache)[1]
        rows, stands_for, chunks = candidates.chosen(count, means)
    elif better is not None and better != design.ratios:
        design, groups, cache = design_of(better, levels), [], PassCache()
    tree = Tree(design, run.model, run.seed, cache)
    replicates = max(2, means.replicates(design, len(rows), cache, len(groups))[0])
    groups += _groups(tree, run, chunks, range(len(groups), replicates), means)
    estimates = _summed_up(groups, tree, run)
    passes = groups
    if compares and flat is not None and not design.is_flat:
        of_flat = PassCache()
        other = Tree(flat, run.model, run.seed, of_flat)
        flat_passes = _groups(other, run, chunks, range(tuning.REPLICATES), means)
        others = _summed_up(flat_passes, other, run)
        if _product(flat, others, shared, usual) <= _product(design, estimates, shared, usual):
            design, estimates, passes, cache = flat, others, flat_passes, of_flat
    design = _with_constants(design, estimates, passes, stands_for, run.outcome)
    first_cells = design.cells if early > EARLY_ENOUGH and not too_dear else 1
    if design.is_flat:
        left = (budget - means.cost / len(run.numbers)) if thrifty else budget
        most = min(
            (max_passes or tuning.MOST_FLAT) // design.passes, int(min(left / (design.cost - shared), 1e9))
        )
        first_cells = max(1, min(design.one.units_until_known, most))
    design, spent = replace(design, first=first_cells), Spent(means.passes, means.cost)
    shares = () if design.is_flat else shares
    plan = Plan(design, shares, candidates.precision, described(levels), spent, fingerprint_of(model))
    return Pilot(plan, candidates.kept, cache)


@dataclass(frozen=True)
class _Candidates:
    """Rows of which some become those of the pilot.

    Attributes:
        run: The run, in the precision of the plan.
        precision: Its name.
        rows: (m,) their positions.
        doubt: (m,) how undecided each is after its first cell.
        kept: Their trunk, if that is expensive: it is computed once for all of them, and reused later.
        rows_per_call: Rows that run together.
    """

    run: Run
    precision: str
    rows: Integers
    doubt: Floats
    kept: StoredTrunks
    rows_per_call: int

    def chosen(self, count: int, means: _Means) -> tuple[Integers, Floats, list[Chunk]]:
        """Rows of the pilot, how many candidates each stands for, and the rows with their trunks."""
        rows, stands_for = _choose(self.rows, self.doubt, max(1, count))
        for _, trunk in self.kept:
            return rows, stands_for, list(self.run.chunks_of(self.rows, trunk, self.rows_per_call)(rows))
        means.trunk(len(rows))
        return rows, stands_for, list(self.run.chunks(rows, self.rows_per_call))


def _candidates(
    run: Run,
    design: Design,
    widest: Sequence[int],
    target_error: float,
    precision: str | None,
    means: _Means,
    cache: PassCache,
) -> _Candidates:
    """A sample of rows, of which the first cell is drawn in the best precision on this machine."""
    dear = run.model.levels[0].cost > design.cost / 2
    share, least = SHARE_OF_ROWS, LEAST_CANDIDATES
    if dear:
        share, least = SHARE_OF_DEAR_ROWS, LEAST_DEAR_CANDIDATES
    sample = _sample(run, min(CANDIDATES, max(least, int(share * len(run.numbers)))))
    kept: StoredTrunks = ()
    candidate_precision = FLOAT32

    def first_cell(model: PassModel, rows: Integers) -> Floats:
        here = replace(run, model=model)
        means.trunk(len(rows))
        chunks = here.chunks(rows, rows_per_call(model, design.widths))
        return _first_cell(design, here, rows, chunks, means, cache)

    if dear:
        trunk = run.trunk(sample)
        means.trunk(len(sample))
        kept = ((run.numbers[sample], trunk),)
        chunks = run.chunks_of(sample, trunk, rows_per_call(run.model, widest))(sample)
        first = _first_cell(design, run, sample, list(chunks), means, cache)
    # How far a number may be off depends on its unit, so numbers stay in single precision.
    elif precision == FLOAT32 or run.outcome.has_unit or BFLOAT16 not in run.model.limits.precisions:
        first = first_cell(run.model, sample)
    else:
        reduced = run.model.in_precision(BFLOAT16)
        first = first_cell(reduced, sample)
        hardest = np.argsort(run.outcome.doubt(first.mean(axis=0)), kind="stable")[:HARDEST]
        off = (first[:, hardest] - first_cell(run.model, sample[hardest])).mean(axis=0)
        if np.sqrt(np.mean(off**2)) <= GOOD_ENOUGH * target_error:
            run, candidate_precision = replace(run, model=reduced), BFLOAT16
        else:
            first = first_cell(run.model, sample)
    cache.keep(FIRST_STAGE, 0, run.numbers[sample], first)
    doubt = run.outcome.doubt(first.mean(axis=0))
    return _Candidates(run, candidate_precision, sample, doubt, kept, rows_per_call(run.model, widest))


def _with_constants(
    design: Design,
    estimates: Sequence[Sequence[Estimate]],
    passes: Sequence[Sequence[Floats]],
    stands_for: Floats,
    outcome: Outcome,
) -> Design:
    """The design with the constants of its error, from groups of cells."""
    one, group = measure_early_errors(estimates, outcome, stands_for)
    one_effect, group_effect = measure_design_effects(passes, outcome)
    return replace(design, one=one, group=group, one_effect=one_effect, group_effect=group_effect)


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


def _first_cell(
    design: Design, run: Run, rows: Integers, chunks: Iterable[Chunk], means: _Means, cache: PassCache
) -> Floats:
    """(W, n, K) passes of the first cell of some rows whose trunk is counted already."""
    tree = Tree(design, run.model, run.seed, cache)
    means.cells(design, len(rows), 1)
    cells = [tree.values((FIRST_STAGE, range(1)), run, *chunk, len(rows))[0] for chunk in chunks]
    return np.concatenate(cells, axis=1)


def _choose(sample: Integers, doubt: Floats, count: int) -> tuple[Integers, Floats]:
    """`count` rows: the most undecided, then others at geometric ranks down to certain ones.

    `HARDEST` of `PILOT_ROWS` or more are the most undecided, and the same share of fewer.

    Returns:
        (n,) rows, and (n,) how many of the sample each stands for: those of nearly its rank.
    """
    order = np.argsort(doubt, kind="stable")
    hardest = min(HARDEST, math.ceil(count * HARDEST / tuning.PILOT_ROWS), count)
    farthest = max(hardest + 1, tuning.SHARE_OF_CANDIDATES * len(order))
    others = np.geomspace(hardest, farthest, count - hardest, endpoint=False).astype(np.int64)
    ranks = np.unique(np.concatenate([np.arange(hardest), others]))
    ranks = ranks[ranks < len(order)]
    between = (ranks[:-1] + ranks[1:] + 1) / 2
    return np.asarray(sample[order[ranks]]), np.diff(between, prepend=0, append=len(order))


def _passes(tree: Tree, run: Run, chunks: Sequence[Chunk], stage: int, means: _Means) -> list[Floats]:
    """All passes (W, n, K) of every cell of one group; those of the first cell may be drawn already."""
    rows = run.numbers[np.concatenate([chunk for chunk, _ in chunks])]
    cells = range(tree.design.cells)
    cached = [tree.cache.values(stage, 0, rows)] if tree.cache.holds([(stage, range(1))], rows).all() else []
    cells = cells[len(cached) :]
    means.cells(tree.design, len(rows), len(cells))
    of_chunks = [tree.values((stage, cells), run, *chunk, len(rows)) for chunk in chunks if cells]
    drawn = [np.concatenate(of_cell, axis=1) for of_cell in zip(*of_chunks, strict=True)]
    for cell, values in zip(cells, drawn, strict=True):
        tree.cache.keep(stage, cell, rows, values)
    return cached + drawn


def _groups(
    tree: Tree, run: Run, chunks: Sequence[Chunk], numbers: range, means: _Means
) -> list[list[Floats]]:
    """All passes of independent groups with these numbers."""
    return [_passes(tree, run, chunks, FIRST_STAGE + number, means) for number in numbers]


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
