"""The plan: how many masks at which level, so that a requested error costs least.

Where the late levels are cheap and bring most of the variance (a CNN's last dropout), many late masks
for each early one give the precision of as many passes for the price of few (splitting). A cell is
one run through the dear levels with many late masks; a group of cells is balanced in the early masks,
so that their first-order part cancels. A pilot on some uncertain rows measures what each level brings,
whether splitting pays and how large the error is that the early masks leave; all of it is kept in the
plan, so that a row alone gets the same numbers as among others.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from howsure.atomic import write_whole
from howsure.errors import FileError, InputError
from howsure.sampling.balance import group_sizes
from howsure.sampling.error import UNMEASURED, EarlyError
from howsure.sampling.masks import BERNOULLI_KINDS, Site, whole_and_part

CHEAP = 1 / 500
"""Largest share of a plain prediction that a pass through the last levels may cost, to be split."""

MIDDLING = 0.1
"""The same for the branching before it."""

SPARE = 0.05
"""Share of a plain prediction that a round may spend on balancing the first masks within it."""

SPARE_IN_THE_MIDDLE = 0.3
"""The same for the branching between the first and the last."""

LATE_PASSES = 80
"""Passes of a cell, about."""

MOST_LATE = 64
"""Late masks for each early one at most."""

LEAST_LATE = 8
"""Fewer late masks could not tell their own error."""

MOST_EARLY = 20
"""Masks at one early branching at most."""

LARGEST_EARLY_GROUP = 10
"""Early masks in a balanced group; more would make a round too dear."""

LARGEST_FLAT_GROUP = 20
"""Passes in a balanced group where all layers get as many masks."""

FIRST_FLAT = 20
"""Flat passes that every row gets, about, in whole balanced groups."""

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"

FORMAT = 3
"""Of a saved plan."""


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
    """

    widths: tuple[int, ...]
    late: tuple[int, ...]
    cells: int
    first: int
    cost: float
    one: EarlyError = UNMEASURED
    group: EarlyError = UNMEASURED

    @property
    def passes(self) -> int:
        """Thinned networks in a cell."""
        return self.widths[-1]

    @property
    def ratios(self) -> tuple[int, ...]:
        """Masks at each level for each mask at the level before."""
        before = (1, *self.widths[:-1])
        return tuple(width // each for width, each in zip(self.widths, before, strict=True))

    @property
    def is_flat(self) -> bool:
        """Whether every pass has masks of its own at all layers."""
        return self.widths[0] == self.passes

    @property
    def branchings(self) -> tuple[int, ...]:
        """The levels with more masks than the one before, from 1."""
        return tuple(level for level, ratio in enumerate(self.ratios, start=1) if ratio > 1)


@dataclass(frozen=True)
class Plan:
    """Which passes rows get: one cell of a design for all, whole groups for rows that need more.

    Attributes:
        design: The design; None where passes must run one at a time or are to be independent, and then
            every row gets flat groups and tells its error from their spread.
        shares: Share of the predictive variance of the pilot's rows that each level brings: the
            first, and those where a cell branches. Empty where that was not measured.
        precision: `float32`, or `bfloat16` where the pilot found the heavy layers of the passes to be
            as good in it and the machine is faster.
        made_for: The random calls of the model it was made for, in words; empty where any will do.
    """

    design: Design | None = None
    shares: tuple[float, ...] = ()
    precision: str = FLOAT32
    made_for: tuple[str, ...] = ()

    def in_words(self, sites: Sequence[Site], levels: Sequence[int]) -> str:
        """What it says, with the names of the random calls.

        Args:
            sites: The random calls of the model it was made for.
            levels: Level of each, from 1.
        """
        if self.design is None:
            return "every pass runs through all random layers."
        design, names = self.design, {level: site.name for level, site in zip(levels, sites, strict=True)}
        price = f"{design.passes} passes for the price of {design.cost:.2f} plain predictions"
        balanced = f"{design.cells} times as many, with masks that balance each other"
        precision = f"Heavy layers run in {self.precision}."
        if design.is_flat:
            return (
                f"{price}: each runs through all random layers, in balanced groups of "
                f"{design.late[0]}. Rows that need more get as many again. {precision}"
            )
        first, *more = design.ratios
        masks = [f"{first} mask{'s' * (first > 1)} at '{names[1]}'"]
        for level, ratio in enumerate(more, start=2):
            masks.append(f"{ratio} for each of these at '{names[level]}'")
        brought = [f"{100 * share:.0f} % at '{names[level]}'" for level, share in enumerate(self.shares, 1)]
        return (
            f"{price}: {', '.join(masks)}. {'Rows that need more' if design.first == 1 else 'All rows'} get "
            f"{balanced}. The variance arises where masks branch: {', '.join(brought)}. {precision}"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The plan as plain numbers, as it is saved with a result; empty for flat passes."""
        return {} if self.design is None else asdict(self)

    def check_fits(self, sites: Sequence[Site], levels: Sequence[int]) -> None:
        """Raise an `InputError` unless the plan was made for a model with these random calls."""
        if self.made_for and self.made_for != described(sites, levels):
            raise InputError(
                "The plan was made for another model",
                expected=f"one for {'; '.join(described(sites, levels)) or 'a model without random layers'}",
                received=f"one for {'; '.join(self.made_for)}",
                mend="Make one with howsure.plan(model, x)",
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file; an earlier file stays until the new one is complete.

        Raises:
            FileError: The file cannot be written.
        """
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"
        write_whole(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read what `save` wrote.

        Raises:
            FileError: The file is missing, damaged, or not a saved plan.
        """
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8"))
            if settings["format"] == FORMAT:
                return _plan_from(settings)
            raise FileError(
                f"'{os.fspath(path)}' is in a format that this version of howsure does not know",
                expected=f"format {FORMAT}",
                received=settings["format"],
                mend="Make the plan again with howsure.plan(model, x)",
            )
        except OSError as error:
            raise FileError(
                f"Cannot read the plan '{os.fspath(path)}' ({error.strerror or error})"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(
                f"'{os.fspath(path)}' is not a saved plan ({type(error).__name__}: {error})",
                expected="a file written by `Plan.save` or `howsure audit --save-plan`",
            ) from error


def described(sites: Sequence[Site], levels: Sequence[int]) -> tuple[str, ...]:
    """The random calls of a model in words, but for their names, which may change from run to run."""
    return tuple(
        f"{site.in_words} of {' × '.join(map(str, site.shape))} at level {level}"
        for site, level in zip(sites, levels, strict=True)
    )


def _plan_from(settings: Mapping[str, Any]) -> Plan:
    """The plan whose `settings` these are, read from JSON."""

    def ends(pair: Sequence[float]) -> tuple[float, float]:
        first, second = pair
        return float(first), float(second)

    def error(constants: Mapping[str, Any]) -> EarlyError:
        return EarlyError(*(tuple(map(ends, constants[item.name])) for item in fields(EarlyError)))

    design = settings["design"]
    if design is not None:
        design = Design(
            tuple(map(int, design["widths"])),
            tuple(map(int, design["late"])),
            int(design["cells"]),
            int(design["first"]),
            float(design["cost"]),
            error(design["one"]),
            error(design["group"]),
        )
    precision = settings["precision"]
    if precision not in (FLOAT32, BFLOAT16):
        raise ValueError(f"the precision '{precision}'")
    return Plan(
        design, tuple(map(float, settings["shares"])), precision, tuple(map(str, settings["made_for"]))
    )


def cell_ratios(
    sites: Sequence[Site], levels: Sequence[int], costs: Sequence[float], most: int | None = None
) -> tuple[int, ...] | None:
    """Masks at each level of a cell for each mask at the level before, from costs alone.

    A cell branches at the first level from which on almost nothing is left to compute (`CHEAP`); before
    that at the first one from which on little is (`MIDDLING`); and at the first of all where a balanced
    group of its masks costs next to nothing (`SPARE`).

    Args:
        sites: The random calls.
        levels: Level of each, from 1.
        costs: Share of a plain prediction's cost at each level, 0 (shared) to the last.
        most: Passes a row may get in all, or None for no limit.

    Returns:
        The ratios, or None where no level is cheap enough or `most` is too low.
    """
    count = len(costs) - 1
    left = [sum(costs[level:]) for level in range(count + 1)]
    late = next((level for level in range(1, count + 1) if left[level] <= CHEAP), None)
    if late is None:
        return None
    middle = next((level for level in range(2, late) if left[level] <= MIDDLING), late)
    ratios = [1] * count
    if late > 1:
        size = balanced_size(_between(1, middle, sites, levels))
        spare = min(MOST_EARLY, int(SPARE / sum(costs[1:middle])))
        ratios[0] = spare // size * size or 1
    if middle < late:
        size = balanced_size(_between(middle, late, sites, levels))
        ratios[middle - 1] = size if ratios[0] * size * sum(costs[middle:late]) <= SPARE_IN_THE_MIDDLE else 1
    return _with_late(ratios, late, sites, levels, most)


def best_ratios(
    design: Design,
    shares: Sequence[float],
    sites: Sequence[Site],
    levels: Sequence[int],
    costs: Sequence[float],
    most: int | None = None,
) -> tuple[int, ...] | None:
    """Ratios for the least product of variance and cost, in whole balanced groups.

    Classical optimal splitting: n at a branching is √(variance it brings ÷ cost up to the next
    branching), over the same for the one before. Only a branching between the first masks and the late
    ones is changed.

    Args:
        design: What was tried.
        shares: Share of the variance that each level brings in it.
        sites: The random calls.
        levels: Level of each, from 1.
        costs: As in `cell_ratios`.
        most: As in `cell_ratios`.
    """
    *_, late = design.branchings
    middle = next((level for level in design.branchings if 1 < level < late), None)
    if middle is None:
        return design.ratios
    early = sum(shares[: middle - 1]) / sum(costs[1:middle])
    brought = sum(shares[middle - 1 : late - 1]) / sum(costs[middle:late])
    size = balanced_size(_between(middle, late, sites, levels))
    wanted = round(math.sqrt(brought / max(early, 1e-12)) / size)
    ratios = list(design.ratios)
    ratios[middle - 1] = min(MOST_EARLY // size, wanted) * size or 1
    return _with_late(ratios, late, sites, levels, most)


def _between(first: int, end: int, sites: Sequence[Site], levels: Sequence[int]) -> list[Site]:
    """The random calls at the levels from `first` to before `end`."""
    return [site for site, level in zip(sites, levels, strict=True) if first <= level < end]


def _with_late(
    ratios: list[int], late: int, sites: Sequence[Site], levels: Sequence[int], most: int | None
) -> tuple[int, ...] | None:
    """The ratios with as many late masks as make about `LATE_PASSES`, or None if `most` forbids."""
    ratios[late - 1] = 1
    early = math.prod(ratios)
    masks = min(MOST_LATE, max(LEAST_LATE, LATE_PASSES // early))
    if most is not None:
        masks = min(masks, most // (early * _cells(ratios, late, sites, levels)))
    if masks < LEAST_LATE:
        return None
    size = balanced_size(_between(late, len(ratios) + 1, sites, levels), LARGEST_FLAT_GROUP)
    ratios[late - 1] = masks // size * size if masks >= 2 * size else masks
    return tuple(ratios)


def _cells(ratios: Sequence[int], late: int, sites: Sequence[Site], levels: Sequence[int]) -> int:
    """Cells that balance the masks before the first branching of a cell."""
    branching = next((level for level, ratio in enumerate(ratios, start=1) if ratio > 1), late)
    before = _between(1, branching, sites, levels)
    return balanced_size(before) if before else 1


def balanced_size(sites: Sequence[Site], largest: int = LARGEST_EARLY_GROUP) -> int:
    """The smallest group in which every site drops a whole number of times, or the best there is."""
    rates = [site.rate for site in sites if site.kind in BERNOULLI_KINDS and site.rate < 1]
    if not rates:
        return LARGEST_EARLY_GROUP
    uneven = {
        size: sum(part * (1 - part) for part in (whole_and_part(rate * size)[1] for rate in rates))
        for size in range(2, largest + 1)
    }
    return min(uneven, key=lambda size: (round(uneven[size] / size, 9), size))


def design_of(
    ratios: tuple[int, ...], sites: Sequence[Site], levels: Sequence[int], costs: Sequence[float]
) -> Design:
    """The design with these ratios; what its early levels leave is still to be measured."""
    widths = tuple(np.cumprod(ratios).tolist())
    late = max(level for level, ratio in enumerate(ratios, start=1) if ratio > 1)
    groups = group_sizes(_between(late, len(ratios) + 1, sites, levels), ratios[late - 1])
    cost = costs[0] + sum(width * cost for width, cost in zip(widths, costs[1:], strict=True))
    return Design(widths, groups, _cells(ratios, late, sites, levels), 1, cost)


def flat_design(
    sites: Sequence[Site], levels: Sequence[int], costs: Sequence[float], most: int | None = None
) -> Design | None:
    """Balanced groups of passes with masks of their own at all layers; None if `most` allows not even one."""
    size = balanced_size(sites, LARGEST_FLAT_GROUP)
    groups = max(1, FIRST_FLAT // size)
    if most is not None:
        groups = min(groups, most // size)
    if not groups:
        return None
    passes = size * groups
    cost = costs[0] + passes * sum(costs[1:])
    return Design((passes,) * max(levels), (size,) * groups, 1, 1, cost)
