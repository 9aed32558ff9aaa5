"""Draw passes in rounds: a first round for all rows, further rounds for rows that need more.

    all rows ── round 1 ──┬── enough ─────────────────────────────┐
                          └── not yet ── round 2 ──┬── enough ────┤
                                                   └── not yet … ─┴──> estimates

A `Tree` or a `Flat` defines the passes of each round; everything else is the same for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.sampling.budget import Budget
from howsure.sampling.estimate import RunningMoments
from howsure.sampling.flat import Flat
from howsure.sampling.outcome import Estimates, Outcome
from howsure.sampling.run import Chunk, ChunksOf, Run, places
from howsure.sampling.tree import Tree

PROGRESS_ROWS = 1024
"""Rows that are looked at between two reports of progress."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

IsEnough = Callable[[Estimates, Outcome], NDArray[np.bool_]]
"""Maps the estimates of n rows, and the outcome of these, to whether each needs no more passes."""

SLACK = 1.05
"""Times its budget that a row may cost: twenty passes of a dense network, two balanced groups, cost 20.4."""

StoredTrunks = Sequence[tuple[Integers, Any]]
"""Numbers of rows and their trunk, which a pilot computed and kept because it is expensive."""


Source = Tree | Flat
"""Draws the passes of a round."""


def draw_cells(
    tree: Tree,
    run: Run,
    stored: StoredTrunks,
    max_passes: int | None,
    is_enough: IsEnough,
    progress: Callable[[int], None],
    budget: float = math.inf,
    shared_budget: Budget | None = None,
) -> Estimates:
    """Draw the cells of a design for a block of rows; each row gets as many as it needs.

    Args:
        tree: Draws the cells.
        run: The model, the rows and the outcome.
        stored: Trunks that a pilot computed.
        max_passes: Most passes for one row, or None.
        is_enough: Tells which rows need no more passes.
        progress: Called with the number of rows that have just been finished.
        budget: As in `draw_rounds`.
        shared_budget: As in `draw_rounds`. If trunks are kept, rows come block by block, and each gets
            the same.
    """
    design, levels = tree.design, run.model.levels
    total, at_once = len(run.numbers), tree.rows_per_call
    if design.cells * (design.cost - levels[0].cost) >= levels[0].cost or not total:
        rounds, rows = tree.rounds(max_passes), np.arange(total)
        chunks: ChunksOf = partial(run.chunks, rows_per_call=at_once)
        if 0 < total < tuning.MANY_ROWS:  # each call costs more than what it computes
            chunks = run.chunks_of(rows, run.trunk(rows), at_once)
        return draw_rounds(tree, rounds, run, rows, chunks, is_enough, progress, budget, shared_budget)
    # The trunk is most of the work, so it is stored until its rows are done.
    fold = run.model.limits.fold
    size = tuning.KEPT_ROWS
    if fold is not None:
        size = min(size, max(at_once, fold // run.model.limits.trunk_size))
    blocks, shared = [], levels[0].cost
    if shared_budget is not None:  # which paid for what is kept
        budget = (shared_budget.left + shared * sum(len(numbers) for numbers, _ in stored)) / total
    if run.pay is not None:  # the pilot paid for what is kept
        run.pay(-shared * sum(int(np.isin(numbers, run.numbers).sum()) for numbers, _ in stored))
    for rows, trunk in _trunks(run, stored, size):
        chunks = run.chunks_of(rows, trunk, at_once)
        rounds = tree.rounds(max_passes)
        estimates = draw_rounds(tree, rounds, run, rows, chunks, is_enough, progress, budget, trunk=shared)
        blocks.append((rows, estimates))
    back = np.argsort(np.concatenate([rows for rows, _ in blocks]))
    return Estimates.joined([of for _, of in blocks]).take(back)


def draw_rounds(
    source: Source,
    rounds: Iterable[Any],
    run: Run,
    positions: Integers,
    chunks: ChunksOf,
    is_enough: IsEnough,
    progress: Callable[[int], None],
    budget: float = math.inf,
    shared_budget: Budget | None = None,
    trunk: float = 0.0,
) -> Estimates:
    """Draw as many rounds as each row at `positions` needs; `chunks` yields any of these rows.

    Args:
        source: Draws the passes.
        rounds: Its draws, round by round.
        run: The model, the rows and the outcome.
        positions: (n,) positions of the rows in the run.
        chunks: Yields any of these rows.
        is_enough: Tells which rows need no more passes.
        progress: Called with the number of rows that have just been finished.
        budget: Plain predictions that the rounds of one row may cost. The first round is drawn in any case.
        shared_budget: Budget of all rows together, instead of each by itself; None for no such limit.
        trunk: Plain predictions of the trunk of a row, if it is kept from round to round.
    """
    count, numbers = len(positions), run.numbers[positions]
    outcome = run.outcome.take(numbers)
    moments = RunningMoments.of(count, outcome)
    named = [item.name for item in fields(Estimates) if item.default is MISSING]
    result: dict[str, Any] = {name: np.zeros((count, *outcome.columns), outcome.precision) for name in named}
    result["passes"] = np.zeros(count, dtype=np.int64)
    going_on, spent = np.arange(count), 0.0
    for what in rounds:
        cost = source.cost(what) - (trunk if spent else 0.0)
        if spent and spent + cost > budget * SLACK:
            break
        costs = np.where(source.holds(what, numbers[going_on]), 0.0, cost)
        if shared_budget is not None:
            if spent:
                so_far = Estimates(**{name: array[going_on] for name, array in result.items()})
                affordable = shared_budget.affordable(costs, so_far, outcome.take(going_on))
                progress(int(np.sum(~affordable)))
                going_on, costs = going_on[affordable], costs[affordable]
            shared_budget.pay(float(costs.sum()))
        if run.pay is not None:
            run.pay(float(costs.sum()))
        spent += cost
        not_yet = []
        for start in range(0, len(going_on), PROGRESS_ROWS):
            at, done = going_on[start : start + PROGRESS_ROWS], 0
            cached = source.holds(what, numbers[at])
            if cached.any():
                source.recall(what, run, moments, at[cached], numbers[at[cached]])
            new = at[~cached]
            for chunk, of_chunk in chunks(positions[new]):
                source.draw(what, run, moments, new[done : done + len(chunk)], chunk, of_chunk, len(new))
                done += len(chunk)
            now = source.estimates(run, moments, at)
            for name, array in result.items():
                array[at] = getattr(now, name)
            enough = is_enough(now, outcome.take(at))
            progress(int(enough.sum()))
            not_yet.append(at[~enough])
        going_on = np.concatenate([going_on[:0], *not_yet])
        if not len(going_on):
            break
    progress(len(going_on))
    return source.with_networks(run, moments, Estimates(**result))


def _trunks(run: Run, stored: StoredTrunks, size: int) -> Iterator[Chunk]:
    """All rows, `size` at a time, with their trunks; rows that a pilot kept come first."""
    remaining = np.arange(len(run.numbers))
    for numbers, trunk in stored:
        in_block = np.isin(run.numbers[remaining], numbers)
        rows, remaining = remaining[in_block], remaining[~in_block]
        if len(rows):
            yield rows, trunk.take(places(numbers, run.numbers[rows]))
    for start in range(0, len(remaining), size):
        rows = remaining[start : start + size]
        yield rows, run.trunk(rows)
