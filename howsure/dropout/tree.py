"""Drawing the masks of a design and summing up its passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.certainty import entropy_of
from howsure.dropout.masks import Site, draw
from howsure.dropout.plan import Design

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass
class Estimate:
    """What one run of a design says about n rows.

    Attributes:
        mean: (n, K) mean of all passes.
        late_variance: (n, K) squared error of `mean` that the last branching leaves.
        entropy: (n,) nats, mean entropy of the passes.
        variance: (n, K) variance over all passes.
    """

    mean: Floats
    late_variance: Floats
    entropy: Floats
    variance: Floats


def masks_of(
    design: Design, sites: Sequence[Site], levels: Sequence[int], *, seed: int, stage: int
) -> list[Array]:
    """Masks of one run of a design.

    The children of a branching are a balanced group; levels that do not branch are balanced over the
    branching above them. The last branching falls into the groups `design.late`, so that their
    spread tells its error.

    Returns:
        For each site (W_l, *site.shape).
    """
    widths = (1, *design.widths)
    masks: list[Array] = []
    for site, level in zip(sites, levels, strict=True):
        branching = next((at for at in range(level, 0, -1) if widths[at] > widths[at - 1]), 1)
        parents, children = widths[branching - 1], widths[branching] // widths[branching - 1]
        sizes = design.late if widths[branching] == design.passes else (children,)
        groups = [
            draw(site, seed=seed, stage=stage, group=parent * len(sizes) + number, size=size)
            for parent in range(parents)
            for number, size in enumerate(sizes)
        ]
        masks.append(np.concatenate(groups))
    return masks


def sum_up(passes: Floats, design: Design) -> Estimate:
    """Mean, error of the last branching, and entropy of the passes of one run.

    Args:
        passes: (W, n, K) probabilities.
        design: What they follow.
    """
    cells = len(passes) // sum(design.late)
    late = passes.reshape(cells, -1, *passes.shape[1:])
    mean = late.mean(axis=1)
    between = np.zeros_like(mean)
    start = 0
    for size in design.late:
        between += size * (late[:, start : start + size].mean(axis=1) - mean) ** 2
        start += size
    # As in `howsure.summary.Summary.mc_error`, for each cell; then the mean over the cells.
    of_cell = between / ((len(design.late) - 1) * sum(design.late))
    return Estimate(
        mean=mean.mean(axis=0),
        late_variance=of_cell.mean(axis=0) / cells,
        entropy=entropy_of(passes).mean(axis=0),
        variance=passes.var(axis=0),
    )


def measure_constant(estimates: Sequence[Estimate], power: int) -> float:
    """The c of the error that early levels leave, pooled over rows and their two most probable classes.

    Args:
        estimates: Independent replicates of a design on the same uncertain rows.
        power: See `Design`.

    Returns:
        Σ (variance over the replicates − late variance) / Σ (p(1−p))^power, at least 0.
    """
    means = np.array([estimate.mean for estimate in estimates])
    late = np.mean([estimate.late_variance for estimate in estimates], axis=0)
    p = means.mean(axis=0)
    early = means.var(axis=0, ddof=1) - late
    two = p >= np.partition(p, -2, axis=-1)[..., -2, None]
    return max(0.0, float(np.sum(early[two]) / max(np.sum((p * (1 - p))[two] ** power), 1e-12)))
