"""Drawing the masks of a design and summing up its passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.error import EarlyError, fit_early_error
from howsure.sampling.masks import Site, draw
from howsure.sampling.plan import Design
from howsure.statistics import entropy_of

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass
class Estimate:
    """What one run of a design says about n rows.

    Attributes:
        mean: (n, K) mean of all passes.
        squares: (n, K) square of `mean`, so that sums over cells tell their spread.
        late_variance: (n, K) squared error of `mean` that the last branching leaves.
        variance: (n, K) variance over all passes.
        entropies: (n, 3) nats, entropy of `mean`, mean entropy of the passes, and their difference.
        entropies_squares: (n, 3) their squares.
        entropies_late_variance: (n, 3) squared error of `entropies` that the last branching leaves.
        entropies_variance: (n, 3) variance over all passes of what each is the mean of.
    """

    mean: Floats
    squares: Floats
    late_variance: Floats
    variance: Floats
    entropies: Floats
    entropies_squares: Floats
    entropies_late_variance: Floats
    entropies_variance: Floats


def added_up(estimates: Sequence[Estimate], how: Callable[[list[Floats]], Floats]) -> Estimate:
    """Some estimates as one: the sum where they are of the same rows, joined where of others."""
    names = [item.name for item in fields(Estimate)]
    return Estimate(*(how([getattr(estimate, name) for estimate in estimates]) for name in names))


def masks_of(
    design: Design, sites: Sequence[Site], levels: Sequence[int], *, seed: int, stage: int
) -> list[list[Array]]:
    """Masks of one group of cells.

    Before the first branching of a cell, the masks of all cells are a balanced group. The children of a
    branching are one; levels that do not branch are balanced over the branching above them. The last
    branching falls into the groups `design.late`, so that their spread tells its error.

    Returns:
        For each cell for each site (W_l, *site.shape).
    """
    widths = (1, *design.widths)
    cells: list[list[Array]] = [[] for _ in range(design.cells)]
    for site, level in zip(sites, levels, strict=True):
        branching = max((at for at in design.branchings if at <= level), default=None)
        if branching is None:
            together = draw(site, seed=seed, stage=stage, group=0, size=design.cells)
            for number, masks in enumerate(cells):
                masks.append(together[number : number + 1])
            continue
        parents, children = widths[branching - 1], widths[branching] // widths[branching - 1]
        sizes = design.late if branching == design.branchings[-1] else (children,)
        for number, masks in enumerate(cells):
            groups = [
                draw(
                    site,
                    seed=seed,
                    stage=stage,
                    group=(number * parents + parent) * len(sizes) + at,
                    size=size,
                )
                for parent in range(parents)
                for at, size in enumerate(sizes)
            ]
            masks.append(np.concatenate(groups))
    return cells


def sum_up(passes: Floats, design: Design) -> Estimate:
    """Mean, entropies, and the error of the last branching, of the passes of one run.

    Args:
        passes: (W, n, K) probabilities.
        design: What they follow.
    """
    mean, late, variance = _mean_and_late_variance(passes, design)
    entropies, *of_entropies = _mean_and_late_variance(entropies_of(passes, mean), design)
    return Estimate(mean, mean**2, late, variance, entropies, entropies**2, *of_entropies)


def entropies_of(passes: Floats, mean: Floats) -> Floats:
    """What the three entropies are means of, pass by pass, so that each has the error of a plain mean.

    Args:
        passes: (W, n, K) probabilities.
        mean: (n, K) their mean, or something near it.

    Returns:
        (W, n, 3) −Σ p log(mean), whose mean is the entropy of `mean`; the pass's entropy; their difference.
    """
    surprise = -np.log(np.maximum(mean, np.finfo(np.float32).tiny))
    total = np.einsum("wnk,nk->wn", passes, surprise)
    own = entropy_of(passes)
    return np.stack([total, own, total - own], axis=-1)


def _mean_and_late_variance(values: Floats, design: Design) -> tuple[Floats, Floats, Floats]:
    """(n, C) mean, squared error the last branching leaves, and variance, of values (W, n, C).

    Where all layers branch together, all of the error is pooled in the pilot: few groups of a row's
    own would tell too little of it.
    """
    if design.is_flat:
        return values.mean(axis=0), np.zeros(values.shape[1:]), values.var(axis=0)
    late = design.late
    cells = len(values) // sum(late)
    grouped = values.reshape(cells, -1, *values.shape[1:])
    of_cell = grouped.mean(axis=1)
    between = np.zeros_like(of_cell)
    start = 0
    for size in late:
        between += size * (grouped[:, start : start + size].mean(axis=1) - of_cell) ** 2
        start += size
    # As in `howsure.sampling.summary.Summary.mc_error`, for each cell; then the mean over the cells.
    left = between / ((len(late) - 1) * sum(late))
    return of_cell.mean(axis=0), left.mean(axis=0) / cells, values.var(axis=0)


def measure_early_errors(replicates: Sequence[Sequence[Estimate]]) -> tuple[EarlyError, EarlyError]:
    """Constants for the errors of one cell and of the mean over a group, from a pilot.

    Args:
        replicates: Independent groups of cells on the same rows, and in each the estimate of every cell.
    """

    def gathered(name: str) -> Floats:
        return np.asarray([[getattr(cell, name) for cell in group] for group in replicates])

    def both(name: str) -> Floats:
        parts = (gathered(name), gathered(f"entropies_{name}"))
        return np.concatenate([part.mean(axis=(0, 1)) for part in parts], axis=-1)

    means, entropies = gathered("mean"), gathered("entropies")
    cells = means.shape[1]
    of_cells = np.concatenate([means, entropies], axis=-1)
    total, expected = entropy_of(means.mean(axis=1)), entropies[..., 1].mean(axis=1)
    of_groups = np.concatenate(
        [means.mean(axis=1), np.stack([total, expected, total - expected], axis=-1)], axis=-1
    )
    late, variance = both("late_variance"), both("variance")
    squares = np.sum(of_cells**2, axis=1)
    spread = spread_of(squares, of_cells.mean(axis=1), cells, groups=1).mean(axis=0)
    mean = means.mean(axis=(0, 1))
    return (
        fit_early_error(mean, _variance_of_one(of_cells), late, variance, np.zeros_like(spread)),
        fit_early_error(mean, of_groups.var(axis=0, ddof=1), late / cells, variance, spread),
    )


def spread_of(squares: Floats, mean: Floats, cells: int, groups: int) -> Floats:
    """Variance over cells, within their groups, of K probabilities and three entropies (…, K + 3).

    The mutual information of a cell knows nothing of other cells, so the sum of the spreads of entropy and
    expected entropy stands in its place.

    Args:
        squares: Sum of squares over the cells.
        mean: Mean over them.
        cells: How many.
        groups: Of how many groups.
    """
    if cells == groups:
        return np.zeros_like(mean)
    spread = np.maximum(squares - cells * mean**2, 0) / (cells - groups)
    spread[..., -1] = spread[..., -3] + spread[..., -2]
    return np.asarray(spread)


def _variance_of_one(values: Floats) -> Floats:
    """Variance of a single estimate, from R groups of S cells (R, S, n, C).

    Cells of one group are balanced against each other, so their spread alone would be too large; around
    the mean of all, which balance makes exact but for the spread of the groups, it is not.
    """
    of_groups = values.mean(axis=1).var(axis=0, ddof=1)
    if values.shape[1] == 1:
        return np.asarray(of_groups)
    return np.asarray(values.var(axis=(0, 1)) + of_groups / len(values))


def measure_shares(passes: Sequence[Floats], design: Design) -> tuple[float, ...]:
    """Share of the predictive variance that each level brings, pooled over rows and classes.

    Args:
        passes: (W, n, K) of every cell of one group of `design`.
        design: What they follow.

    Returns:
        For each level the share of its branching, and for the first level that of the cells.
    """
    means = np.asarray(passes).reshape(len(passes), *design.ratios, *passes[0].shape[1:])
    brought = np.zeros(1 + len(design.ratios))
    for axis in reversed(range(len(brought))):
        # Balanced masks spread more among themselves than alone; dividing by their number, not by one
        # less, makes up for it.
        brought[axis] = means.var(axis=axis).mean()
        means = means.mean(axis=axis)
    brought[1] += brought[0]
    total = max(brought[1:].sum(), 1e-300)
    return tuple((brought[1:] / total).tolist())
