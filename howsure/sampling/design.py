"""The design of a plan: how many masks at which level, so that a requested error costs least.

Where the late levels are cheap and bring most of the variance (a CNN's last dropout), many late masks for
each early one give the precision of as many passes for the price of few (splitting):

    level      1      2             3          ratios (1, 4, 16), widths (1, 4, 64)
               ├── early mask ──┬── late mask     one cell: one run through the dear levels, 64 passes
    trunk ─────┤                ├── late mask
               ├── early mask … └── …             the late masks of an early one fall into balanced groups
               └── …

    group      cell 1 │ cell 2 │ … │ cell 5        the masks before a cell branches are balanced over a group

Where no level is cheap enough a design is flat: every pass has masks of its own at all levels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howsure import tuning
from howsure.models.protocol import Level
from howsure.sampling.balance import group_sizes
from howsure.sampling.between import LEVELS
from howsure.sampling.error import UNMEASURED, EarlyError
from howsure.sampling.masks import whole_and_part
from howsure.sites import BERNOULLI_KINDS, Site


@dataclass(frozen=True)
class DesignEffect:
    """Variances of what passes tell of single networks, over those from as many independent ones (Kish 1965).

    Attributes:
        quantiles: For each of `howsure.sampling.between.LEVELS`, of the share of passes below that quantile.
        spread: Of the squared spread.
    """

    quantiles: tuple[float, ...] = (1.0,) * len(LEVELS)
    spread: float = 1.0


INDEPENDENT = DesignEffect()


@dataclass(frozen=True)
class Design:
    """Cells, each a tree of masks, that are balanced against each other in groups.

    In a cell there is one mask at each level before the first branching; over a group of cells these
    masks are balanced. The masks of a branching are balanced in themselves.

    Attributes:
        widths: Passes told apart at each level of a cell, W₁ | W₂ | … | W.
        late: Sizes of the balanced groups into which the masks of the last branching fall.
        cells: Cells in a group.
        first: Cells every row gets: one, or a group where the early levels bring much of the variance.
        cost: Of one cell in plain predictions; of a group it is `cells` times that, less what all share.
        one: What the levels before the last branching leave in the error of one cell.
        group: The same of the mean over a group.
        one_effect: How much less one cell tells of single networks than as many independent passes.
        group_effect: The same of a group.
    """

    widths: tuple[int, ...]
    late: tuple[int, ...]
    cells: int
    first: int
    cost: float
    one: EarlyError = UNMEASURED
    group: EarlyError = UNMEASURED
    one_effect: DesignEffect = INDEPENDENT
    group_effect: DesignEffect = INDEPENDENT

    @property
    def passes(self) -> int:
        """Thinned networks in a cell."""
        return self.widths[-1]

    @functools.cached_property
    def ratios(self) -> tuple[int, ...]:
        """Masks at each level for each mask at the level before."""
        before = (1, *self.widths[:-1])
        return tuple(width // each for width, each in zip(self.widths, before, strict=True))

    @property
    def is_flat(self) -> bool:
        """Whether every pass has masks of its own at all layers."""
        return self.widths[0] == self.passes

    @functools.cached_property
    def branchings(self) -> tuple[int, ...]:
        """The levels with more masks than the one before, from 1."""
        return tuple(level for level, ratio in enumerate(self.ratios, start=1) if ratio > 1)


def cell_ratios(levels: Sequence[Level], most: int | None = None) -> tuple[int, ...] | None:
    """Masks at each level of a cell for each mask at the level before, from costs alone.

    A cell branches at the first level from which on almost nothing is left to compute (`CHEAP`); before
    that at the first one from which on little is (`MIDDLING`); and at the first of all where a balanced
    group of its masks costs next to nothing (`SPARE`).

    Args:
        levels: Of the model, the shared one first.
        most: Passes a row may get in all, or None for no limit.

    Returns:
        The ratios, or None where no level is cheap enough or `most` is too low.
    """
    costs = [level.cost for level in levels]
    count = len(costs) - 1
    left = [sum(costs[level:]) for level in range(count + 1)]
    late = next((level for level in range(1, count + 1) if left[level] <= tuning.CHEAP), None)
    if late is None:
        return None
    middle = next((level for level in range(2, late) if left[level] <= tuning.MIDDLING), late)
    ratios = [1] * count
    if late > 1:
        size = balanced_size(_between(1, middle, levels))
        spare = min(tuning.MOST_EARLY, int(tuning.SPARE / sum(costs[1:middle])))
        ratios[0] = spare // size * size or 1
    if middle < late:
        size = balanced_size(_between(middle, late, levels))
        ratios[middle - 1] = (
            size if ratios[0] * size * sum(costs[middle:late]) <= tuning.SPARE_IN_THE_MIDDLE else 1
        )
    return _with_late(ratios, late, levels, most)


def best_ratios(
    design: Design,
    shares: Sequence[float],
    levels: Sequence[Level],
    most: int | None = None,
) -> tuple[int, ...] | None:
    """Ratios for the least product of variance and cost, in whole balanced groups.

    Classical optimal splitting: n at a branching is √(variance it brings ÷ cost up to the next
    branching), over the same for the one before. Only a branching between the first masks and the late
    ones is changed.

    Args:
        design: What was tried.
        shares: Share of the variance that each level brings in it.
        levels: As in `cell_ratios`.
        most: As in `cell_ratios`.
    """
    *_, late = design.branchings
    middle = next((level for level in design.branchings if 1 < level < late), None)
    if middle is None:
        return design.ratios
    costs = [level.cost for level in levels]
    early = sum(shares[: middle - 1]) / sum(costs[1:middle])
    brought = sum(shares[middle - 1 : late - 1]) / sum(costs[middle:late])
    size = balanced_size(_between(middle, late, levels))
    wanted = round(math.sqrt(brought / max(early, 1e-12)) / size)
    ratios = list(design.ratios)
    ratios[middle - 1] = min(tuning.MOST_EARLY // size, wanted) * size or 1
    return _with_late(ratios, late, levels, most)


def _between(first: int, end: int, levels: Sequence[Level]) -> list[Site]:
    """The random calls at the levels from `first` to before `end`."""
    return [site for level in levels[first:end] for site in level.sites]


def _with_late(
    ratios: list[int], late: int, levels: Sequence[Level], most: int | None
) -> tuple[int, ...] | None:
    """The ratios with as many late masks as make about `LATE_PASSES`, or None if `most` forbids."""
    ratios[late - 1] = 1
    early = math.prod(ratios)
    masks = min(tuning.MOST_LATE, max(tuning.LEAST_LATE, tuning.LATE_PASSES // early))
    if most is not None:
        masks = min(masks, most // (early * _cells(ratios, late, levels)))
    if masks < tuning.LEAST_LATE:
        return None
    size = balanced_size(_between(late, len(ratios) + 1, levels), tuning.LARGEST_FLAT_GROUP)
    ratios[late - 1] = masks // size * size if masks >= 2 * size else masks
    return tuple(ratios)


def _cells(ratios: Sequence[int], late: int, levels: Sequence[Level]) -> int:
    """Cells that balance the masks before the first branching of a cell."""
    branching = next((level for level, ratio in enumerate(ratios, start=1) if ratio > 1), late)
    before = _between(1, branching, levels)
    return balanced_size(before) if before else 1


def balanced_size(sites: Sequence[Site], largest: int | None = None) -> int:
    """The smallest group in which every site drops a whole number of times, or the best there is."""
    largest = tuning.LARGEST_EARLY_GROUP if largest is None else largest
    rates = [site.rate for site in sites if site.kind in BERNOULLI_KINDS and site.rate < 1]
    if not rates:
        return tuning.LARGEST_EARLY_GROUP
    uneven = {
        size: sum(part * (1 - part) for part in (whole_and_part(rate * size)[1] for rate in rates))
        for size in range(2, largest + 1)
    }
    return min(uneven, key=lambda size: (round(uneven[size] / size, 9), size))


def design_of(ratios: tuple[int, ...], levels: Sequence[Level]) -> Design:
    """The design with these ratios; what its early levels leave is still to be measured."""
    widths = tuple(np.cumprod(ratios).tolist())
    late = max(level for level, ratio in enumerate(ratios, start=1) if ratio > 1)
    groups = group_sizes(_between(late, len(ratios) + 1, levels), ratios[late - 1])
    shared, *others = levels
    cost = shared.cost + sum(width * level.cost for width, level in zip(widths, others, strict=True))
    return Design(widths, groups, _cells(ratios, late, levels), 1, cost)


def flat_design(levels: Sequence[Level], most: int | None = None) -> Design | None:
    """Balanced groups of passes with masks of their own at all layers; None if `most` allows not even one."""
    size = balanced_size(_between(1, len(levels), levels), tuning.LARGEST_FLAT_GROUP)
    groups = max(1, tuning.FIRST_FLAT // size)
    if most is not None:
        groups = min(groups, most // size)
    if not groups:
        return None
    passes = size * groups
    shared, *others = levels
    cost = shared.cost + passes * sum(level.cost for level in others)
    return Design((passes,) * len(others), (size,) * groups, 1, 1, cost)
