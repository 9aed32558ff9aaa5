"""Divide passes into balanced groups so that the error of their mean can be estimated.

One balanced group has no replicate, so it shows no valid error; many small groups balance less. The best
division has the smallest reported variance: the variance that balance leaves, times the widening (Student's
t) that few groups need.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from howsure.random_ops import BERNOULLI_KINDS, DRAWN, RandomOp
from howsure.sampling.error import Pairs
from howsure.sampling.masks import whole_and_part
from howsure.sampling.outcome import Outcome
from howsure.statistics import widening

LARGEST_EARLY_GROUP = 10
"""Early masks in a balanced group at most; more would make a round too dear."""

SECOND_ORDER = 0.04
"""Share of the variance taken to be beyond what balance removes; only used to choose sizes of groups."""

LARGEST_GROUP = 64
"""Passes in a group of a flat round at most; more would balance hardly better and leave fewer replicates."""

FEW = 4
"""Units that a pass drops on average. With fewer, many passes drop none and look alike, and a unit that none
of them has dropped may be the one that matters: then independent passes look exact by luck. docs/positions.md
shows what errors cover on either side."""


def remaining_variance(op: RandomOp, size: int) -> float:
    """Share of a random op's first-order variance that remains in a balanced group of `size` passes.

    1 for independent passes; 0 if rate × size is whole. With f the fractional part of p·B, the number of
    drops has variance f(1−f) instead of B·p(1−p). Other kinds tell theirs in `DRAWN`.
    """
    if op.kind in BERNOULLI_KINDS:
        if op.rate == 1:
            return 0.0
        part = whole_and_part(op.rate * size)[1]
        return part * (1 - part) / (size * op.rate * (1 - op.rate))
    return DRAWN[op.kind].remaining(size, op.rate)


def variance_factor(random_ops: Sequence[RandomOp], size: int) -> float:
    """Variance of a mean over balanced groups of `size`, relative to as many independent passes."""
    if size == 1:
        return 1.0
    first_order = float(np.mean([remaining_variance(op, size) for op in random_ops]))
    return (1 - SECOND_ORDER) * first_order + SECOND_ORDER * size / (size - 1)


def group_sizes(random_ops: Sequence[RandomOp], passes: int, *, balanced: bool = True) -> tuple[int, ...]:
    """Divide `passes` into at least two groups of nearly equal size.

    Args:
        random_ops: The random calls of the model.
        passes: T ≥ 2.
        balanced: False gives T independent passes.

    Returns:
        Group sizes that add up to `passes`.
    """
    return _divided(passes, _best_number_of_groups(tuple(random_ops), passes) if balanced else passes)


@functools.lru_cache
def _best_number_of_groups(random_ops: Sequence[RandomOp], passes: int) -> int:
    """The number of balanced groups that makes the interval of a mean over all passes narrowest.

    Large groups balance better, and few groups widen the interval: their error is less well known.
    """
    factor = functools.cache(lambda size: variance_factor(random_ops, size))
    best, best_cost = passes, np.inf
    for target in range(1, min(LARGEST_GROUP, passes // 2) + 1):
        groups = passes // target
        size, larger = divmod(passes, groups)
        mean = ((groups - larger) * factor(size) + larger * factor(size + 1)) / groups
        cost = mean * float(widening(groups)) ** 2
        if cost < best_cost:
            best, best_cost = groups, cost
    return best


def _divided(passes: int, groups: int) -> tuple[int, ...]:
    """Sizes of so many groups, the larger ones first."""
    size, larger = divmod(passes, groups)
    return (size + 1,) * larger + (size,) * (groups - larger)


def balanced_size(random_ops: Sequence[RandomOp], largest: int = LARGEST_EARLY_GROUP) -> int:
    """Smallest group size with a whole number of drops at every random op, or the closest to that."""
    rates = [op.rate for op in random_ops if op.kind in BERNOULLI_KINDS and op.rate < 1]
    if not rates:
        return min(LARGEST_EARLY_GROUP, largest)
    uneven = {
        size: sum(part * (1 - part) for part in (whole_and_part(rate * size)[1] for rate in rates))
        for size in range(2, largest + 1)
    }
    return min(uneven, key=lambda size: (round(uneven[size] / size, 9), size))


def are_few(random_ops: Sequence[RandomOp]) -> bool:
    """Whether a pass drops fewer than `FEW` of the units that one answer needs, and draws nothing else.

    If a mask has several axes, a position may need only the units that lie there: as many as the axis of the
    channels has, whichever that is. That has at least as many as the shortest axis, and mostly many more:
    those of the shortest count twice.
    """
    if any(op.kind not in BERNOULLI_KINDS for op in random_ops):
        return False
    units = _units(random_ops)
    return sum(op.rate * count * (1 + (count < math.prod(op.shape))) for op, count in units) < FEW


def pairs_of(random_ops: Sequence[RandomOp], *, in_logits: bool = True) -> Pairs:
    """The pairs of units that one answer needs; `in_logits` as `Pairs` has it."""
    units = _units(random_ops)
    together = [(op.rate**2, count * (count - 1) // 2) for op, count in units]
    for (one, count), (other, others) in itertools.combinations(units, 2):
        together.append((one.rate * other.rate, count * others))
    alone = sum(op.rate * (1 - op.rate) * count for op, count in units)
    return Pairs(alone, tuple(together), in_logits)


def _units(random_ops: Sequence[RandomOp]) -> list[tuple[RandomOp, int]]:
    """Each random op with how many of its units one answer needs at least."""
    return [(op, math.prod(op.shape) if 1 in op.shape else min(op.shape, default=1)) for op in random_ops]


def first_groups(
    random_ops: Sequence[RandomOp], outcome: Outcome, passes: int | None = None, most: int | None = None
) -> tuple[tuple[int, ...], Pairs | None, int]:
    """Balanced groups of the first passes.

    About `outcome.first_passes`; or four whole groups where few units are dropped, or two, if four have more
    passes than `outcome.most_passes`.

    Args:
        random_ops: The random calls of the model.
        outcome: The outcome of the passes.
        passes: How many, or None for that.
        most: Most passes for one row, or None for those of the outcome.

    Returns:
        Sizes of the groups. The pairs of units where few are dropped in groups, else None. And most passes
        for one row.
    """
    # Where plans are followed and passes are not fixed, a pilot measures what errors are.
    few = are_few(random_ops) and not (outcome.follows_plans and passes is None)
    first = outcome.first_passes
    size = balanced_size(random_ops, LARGEST_GROUP) if few else 1
    if few:
        first = max(first, size * (4 if 4 * size <= outcome.most_passes else 2))
    most = max(first, outcome.most_passes) if most is None else most
    first = min(first, most) if passes is None else passes
    sizes = group_sizes(random_ops, first) if first > 1 else (1,) * first
    if few and max(sizes, default=1) == 1 and first >= 2 * size:
        sizes = _divided(first, first // size)
    pairs = None
    if few and max(sizes, default=1) > 1:
        pairs = pairs_of(random_ops, in_logits=not outcome.follows_plans)
    return sizes, pairs if pairs and pairs.alone > 0 else None, most
