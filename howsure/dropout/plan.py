"""The plan: how many masks at which level, so that a requested error costs least.

A pass is a path through a tree: W₁ masks at the first random level, n₂ at the next for each of them,
and so on. Where the late levels are cheap and bring most of the variance (a CNN's last dropout), many
late masks for each early one give the precision of as many passes for the price of few (splitting).
A pilot on some uncertain rows measures whether that pays and how large the error is that the early
masks leave; both are kept in the plan, so that a row alone gets the same numbers as among others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.dropout.groups import group_sizes
from howsure.dropout.masks import BERNOULLI_KINDS, Site, whole_and_part

Floats = NDArray[np.float64]

LATE_PASSES = 64
"""Late masks of one early mask in the first round, if `max_passes` allows; half as many in further ones."""

CHEAP = 1 / 500
"""Largest share of a plain prediction's cost at which a level counts as cheap enough for splitting."""

MIDDLING = 0.1
"""The same for a level that gets a few masks more."""

LARGEST_EARLY_GROUP = 10
"""Early masks in a balanced group; more would make a round too dear."""


@dataclass(frozen=True)
class Design:
    """A tree of masks, balanced at each branching.

    Attributes:
        widths: Passes told apart at each level, W₁ | W₂ | … | W.
        late: Sizes of the balanced groups into which the masks of the last branching fall.
        cost: In plain predictions.
        constant: c of the error that the levels before the last branching leave, c · (p(1−p))^power.
        power: 1 where the early masks are balanced, 2 where there is only one.
    """

    widths: tuple[int, ...]
    late: tuple[int, ...]
    cost: float
    constant: float
    power: int

    @property
    def passes(self) -> int:
        """Thinned networks in it."""
        return self.widths[-1]

    def early_variance(self, probabilities: Floats) -> Floats:
        """(…, K) squared error that the early levels leave, from the plan's constant."""
        return np.asarray(self.constant * (probabilities * (1 - probabilities)) ** self.power)


@dataclass(frozen=True)
class Plan:
    """Which passes rows get: a first round for all, further rounds for those that need them.

    Attributes:
        first: The first round, or None where splitting does not pay: then every row gets flat
            balanced groups, which need no plan.
        further: Each further round, or None likewise.
    """

    first: Design | None = None
    further: Design | None = None


def split_widths(
    sites: Sequence[Site], levels: Sequence[int], costs: Sequence[float], late: int = LATE_PASSES
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Widths of the first and of the further rounds, or None where no level is cheap enough.

    Args:
        sites: The random calls.
        levels: Level of each, from 1.
        costs: Share of a plain prediction's cost at each level, 0 (shared) to the last.
        late: Late masks for each early one in the first round, ≥ 8.

    Returns:
        The widths per level. First round: one mask at the first level, a balanced group at the first
        level from which on little is left to compute, `late` at the first level from which on
        almost nothing is. Further rounds: a balanced group, two, half as many.
    """
    count = len(costs) - 1
    left = [sum(costs[level:]) for level in range(count + 1)]
    cheap = next((level for level in range(2, count + 1) if left[level] <= CHEAP), None)
    if cheap is None:
        return None
    middle = next((level for level in range(2, cheap) if left[level] <= MIDDLING), None)
    early_sites = [site for site, level in zip(sites, levels, strict=True) if level < (middle or cheap)]
    middle_sites = [
        site for site, level in zip(sites, levels, strict=True) if (middle or cheap) <= level < cheap
    ]
    early = balanced_size(early_sites, LARGEST_EARLY_GROUP)
    first, further = [1] * count, [1] * count
    further[0] = early
    if middle is not None:
        first[middle - 1] = balanced_size(middle_sites, LARGEST_EARLY_GROUP)
        further[middle - 1] = 2
    first[cheap - 1], further[cheap - 1] = late, late // 2
    return tuple(np.cumprod(first).tolist()), tuple(np.cumprod(further).tolist())


def balanced_size(sites: Sequence[Site], largest: int) -> int:
    """The smallest group in which every site drops a whole number of times, or the best there is."""
    rates = [site.rate for site in sites if site.kind in BERNOULLI_KINDS and site.rate < 1]
    if not rates:
        return largest
    uneven = {
        size: sum(part * (1 - part) for part in (whole_and_part(rate * size)[1] for rate in rates))
        for size in range(2, largest + 1)
    }
    return min(uneven, key=lambda size: (round(uneven[size] / size, 9), size))


def design_of(
    widths: tuple[int, ...], sites: Sequence[Site], levels: Sequence[int], costs: Sequence[float]
) -> Design:
    """The design with these widths; its constant is still to be measured."""
    before = (1, *widths)
    branching = max(level for level in range(1, len(widths) + 1) if widths[level - 1] > before[level - 1])
    late_sites = [site for site, level in zip(sites, levels, strict=True) if level >= branching]
    late = group_sizes(late_sites, widths[-1] // before[branching - 1])
    cost = costs[0] + sum(width * cost for width, cost in zip(widths, costs[1:], strict=True))
    return Design(widths, late, cost, constant=math.nan, power=1 if widths[0] > 1 else 2)


def as_settings(plan: Plan) -> dict[str, Any]:
    """A plan as plain numbers, as it is saved with a result."""
    designs = {"first": plan.first, "further": plan.further}
    return {name: asdict(design) for name, design in designs.items() if design is not None}
