"""Divide passes into balanced groups so that the error of their mean can be estimated.

One balanced group has no replicate, so it shows no valid error; many small groups balance less. The best
division has the smallest reported variance: the variance that balance leaves, times the widening (Student's
t) that few groups need.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from howsure import tuning
from howsure.sampling.masks import whole_and_part
from howsure.sites import BERNOULLI_KINDS, UNIFORM, Site
from howsure.statistics import normal_density, widening


def remaining_variance(site: Site, size: int) -> float:
    """Share of a site's first-order variance that remains in a balanced group of `size` passes.

    1 for independent passes; 0 if rate × size is whole. With f the fractional part of p·B, the number of
    drops has variance f(1−f) instead of B·p(1−p). For a normal or uniform draw it is the mean variance within
    `size` equally probable strata.
    """
    if site.kind in BERNOULLI_KINDS:
        if site.rate == 1:
            return 0.0
        part = whole_and_part(site.rate * size)[1]
        return part * (1 - part) / (size * site.rate * (1 - site.rate))
    if site.kind == UNIFORM:
        return 1 / size**2
    edges = normal_density(ndtri(np.linspace(0, 1, size + 1)))
    return float(1 - size * np.sum(np.diff(edges) ** 2))


def variance_factor(sites: Sequence[Site], size: int) -> float:
    """Variance of a mean over balanced groups of `size`, relative to as many independent passes."""
    if size == 1:
        return 1.0
    first_order = float(np.mean([remaining_variance(site, size) for site in sites]))
    return (1 - tuning.SECOND_ORDER) * first_order + tuning.SECOND_ORDER * size / (size - 1)


def group_sizes(sites: Sequence[Site], passes: int, *, balanced: bool = True) -> tuple[int, ...]:
    """Divide `passes` into at least two groups of nearly equal size.

    Args:
        sites: The random calls of the model.
        passes: T ≥ 2.
        balanced: False gives T independent passes.

    Returns:
        Group sizes that add up to `passes`.
    """
    if not balanced:
        return (1,) * passes
    factor = functools.cache(lambda size: variance_factor(sites, size))
    best, best_cost = passes, np.inf
    for target in range(1, min(tuning.LARGEST_GROUP, passes // 2) + 1):
        groups = passes // target
        size, larger = divmod(passes, groups)
        mean = ((groups - larger) * factor(size) + larger * factor(size + 1)) / groups
        cost = mean * float(widening(groups)) ** 2
        if cost < best_cost:
            best, best_cost = groups, cost
    size, larger = divmod(passes, best)
    return (size + 1,) * larger + (size,) * (best - larger)
