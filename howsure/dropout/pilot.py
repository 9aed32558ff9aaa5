"""The pilot: a few uncertain rows show whether splitting pays and how large the early levels' error is."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from howsure.dropout.groups import group_sizes
from howsure.dropout.masks import draw
from howsure.dropout.method import MCDropout
from howsure.dropout.plan import LATE_PASSES, Plan, design_of, split_widths
from howsure.dropout.rounds import FIRST_ROUND, Run, estimate_rows, in_parts, passes_per_call
from howsure.dropout.tree import measure_constant

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CANDIDATES = 512
"""Rows among which the pilot looks for uncertain ones, or a quarter of all where that is less."""

LEAST_CANDIDATES = 64

PILOT_ROWS = 20

LEAST_LATE_PASSES = 8
"""Fewer late masks could not tell their own error."""

REPLICATES = 8
"""Independent replicates of each design in the pilot."""

PILOT_STAGE = 1_000_000
"""Stage of the pilot's masks, out of the way of all rounds."""


def make_plan(method: MCDropout, run: Run) -> Plan:
    """Decide from a pilot whether splitting pays, and how large the early levels' error is.

    The pilot takes `PILOT_ROWS` rows, the most undecided of a sample that depends on what is in the
    rows, not on their order, and runs `REPLICATES` of each design on them.

    Args:
        method: What was asked for.
        run: On all rows; few of them are used.

    Returns:
        A plan with measured constants, or an empty one where flat passes are as good.
    """
    model = run.model
    if (
        method.passes is not None
        or not method.balanced
        or model.largest_fold() is None
        or not len(run.numbers)
    ):
        return Plan()
    most = method.max_passes
    # So that a first and some four further rounds of 5 × 5 or 5 × 2 early masks fit in.
    late = LATE_PASSES if most is None else min(LATE_PASSES, most // 25)
    widths = split_widths(model.sites, model.levels, model.costs, late) if late >= LEAST_LATE_PASSES else None
    if widths is None:
        return Plan()
    first, further = (design_of(each, model.sites, model.levels, model.costs) for each in widths)
    sample = _sample(run, min(CANDIDATES, max(LEAST_CANDIDATES, len(run.numbers) // 4)))
    probabilities = estimate_rows(first, run, sample, stage=PILOT_STAGE).mean
    two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    gap = two[..., 1] - two[..., 0]
    rows = sample[np.argsort(gap, kind="stable")[:PILOT_ROWS]]

    designs = []
    for number, design in enumerate((first, further)):
        stages = [PILOT_STAGE + 1 + number * REPLICATES + index for index in range(REPLICATES)]
        estimates = [estimate_rows(design, run, rows, stage=stage) for stage in stages]
        designs.append(replace(design, constant=measure_constant(estimates, design.power)))
        if number == 1:
            split_variance = np.mean(np.var([estimate.mean for estimate in estimates], axis=0, ddof=1))
    size = group_sizes(model.sites, FIRST_ROUND)[-1]
    groups = [_flat_group(run, rows, size, PILOT_STAGE + index) for index in range(REPLICATES)]
    flat_variance = np.mean(np.var(groups, axis=0, ddof=1))
    if split_variance * further.cost > flat_variance * size * sum(model.costs[1:]):
        return Plan()
    return Plan(*designs)


def _sample(run: Run, count: int) -> Integers:
    """Positions of `count` rows chosen by their content, so that neither order nor copies matter."""
    total = len(run.numbers)
    digests: dict[bytes, int] = {}
    for position in range(total):
        content = hashlib.blake2b(digest_size=8)
        for rows in run.rows:
            content.update(np.ascontiguousarray(rows[run.numbers[position]]).tobytes())
        digests.setdefault(content.digest(), position)
    return np.array([position for _, position in sorted(digests.items())[:count]])


def _flat_group(run: Run, positions: Integers, size: int, group: int) -> Floats:
    """(n, *shape) mean of one balanced group, for the pilot."""
    masks = [draw(site, seed=run.seed, group=group, size=size) for site in run.model.sites]
    together = passes_per_call(run.model, len(positions))
    parts = [
        in_parts(run, chunk, shared, masks, together).mean(axis=0)
        for chunk, shared in run.chunks(positions, run.batch_size)
    ]
    return np.asarray(np.concatenate(parts), dtype=np.float64)
