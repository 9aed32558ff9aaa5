"""The design of a plan: the number of masks at each level that gives a requested error at the least cost.

In many networks the late levels are cheap and cause most of the variance, such as the last dropout of a CNN.
Then many late masks for each early mask give the precision of as many full passes, at a fraction of their
cost. This is nested Monte Carlo (called splitting here, as in rare-event splitting): early masks are outer
samples, late masks inner samples.

    level      1      2             3          ratios (1, 4, 16), widths (1, 4, 64)
               ├── early mask ──┬── late mask     one cell: one run through the costly levels, 64 passes
    trunk ─────┤                ├── late mask
               ├── early mask … └── …             the late masks of an early one fall into balanced groups
               └── …

    group      cell 1 │ cell 2 │ … │ cell 5        the masks before a cell branches are balanced over a group

If no level is cheap enough, the design is flat: every pass has its own masks at all levels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from msgspec import Meta

from howsure import tuning
from howsure.adapters.protocol import Level
from howsure.inputs.typed_json import FROM_0, wrong
from howsure.random_ops import RandomOp
from howsure.sampling.balance import LARGEST_EARLY_GROUP, balanced_size, group_sizes, remaining_variance
from howsure.sampling.between import LEVELS
from howsure.sampling.error import UNMEASURED, EarlyError

MIDDLING = 0.1
"""Plain predictions. Largest cost of the branching before the last levels for it to get many masks."""

MOST_LATE = 64
"""Late masks for each early one at most."""

LEAST_LATE = 8
"""Late masks; fewer could not tell their own error."""

MOST_EARLY = 20
"""Masks at one early branching at most."""

LARGEST_FLAT_GROUP = 20
"""Passes in a balanced group at most where all levels get as many masks."""

MOST_PASSES = MOST_EARLY**2 * MOST_LATE
"""Passes of a cell at most: it branches early, once more before the late levels, and at these."""

PASSES = Meta(ge=1, le=MOST_PASSES)
CELLS, FIRST = Meta(ge=1, le=LARGEST_EARLY_GROUP), Meta(ge=1, le=tuning.MOST_FLAT)


@dataclass(frozen=True)
class DesignEffect:
    """Design effects (Kish 1965) for estimates about networks.

    A design effect is a variance, divided by the variance from as many independent passes.

    Attributes:
        quantiles: For each of `howsure.sampling.between.LEVELS`, that of the share below the quantile.
        spread: That of the squared standard deviation between networks.
    """

    quantiles: tuple[Annotated[float, FROM_0], ...] = (1.0,) * len(LEVELS)
    spread: Annotated[float, FROM_0] = 1.0

    def __post_init__(self) -> None:
        if len(self.quantiles) != len(LEVELS):
            raise wrong("quantiles", f"{len(LEVELS)} design effects", self.quantiles)


INDEPENDENT = DesignEffect()


@dataclass(frozen=True)
class Design:
    """Cells, each a tree of masks, that are balanced against each other in groups.

    At each level before its first branching, a cell has one mask; these masks are balanced over the cells of
    a group. The masks of one branching are balanced among themselves.

    Attributes:
        widths: Distinct passes at each level of a cell, W₁ | W₂ | … | W.
        late: Sizes of the balanced groups of masks at the last branching.
        cells: Cells in a group.
        first: Cells that every row gets: one; a whole group if early levels cause much of the variance; or as
            many flat ones as show the error of a row well enough.
        cost: Cost of one cell in plain predictions. A group costs `cells` times that, less the shared trunk.
        one: Constants for the error that the levels before the last branching cause in one cell.
        group: The same for the mean over a group.
        one_effect: Design effects of the passes of one cell.
        group_effect: Design effects of the passes of a group.
    """

    widths: tuple[Annotated[int, PASSES], ...]
    late: tuple[Annotated[int, PASSES], ...]
    cells: Annotated[int, CELLS]
    first: Annotated[int, FIRST]
    cost: Annotated[float, FROM_0]
    one: EarlyError = UNMEASURED
    group: EarlyError = UNMEASURED
    one_effect: DesignEffect = INDEPENDENT
    group_effect: DesignEffect = INDEPENDENT

    def __post_init__(self) -> None:
        before = (1, *self.widths)
        if not self.widths or any(width % outer for outer, width in zip(before, self.widths, strict=False)):
            raise wrong("widths", "numbers of passes, each a multiple of the one before", self.widths)
        late = self.passes if self.is_flat else self.ratios[self.branchings[-1] - 1]
        if sum(self.late) != late:
            raise wrong("late", f"sizes of groups that add up to {late}", self.late)

    @property
    def expected_error(self) -> float:
        """Standard error that is expected of the first passes at p = 0.5; see `EarlyError.undecided`."""
        error, groups = (self.one, 1) if self.first < self.cells else (self.group, self.first // self.cells)
        return math.sqrt(error.undecided / groups)

    @functools.cached_property
    def unmeasured(self) -> Design:
        """All that masks follow from: the design without constants."""
        return Design(self.widths, self.late, self.cells, 1, self.cost)

    @property
    def passes(self) -> int:
        """Thinned networks in a cell."""
        return self.widths[-1]

    @functools.cached_property
    def ratios(self) -> tuple[int, ...]:
        """Masks at each level for each mask at the level before."""
        before = (1, *self.widths[:-1])
        return tuple(width // outer for width, outer in zip(self.widths, before, strict=True))

    @property
    def is_flat(self) -> bool:
        """True if every pass has its own masks at all levels."""
        return self.widths[0] == self.passes

    @functools.cached_property
    def branchings(self) -> tuple[int, ...]:
        """The levels with more masks than the level before, counted from 1."""
        return tuple(level for level, ratio in enumerate(self.ratios, start=1) if ratio > 1)


def of_fewer(design: Design, passes: int, levels: Sequence[Level]) -> Design:
    """The design of at most `passes` first passes: fewer are balanced against each other.

    The mean of k balanced members (cells, or flat passes) leaves, of the squared error of one, the share a of
    what units do alone (`remaining_variance` / k), and (1 − a)² / (k − 1) + a² of what two do together: that
    is the variance of the mean product of two columns of masks, each put in a random order. The pilot
    measured one member and a whole group. Both tell how large the two parts are, so the constants of k
    members are a weighted sum of those that were measured.

    Args:
        design: A design with measured constants.
        passes: How many, ≥ 2.
        levels: Levels of the model.

    Returns:
        The design itself if it has no more first passes, or if its cells cannot be divided.
    """
    shared, *others = levels
    if design.is_flat and passes < design.passes:
        groups, whole = len(design.late), design.passes // len(design.late)
        one = _alone(design.one)
        group = one.plus(design.one, 0, groups)
        size = min(passes, whole)
        errors = _of_group(one, group, size, whole, _between(1, len(levels), levels))
        count = passes // size
        errors = replace(errors.plus(errors, 1 / count, 0), of_spread=design.one.of_spread)
        cost = shared.cost + count * size * sum(level.cost for level in others)
        widths, late = (count * size,) * len(others), (size,) * count
        return replace(design, widths=widths, late=late, first=1, cost=cost, one=errors, group=errors)
    cells = max(1, passes // design.passes)
    if design.is_flat or cells >= min(design.first, design.cells):
        return design
    if cells == 1:
        return replace(design, first=1)
    random_ops = _between(1, design.branchings[0], levels)
    errors = _of_group(design.one, design.group, cells, design.cells, random_ops)
    usual = design.group.plus(design.group, design.cells / cells, 0).usual_late
    return replace(design, cells=cells, first=cells, group=replace(errors, usual_late=usual))


def _of_group(
    one: EarlyError, group: EarlyError, size: int, whole: int, random_ops: Sequence[RandomOp]
) -> EarlyError:
    """Constants of `size` balanced members, from those of one and of a `whole` group; see `of_fewer`."""
    if size == whole:
        return group
    alone, least = (
        float(np.mean([remaining_variance(op, count) for op in random_ops])) / count
        for count in (size, whole)
    )
    share = _together(alone, size) / _together(least, whole)
    return one.plus(group, max(0.0, alone - share * least), share)


def _together(alone: float, size: int) -> float:
    """The share that balance leaves of what two units do together, beyond that of what they do alone."""
    return (1 - alone) ** 2 / (size - 1) + alone**2 - alone


def _alone(error: EarlyError) -> EarlyError:
    """Constants of a single flat pass, whose squared error is its variance, from those of a cell."""
    variances = [(low or high or 1.0, high or low or 1.0) for low, high in error.of_variance]
    return replace(
        error,
        usual_early=tuple(
            (a / low, b / low, c / low)
            for (a, b, c), (low, _) in zip(error.usual_early, variances, strict=True)
        ),
        of_variance=tuple((low / low, high / high) for low, high in variances),
        undecided=error.undecided / variances[0][1],
    )


def of_error(design: Design, target_error: float, levels: Sequence[Level]) -> Design:
    """The design with the fewest first passes whose error is expected to be small enough where p is 0.5.

    At least as many flat cells as show the error of a row well enough; at most as many as a row gets, even if
    their error is larger.

    Args:
        design: A design with measured constants.
        target_error: Largest acceptable standard error, as `EarlyError.undecided` squared has it.
        levels: Levels of the model.
    """
    if design.is_flat:
        fewer = range(2, 2 if design.first > 1 else design.passes)
        most = tuning.MOST_FLAT // design.passes
    else:
        fewer = range(design.passes, design.passes * min(design.first, design.cells), design.passes)
        most = tuning.MOST_GROUPS * design.cells
    larger = range(design.first // design.cells * design.cells + design.cells, most + 1, design.cells)
    candidates = [of_fewer(design, size, levels) for size in fewer]
    candidates += [replace(design, first=size) for size in (design.first, *larger)]
    precise = (candidate for candidate in candidates if candidate.expected_error <= target_error)
    return next(precise, candidates[-1])


def cell_ratios(levels: Sequence[Level], most: int | None = None) -> tuple[int, ...] | None:
    """Masks at each level of a cell for each mask at the level before, chosen from costs alone.

    A cell branches at the first level with almost no computation left (at most `CHEAP`). It also branches at
    the first earlier level with little left (at most `MIDDLING`), and at level 1 if a balanced group of masks
    there costs next to nothing (at most `SPARE`).

    Args:
        levels: Levels of the model, the shared one first.
        most: Most passes for one row in all, or None for no limit.

    Returns:
        The ratios, or None if no level is cheap enough or `most` is too low.
    """
    costs = [level.cost for level in levels]
    count = len(costs) - 1
    left = [sum(costs[level:]) for level in range(count + 1)]
    late = next((level for level in range(1, count + 1) if left[level] <= tuning.CHEAP), None)
    if late is None:
        return None
    middle = next((level for level in range(2, late) if left[level] <= MIDDLING), late)
    ratios = [1] * count
    if late > 1:
        size = balanced_size(_between(1, middle, levels))
        spare = min(MOST_EARLY, int(tuning.SPARE / sum(costs[1:middle])))
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
    """Ratios that minimise variance times cost, in whole balanced groups.

    This is classical optimal splitting. The number at a branching is √(variance that it causes / cost up to
    the next branching), divided by the same root for the branching before. Only a branching between the first
    masks and the late ones is changed.

    Args:
        design: The design that was tried.
        shares: Share of the variance that each of its levels causes.
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
    ratio = round(math.sqrt(brought / max(early, 1e-12)) / size)
    ratios = list(design.ratios)
    ratios[middle - 1] = min(MOST_EARLY // size, ratio) * size or 1
    return _with_late(ratios, late, levels, most)


def _between(first: int, end: int, levels: Sequence[Level]) -> list[RandomOp]:
    """The random calls at the levels from `first` up to, but not including, `end`."""
    return [op for level in levels[first:end] for op in level.random_ops]


def _with_late(
    ratios: list[int], late: int, levels: Sequence[Level], most: int | None
) -> tuple[int, ...] | None:
    """The ratios with enough late masks for about `LATE_PASSES` passes, or None if `most` is too low."""
    ratios[late - 1] = 1
    early = math.prod(ratios)
    masks = min(MOST_LATE, max(LEAST_LATE, tuning.LATE_PASSES // early))
    if most is not None:
        masks = min(masks, most // (early * _cells(ratios, late, levels)))
    if masks < LEAST_LATE:
        return None
    size = balanced_size(_between(late, len(ratios) + 1, levels), LARGEST_FLAT_GROUP)
    ratios[late - 1] = masks // size * size if masks >= 2 * size else masks
    return tuple(ratios)


def _cells(ratios: Sequence[int], late: int, levels: Sequence[Level]) -> int:
    """Number of cells that balances the masks before the first branching of a cell."""
    branching = next((level for level, ratio in enumerate(ratios, start=1) if ratio > 1), late)
    before = _between(1, branching, levels)
    return balanced_size(before) if before else 1


def design_of(ratios: tuple[int, ...], levels: Sequence[Level]) -> Design:
    """The design with these ratios; the constants of its early error are not measured yet."""
    widths = tuple(np.cumprod(ratios).tolist())
    late = max(level for level, ratio in enumerate(ratios, start=1) if ratio > 1)
    groups = group_sizes(_between(late, len(ratios) + 1, levels), ratios[late - 1])
    shared, *others = levels
    cost = shared.cost + sum(width * level.cost for width, level in zip(widths, others, strict=True))
    return Design(widths, groups, _cells(ratios, late, levels), 1, cost)


def flat_design(levels: Sequence[Level], most: int | None = None, budget: float = math.inf) -> Design | None:
    """Balanced groups of passes with their own masks at all levels; None if `most` is less than one group.

    Args:
        levels: As in `cell_ratios`.
        most: As in `cell_ratios`.
        budget: Plain predictions for a row on average. A cell costs half of it at most, or has half as many
            passes if these cost more; what is left is for rows that need more.
    """
    shared, *others = levels
    repeated = sum(level.cost for level in others)
    half = min(budget, budget / 2 * max(1.0, shared.cost + repeated))
    first = int(min(tuning.FIRST_FLAT, (half - shared.cost) / repeated + 1e-9))
    if first < 2:
        return None
    size = balanced_size(_between(1, len(levels), levels), min(LARGEST_FLAT_GROUP, first))
    groups = max(1, first // size)
    if most is not None:
        groups = min(groups, most // size)
    if not groups:
        return None
    passes = size * groups
    return Design((passes,) * len(others), (size,) * groups, 1, 1, shared.cost + passes * repeated)
