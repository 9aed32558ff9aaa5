"""Drawing the masks of a design and summing up its passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from howsure.certainty import entropy_of
from howsure.dropout.groups import widening
from howsure.dropout.masks import Site, draw
from howsure.dropout.plan import Design, EarlyError

Array = NDArray[Any]
Floats = NDArray[np.float64]


LEAST_LINEAR = 1 / 100
"""b is at least this times a in the error of early levels: nearly certain rows, on which b shows, are too
skewed for a pilot to tell. Whether it suffices, docs/coverage.md says for random rows."""


@dataclass
class Estimate:
    """What one run of a design says about n rows.

    Attributes:
        mean: (n, K) mean of all passes.
        late_variance: (n, K) squared error of `mean` that the last branching leaves.
        variance: (n, K) variance over all passes.
        entropies: (n, 3) nats, entropy of `mean`, mean entropy of the passes, and their difference.
        entropies_late_variance: (n, 3) squared error of `entropies` that the last branching leaves.
        entropies_variance: (n, 3) variance over all passes of what each is the mean of.
    """

    mean: Floats
    late_variance: Floats
    variance: Floats
    entropies: Floats
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
    return Estimate(mean, late, variance, *_mean_and_late_variance(entropies_of(passes, mean), design))


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
    # As in `howsure.summary.Summary.mc_error`, for each cell; then the mean over the cells.
    left = between / ((len(late) - 1) * sum(late))
    return of_cell.mean(axis=0), left.mean(axis=0) / cells, values.var(axis=0)


def measure_early_errors(replicates: Sequence[Sequence[Estimate]]) -> tuple[EarlyError, EarlyError]:
    """What early levels leave in one cell and in a group, pooled over rows.

    Args:
        replicates: Independent groups of cells on the same uncertain rows, and in each the estimate of
            every cell.

    Returns:
        For one cell, and for the mean over a group, widened by t/1.96 squared. As the rows share masks, R
        groups of n rows have between R − 1 and n (R − 1) degrees of freedom; 2 (R − 1) is used.
    """
    widened = float(widening(2 * len(replicates) - 1)) ** 2

    def gathered(name: str) -> Floats:
        return np.asarray([[getattr(cell, name) for cell in group] for group in replicates])

    means, entropies = gathered("mean"), gathered("entropies")
    late, entropies_late = (
        gathered(name).mean(axis=(0, 1)) for name in ("late_variance", "entropies_late_variance")
    )
    variance, entropies_variance = (
        gathered(name).mean(axis=(0, 1)) for name in ("variance", "entropies_variance")
    )
    cells = means.shape[1]
    total, expected = entropy_of(means.mean(axis=1)), entropies[..., 1].mean(axis=1)
    of_groups = np.stack([total, expected, total - expected], axis=-1)

    def early_error(of_means: Floats, of_entropies: Floats) -> EarlyError:
        quadratic, linear = _two_terms(means.mean(axis=(0, 1)), of_means)
        probability = _share(of_means.reshape(-1, 1), variance.reshape(-1, 1))[0]
        shares = widened * _share(of_entropies, entropies_variance)
        return EarlyError(widened * quadratic, widened * linear, float(probability), *shares.tolist())

    return (
        early_error(_variance_of_one(means) - late, _variance_of_one(entropies) - entropies_late),
        early_error(
            means.mean(axis=1).var(axis=0, ddof=1) - late / cells,
            of_groups.var(axis=0, ddof=1) - entropies_late / cells,
        ),
    )


def _variance_of_one(values: Floats) -> Floats:
    """Variance of a single estimate, from R groups of S cells (R, S, n, C).

    Cells of one group are balanced against each other, so their spread alone would be too large; around
    the mean of all, which balance makes exact but for the spread of the groups, it is not.
    """
    of_groups = values.mean(axis=1).var(axis=0, ddof=1)
    if values.shape[1] == 1:
        return np.asarray(of_groups)
    return np.asarray(values.var(axis=(0, 1)) + of_groups / len(values))


def _two_terms(p: Floats, left: Floats) -> tuple[float, float]:
    """The a, b ≥ 0 of a (p(1−p))² + b p(1−p) that fit `left` best, over the rows' two top classes."""
    two = p >= np.partition(p, -2, axis=-1)[..., -2, None]
    spread = np.maximum((p * (1 - p))[two], 1e-9)
    # `left` grows about as spread^1.5, between the two terms; so relative errors weigh alike.
    terms = np.stack([spread**2 + LEAST_LINEAR * spread, spread], axis=-1) / spread[:, None] ** 1.5
    (quadratic, more), _ = nnls(terms, left[two] / spread**1.5)
    return float(quadratic), float(LEAST_LINEAR * quadratic + more)


def _share(part: Floats, whole: Floats) -> Floats:
    """(C,) Σ part / Σ whole over the rows (n, C), at least 0."""
    return np.asarray(np.maximum(part.sum(axis=0), 0.0) / np.maximum(whole.sum(axis=0), 1e-300))


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
