"""Networks of a result of numbers, and the share of all networks that each stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from howsure.sampling.between_numbers import MIDDLES, shares_of
from howsure.sampling.outcome import Booleans, Floats
from howsure.statistics import widening

if TYPE_CHECKING:
    from howsure.answers.numbers.result import RegressionCertainty

_SHARES = shares_of(MIDDLES[None], np.zeros(1))
_NORMAL = ndtri(MIDDLES) / np.sqrt(_SHARES @ ndtri(MIDDLES) ** 2)
"""(64,) networks of a standard normal distribution, whose standard deviation is 1."""


Z = float(ndtri(0.975))
"""How many standard errors an interval of 95 % reaches to either side."""

MOST = 1e6
"""More passes make an interval of Student's t no narrower."""


@dataclass(frozen=True, eq=False)
class SingleNetworks:
    """Networks for one target of N rows.

    Attributes:
        numbers: (N, M) of each network.
        shares: (N, M) of all networks that each stands for.
        noise: (N, M) standard deviation of answers around each; NaN where unknown.
        independent: (N,) how many independent passes tell as much; infinity where a normal distribution is
            known in closed form, and 0 where nothing but mean and spread is known.
        is_each: (N,) whether each is a network of its own, and not a quantile of more.
        are_all: (N,) whether there are no others, as of an ensemble or a normal distribution.
        centre: (N,) mean of all networks.
        error: (N,) standard error of that.
        reach: (N,) how large their standard deviation may be.
        few: (N,) factor by which so few passes widen an interval (Student's t).
    """

    numbers: Floats
    shares: Floats
    noise: Floats
    independent: Floats
    is_each: Booleans
    are_all: Booleans
    centre: Floats
    error: Floats
    reach: Floats
    few: Floats

    def above(self, threshold: Floats | float) -> Floats:
        """(N, M) probability that each network gives to an answer above; 0 or 1 where there is no noise."""
        away, noise = self.numbers - threshold, np.nan_to_num(self.noise)
        known = np.where(noise > 0, noise, 1.0)
        return np.where(noise > 0, ndtr(away / known), np.asarray(away > 0, dtype=np.float64))

    def mean(self, values: Floats) -> Floats:
        """(N,) mean over all networks of values (N, M)."""
        # In one order of adding, however the arrays lie in memory.
        return np.asarray(np.ascontiguousarray(self.shares * values).sum(axis=-1))


def networks_of(result: RegressionCertainty, k: int) -> SingleNetworks | None:
    """The networks of one target; None if none are known.

    If only the mean and the spread are known, they are taken from a normal distribution.
    """
    if result.spread is None:
        return None
    centre, passes = result.mean[:, k], result.passes.astype(np.float64)
    spread, error = np.nan_to_num(result.spread[:, k]), result.mc_error[:, k]
    off = np.zeros_like(spread) if result.spread_error is None else np.nan_to_num(result.spread_error[:, k])
    noise = np.broadcast_to(result.noise[:, k, None], (len(result), 1))
    if result.networks is None:
        numbers = centre[:, None] + spread[:, None] * _NORMAL
        shares = np.broadcast_to(_SHARES, numbers.shape)
        is_each = np.zeros(len(result), dtype=bool)
        independent = np.where((error == 0) & (off == 0), np.inf, 0.0)
    else:
        kept = result.networks[:, k]
        is_there = np.isfinite(kept)
        numbers, shares = np.where(is_there, kept, centre[:, None]), shares_of(kept, passes)
        noise = noise if result.networks_noise is None else result.networks_noise[:, k]
        noise, is_each = np.where(is_there, noise, 0.0), is_there.sum(axis=-1) == passes
        independent = passes if result.independent is None else result.independent
    few = np.where(independent > 0, widening(np.clip(np.rint(independent), 2, MOST)), 1.0)
    reach = few * (spread + Z * off)
    are_all = np.full(len(result), result.spread_error is not None) & (off == 0)
    return SingleNetworks(numbers, shares, noise, independent, is_each, are_all, centre, error, reach, few)
