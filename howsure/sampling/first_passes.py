"""The passes that every row gets first, as one set of masks: an exported graph holds them as constants.

They are the passes of the first round of `howsure.sampling.tree.Tree`; for a plan without a design, those of
`howsure.sampling.flat.Flat`. They follow one another in this order:

    design    cell 1 │ … │ cell S       each a tree of masks; S is 1, a whole group, or several flat groups
    flat      group 1 │ group 2 │ …     balanced, each pass with masks of its own
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howsure.adapters.protocol import Array, Level
from howsure.sampling.balance import first_groups
from howsure.sampling.design import Design
from howsure.sampling.error import Pairs
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan
from howsure.sampling.tree import cells_of, masks_of


@dataclass(frozen=True, eq=False)
class First:
    """The passes that every row gets first.

    Attributes:
        masks: For each random op (W_l, *op.shape), as `PassModel.thin` takes them.
        design: Design of the cells, or None for flat groups.
        groups: Sizes of the flat groups; empty with a design.
        pairs: As `howsure.sampling.error.Units` has it.
        rare: Likewise.
    """

    masks: list[Array]
    design: Design | None
    groups: tuple[int, ...] = ()
    pairs: Pairs | None = None
    rare: bool = False

    @property
    def passes(self) -> int:
        """W, the number of passes. With `MCDropout(max_passes=W)` a row gets exactly these."""
        return sum(self.groups) if self.design is None else self.design.first * self.design.passes


def first_passes(plan: Plan, levels: Sequence[Level], seed: int, outcome: Outcome) -> First:
    """The passes that every row gets first.

    Args:
        plan: A plan made for the model.
        levels: Levels of the model; at least one has random calls.
        seed: Seed of the masks.
        outcome: The outcome of the passes.
    """
    if plan.design is not None:
        cells = [
            masks
            for stage, numbers in cells_of(plan.design, 0, plan.design.first)
            for masks in masks_of(plan.design, levels, seed=seed, stage=stage)[: len(numbers)]
        ]
        return First([np.concatenate(of_random_op) for of_random_op in zip(*cells, strict=True)], plan.design)
    random_ops = [op for level in levels for op in level.random_ops]
    groups, pairs, _ = first_groups(random_ops, outcome)
    masks = [
        np.concatenate([draw(op, seed=seed, group=at, size=size) for at, size in enumerate(groups)])
        for op in random_ops
    ]
    return First(masks, None, groups, pairs, outcome.misses_rare_passes)
