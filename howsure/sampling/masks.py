"""Masks: the draws of one random layer for a group of passes, shared by all rows.

A mask depends only on (seed, stage, group, number of the random op). It does not depend on the row, the batch
size, the machine, or the names that Keras gave the layers. So pass t is the same thinned network for every
row, and a set of masks is a constant.

Balanced masks are stratified. Every single pass remains an exact Bernoulli-dropout pass. Over a group of B
passes, each unit is dropped in exactly ⌊p·B⌋ or ⌈p·B⌉ of them, in its own random order. The mean contribution
of a unit is then the same in every group, and cancels from the error of the mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howsure.random_ops import BERNOULLI_KINDS, DRAWN, RandomOp


def draw(
    op: RandomOp, *, seed: int, group: int, size: int, stage: int = 0
) -> NDArray[np.bool_] | NDArray[np.float32]:
    """Masks of one balanced group of passes.

    Args:
        op: The random call.
        seed: Seed of the assessment, ≥ 0.
        group: Number of the group, from 0; groups are independent of each other.
        size: Passes in the group; 1 gives an independent pass.
        stage: Purpose of the group, a number ≥ 0; stages are independent of each other.

    Returns:
        (size, *op.shape). Bernoulli kinds: True for a kept unit, with probability 1 − rate in every single
        pass. Other kinds, float32: numbers of their `howsure.random_ops.Distribution`, one from each of
        `size` equally probable strata, in random order, so that the marginal distribution is exact.
    """
    random = np.random.Generator(
        np.random.Philox(np.random.SeedSequence(seed, spawn_key=(stage, group, op.number)))
    )
    shape = (size, *op.shape)
    if op.kind in BERNOULLI_KINDS:
        return _kept(random, op.rate, shape)
    numbers = DRAWN[op.kind].quantile(_stratified(random, shape), op.rate)
    return np.asarray(numbers, dtype=np.float32)


def _kept(random: np.random.Generator, rate: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Selection sampling (Knuth, TAOCP 2, 3.4.2): each unit's drops are a uniformly random subset."""
    size, units = shape[0], shape[1:]
    whole, part = whole_and_part(rate * size)
    left = np.full(units, whole, dtype=np.float32)
    if part:
        left += random.random(units) < part
    dropped, numbers = np.empty(shape, dtype=np.bool_), np.empty(units, dtype=np.float32)
    for index in range(size):
        random.random(dtype=np.float32, out=numbers)
        numbers *= size - index
        np.less(numbers, left, out=dropped[index, ...])
        left -= dropped[index]
    return np.logical_not(dropped, out=dropped)


def whole_and_part(count: float) -> tuple[int, float]:
    """⌊count⌋ and the fractional part; a fraction within rounding error of `rate × size` counts as 0."""
    nearest = round(count)
    if abs(count - nearest) < 1e-9 * max(1.0, count):
        return nearest, 0.0
    return int(np.floor(count)), float(count - np.floor(count))


def _stratified(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers in (0, 1), one from each of `shape[0]` equal strata, in random order."""
    strata = np.argsort(random.random(shape, dtype=np.float32), axis=0)
    # Clipped away from 0 and 1, where the quantile of a normal number is infinite.
    return np.asarray((strata + np.clip(random.random(shape), 1e-12, 1 - 1e-12)) / shape[0])
